namespace Emma.Templates;

using ClrHandler = global::System.Func<nuint, bool>;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrStackTraceHidden = global::System.Diagnostics.StackTraceHiddenAttribute;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Who is asked when the heap has reclaimed all it can and there is no room: the handler of whoever owns the heap, then that of the
        // host. Nothing of this is compiled before one is set. An object does not change, so that both are seen as they were set.
        [ClrStackTraceHidden]
        internal sealed class OutOfMemoryHandlers
        {
            // Null: none was ever set.
            internal static OutOfMemoryHandlers? Current;

            // What a thread that runs a handler allocates meanwhile does not ask again.
            private static readonly ThreadSet s_asking = new ThreadSet();

            private readonly ClrHandler? _own;
            private readonly ClrHandler? _host;

            private OutOfMemoryHandlers(ClrHandler? own, ClrHandler? host)
            {
                _own = own;
                _host = host;
            }

            internal static ClrHandler? Own => ClrVolatile.Read(ref Current)?._own;

            internal static ClrHandler? Host => ClrVolatile.Read(ref Current)?._host;

            internal static void SetOwn(ClrHandler? handler)
            {
                OutOfMemoryHandlers? old = Prepare();
                while (!TryReplace(ref old, handler, old?._host))
                {
                }
            }

            // False: there is one, and it stays.
            internal static bool TrySetHost(ClrHandler? handler)
            {
                OutOfMemoryHandlers? old = Prepare();
                do
                {
                    if (handler is not null && old?._host is not null)
                        return false;
                }
                while (!TryReplace(ref old, old?._own, handler));

                return true;
            }

            // Asks, and tries again for as long as the answer is yes. The caller holds no lock. Null: out of memory.
            // ptr: The block to be resized; null: a new one.
            internal static void* Retry(void* ptr, nuint size, nuint alignment, bool zeroed)
            {
                // No handler can make room for what no process can have.
                if (size > AddressSpace.MaxBytes || alignment > AddressSpace.MaxBytes)
                    return null;

                try
                {
                    while (ClrVolatile.Read(ref Current) is OutOfMemoryHandlers handlers && handlers.Ask(size))
                    {
                        void* block = ptr != null
                            ? ReallocateBlock(ptr, size, alignment)
                            : AllocateAnyBlock(size, alignment, zeroed);
                        if (block != null)
                            return block;
                    }
                }
                catch
                {
                    ClrInterlocked.Increment(ref Heap->Failures);
                    throw;
                }

                return null;
            }

            // Whoever sets a handler has memory for the compiler; whoever needs one may not.
            private static OutOfMemoryHandlers? Prepare()
            {
                OutOfMemoryHandlers? old = ClrVolatile.Read(ref Current);
                if (old is null)
                {
                    Compilation.PrepareEntries(typeof(OutOfMemoryHandlers), [nameof(AllocateAnyBlock)]);
                    new OutOfMemoryHandlers(null, null).Ask(0);
                    Retry(null, 0, SizeClasses.Granularity, false);
                }

                return old;
            }

            // Fails if another thread was first, and says what there is now.
            private static bool TryReplace(ref OutOfMemoryHandlers? old, ClrHandler? own, ClrHandler? host)
            {
                OutOfMemoryHandlers set = new OutOfMemoryHandlers(own, host);
                OutOfMemoryHandlers? seen = ClrInterlocked.CompareExchange(ref Current, set, old);
                bool isReplaced = seen == old;
                old = seen;
                return isReplaced;
            }

            private bool Ask(nuint size)
            {
                ThreadPlace? place = s_asking.TryEnter();
                if (place is null)
                    return false;

                try
                {
                    return (_own is not null && _own(size)) || (_host is not null && _host(size));
                }
                finally
                {
                    place.Leave();
                }
            }
        }
    }
}
