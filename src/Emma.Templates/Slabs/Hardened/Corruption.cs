namespace Emma.Templates;

using ClrEnvironment = global::System.Environment;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Ends the process: memory of the heap has been overwritten, and nothing that lies in it can be trusted any more.
        internal static class Corruption
        {
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static void Overrun(nuint block, nuint size) =>
                End(block, $"the block was written to behind its end, {size} bytes after its beginning");

            // Found beside a block by whoever looks at its neighbours: which of the two did it cannot be told.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static void Between(nuint block, nuint next) =>
                End(
                    block,
                    $"either it was written to behind its end, or after it was freed, " +
                    $"or the block behind it, 0x{next:x}, was written to before its beginning, or after it was freed");

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static void Underrun(nuint block) => End(block, "the block was written to before its beginning");

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static void UsedAfterFree(nuint block, nuint blockSize) =>
                End(
                    block,
                    $"the block, of {blockSize} bytes with what the heap adds, was written to while it was free: " +
                    "by an owner that had freed it, or past the end of a neighbour");

            private static void End(nuint block, string finding) =>
                ClrEnvironment.FailFast(
                    $"{HeapName}: memory is corrupted at the block 0x{block:x}: {finding}. " +
                    "The process ends because nothing in this heap can be trusted. " +
                    "Look for whoever used this block last, or the blocks beside it.");
        }
    }
}
