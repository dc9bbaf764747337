using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

/// <summary>What tests need to know of glibc's threads.</summary>
internal static unsafe partial class PosixThreads
{
    /// <summary>The calling thread's control block, which is what fs points at.</summary>
    [LibraryImport("libc", EntryPoint = "pthread_self")]
    internal static partial nuint Self();

    [LibraryImport("libc", EntryPoint = "pthread_key_create")]
    internal static partial int CreateKey(uint* key, nint destructor);

    [LibraryImport("libc", EntryPoint = "pthread_key_delete")]
    internal static partial int DeleteKey(uint key);

    /// <summary>How many keys the process may still make.</summary>
    internal static int CountFreeKeys()
    {
        List<uint> keys = TakeKeys(uint.MaxValue);
        GiveKeys(keys);
        return keys.Count;
    }

    /// <summary>Takes every free key below a number.</summary>
    internal static List<uint> TakeKeys(uint end)
    {
        List<uint> keys = [];
        uint key;
        while (CreateKey(&key, 0) == 0)
        {
            if (key >= end)
            {
                DeleteKey(key);
                break;
            }

            keys.Add(key);
        }

        return keys;
    }

    internal static void GiveKeys(List<uint> keys) => keys.ForEach(key => DeleteKey(key));
}
