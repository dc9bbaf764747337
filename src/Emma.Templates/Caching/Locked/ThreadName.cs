namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Where a thread's name lies in a collectible load context: in a key of its own.
        internal static partial class CurrentThread
        {
            private static ThreadKey? s_key;

            // Sets the key aside where it is needed. Comes before any lock. Any number of threads may race.
            internal static void EnsureKey() => ThreadKey.EnsureCreated(ref s_key);

            // Gives the key back. No thread takes a lock afterwards.
            internal static void ReleaseKey() => ThreadKey.Release(ref s_key);

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static long Kept() => ClrVolatile.Read(ref s_key) is { } key ? key.Value : 0;

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryKeep(long name) => ClrVolatile.Read(ref s_key) is { } key && key.TrySet((nint)name);
        }
    }
}
