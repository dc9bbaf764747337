namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // What the form with thread caches promises differently from the form without, which has a file of the same members.
        private static class Form
        {
            internal static bool HasThreadCaches => true;

            // Bytes that the first small block of a heap has mapped for lists of free ones.
            internal static nuint FirstMagazinesBytes => MagazineStore.GrowBytes;

            // Bytes of blocks that threads and depots keep.
            internal static long BytesInCaches
            {
                get
                {
                    HeapCount count = default;
                    Small->AddTo(ref count);
                    return count.Cached;
                }
            }

            // Has caches looked at with the next slow free that does.
            internal static void EndTurn() => CacheInternals.EndTurn();

            // Where the fast paths lead, if they are machine code.
            internal static nuint[] FastPaths
            {
                get
                {
                    FastPathEntries* entries = FastPathEntries.Current;
                    return SmallBlocks.HasMachineCode
                        ? [(nuint)entries->Take, (nuint)entries->TakeLarge, (nuint)entries->Give, (nuint)entries->Cache]
                        : [];
                }
            }
        }
    }
}
