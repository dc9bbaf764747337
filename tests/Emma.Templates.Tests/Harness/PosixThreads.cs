using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

// What tests need to know of glibc's threads; on Windows, whose indexes of thread-local storage take the place of keys, of those.
internal static unsafe partial class PosixThreads
{
    // The calling thread's control block, which is what fs points at.
    [LibraryImport("libc", EntryPoint = "pthread_self")]
    internal static partial nuint Self();

    [LibraryImport("libc", EntryPoint = "pthread_key_create")]
    internal static partial int CreateKey(uint* key, nint destructor);

    [LibraryImport("libc", EntryPoint = "pthread_key_delete")]
    internal static partial int DeleteKey(uint key);

    // How many keys the process may still make.
    internal static int CountFreeKeys()
    {
        List<uint> keys = TakeKeys(uint.MaxValue);
        GiveKeys(keys);
        return keys.Count;
    }

    // Takes every free key below a number.
    internal static List<uint> TakeKeys(uint end)
    {
        List<uint> keys = [];
        uint key;
        while (TryTakeKey(&key))
        {
            if (key >= end)
            {
                GiveKey(key);
                break;
            }

            keys.Add(key);
        }

        return keys;
    }

    internal static void GiveKeys(List<uint> keys) => keys.ForEach(GiveKey);

    private static bool TryTakeKey(uint* key) =>
        OperatingSystem.IsWindows() ? (*key = TakeIndex()) != uint.MaxValue : CreateKey(key, 0) == 0;

    private static void GiveKey(uint key)
    {
        int result = OperatingSystem.IsWindows() ? GiveIndex(key) - 1 : DeleteKey(key);
        Expect.Equal(0, result);
    }

    [LibraryImport("kernel32", EntryPoint = "TlsAlloc")]
    private static partial uint TakeIndex();

    [LibraryImport("kernel32", EntryPoint = "TlsFree")]
    private static partial int GiveIndex(uint index);
}
