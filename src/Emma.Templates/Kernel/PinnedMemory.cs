namespace Emma.Templates;

using ClrGC = global::System.GC;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMemoryMarshal = global::System.Runtime.InteropServices.MemoryMarshal;
using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Memory for the few structures that must not move, and must not go before the last code of this assembly: pinned arrays of the
        // managed heap that a static keeps alive. When the assembly's load context is collected they go with it, after every finalizer that
        // may still use the heap.
        // RuntimeHelpers.AllocateTypeAssociatedMemory would do, were it not for forked processes: CoreCLR maps it shared (as it does all
        // its loader heaps, to have code writable in one place and executable in another), so that a child would write into its parent's
        // structures.
        internal sealed class PinnedMemory
        {
            private static PinnedMemory? s_first;

            private readonly byte[] _bytes;
            private PinnedMemory? _next;

            private PinnedMemory(byte[] bytes) => _bytes = bytes;

            // Allocates zeroed memory. Any number of threads may call this; the garbage collector may run meanwhile.
            // bytes: How many.
            // alignment: A power of two.
            internal static byte* Allocate(nuint bytes, nuint alignment)
            {
                PinnedMemory memory = new PinnedMemory(ClrGC.AllocateArray<byte>((int)(bytes + alignment), pinned: true));
                while (true)
                {
                    PinnedMemory? first = ClrVolatile.Read(ref s_first);
                    memory._next = first;
                    if (ClrInterlocked.CompareExchange(ref s_first, memory, first) == first)
                        break;
                }

                nuint address = (nuint)ClrUnsafe.AsPointer(ref ClrMemoryMarshal.GetArrayDataReference(memory._bytes));
                ClrGC.KeepAlive(memory._next);
                return (byte*)AlignUp(address, alignment);
            }
        }
    }
}
