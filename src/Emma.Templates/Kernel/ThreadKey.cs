namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrOperatingSystem = global::System.OperatingSystem;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // A word that each thread has to itself: a POSIX key (pthread_key_create), or on Windows an index of thread-local storage
        // (TlsAlloc), whose value is 0 in a thread that has set none.
        // A [ThreadStatic] is that, too, but in a collectible load context its place is an object in a table of the context's, and where
        // that table has to grow while a collection runs, .NET 10 (10.0.12) keeps the address that the object had before: what is written
        // there from then on overwrites whatever the collector has moved to it (docs/architecture.md). So heaps in such a context use keys.
        internal sealed class ThreadKey
        {
            // Of 64 bits on macOS; elsewhere a function looks at the lower half.
            private readonly nuint _key;
            private readonly nint _get;
            private readonly nint _set;
            private readonly nint _delete;

            private ThreadKey(nuint key, nint get, nint set, nint delete)
            {
                _key = key;
                _get = get;
                _set = set;
                _delete = delete;
            }

            // Which of the process's keys it is: glibc keeps the first 32 in the thread's control block.
            internal uint Number => (uint)_key;

            // The calling thread's value.
            internal nint Value
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => ((delegate* unmanaged[SuppressGCTransition]<nuint, nint>)_get)(_key);
            }

            // Sets a key aside in a heap that must use one, unless there is one, or none to be had. Any number of threads may race.
            internal static void EnsureCreated(ref ThreadKey? place)
            {
                if (!IsCollectible || ClrVolatile.Read(ref place) is not null || Create() is not { } key)
                    return;

                if (ClrInterlocked.CompareExchange(ref place, key, null) is not null)
                    key.Delete();
            }

            // Gives the key back, if there is one. Nothing asks for its value afterwards.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static void Release(ref ThreadKey? place) => ClrInterlocked.Exchange(ref place, null)?.Delete();

            // Makes a key; null where the process has no more, or no POSIX threads. The caller deletes it.
            internal static ThreadKey? Create()
            {
                if (ClrOperatingSystem.IsWindows())
                    return CreateOnWindows();

                nuint key = 0;
                return CLibrary.TryFind("pthread_key_create", out nint create)
                    && CLibrary.TryFind("pthread_getspecific", out nint get)
                    && CLibrary.TryFind("pthread_setspecific", out nint set)
                    && CLibrary.TryFind("pthread_key_delete", out nint delete)
                    && ((delegate* unmanaged<nuint*, nint, int>)create)(&key, 0) == 0
                        ? new ThreadKey(key, get, set, delete)
                        : null;
            }

            private static ThreadKey? CreateOnWindows()
            {
                uint key = ((delegate* unmanaged<uint>)WindowsFunctions.Find("kernel32.dll", "TlsAlloc"))();
                return key == uint.MaxValue
                    ? null
                    : new ThreadKey(
                        key,
                        WindowsFunctions.Find("kernel32.dll", "TlsGetValue"),
                        WindowsFunctions.Find("kernel32.dll", "TlsSetValue"),
                        WindowsFunctions.Find("kernel32.dll", "TlsFree"));
            }

            // Sets the calling thread's value. False: there is no memory for it.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal bool TrySet(nint value)
            {
                int result = ((delegate* unmanaged<nuint, nint, int>)_set)(_key, value);
                return ClrOperatingSystem.IsWindows() ? result != 0 : result == 0;
            }

            // Gives the key back. Nothing uses it afterwards.
            internal void Delete() => ((delegate* unmanaged<nuint, int>)_delete)(_key);
        }
    }
}
