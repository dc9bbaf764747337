namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // Small blocks straight from the slabs and back, past the caches of threads: for promises about slabs and segments themselves. The
        // API does not know them, where it has pointers checked.
        private static class Uncached
        {
            internal static void* Alloc(nuint size)
            {
                Prepare();
                return (void*)Bin.Of(SizeClasses.Of(size))->Allocate();
            }

            internal static void Free(void* block)
            {
                PointerCheck check = Bin.Of(PageMap.ClassOf((nuint)block))->Free((nuint)block);
                if (check == PointerCheck.ValidAndLast)
                    Segments->ReleaseIfEmpty(Segment.Of((nuint)block), givingIsHeld: false);
                else
                    Expect.Equal(PointerCheck.Valid, check);
            }
        }
    }
}
