namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // What the form without thread caches promises differently from the form with them.
        private static class Form
        {
            internal static bool HasThreadCaches => false;

            // Bytes that the first small block of a heap has mapped for lists of free ones.
            internal static nuint FirstMagazinesBytes => 0;

            // Bytes of blocks that threads and depots keep.
            internal static long BytesInCaches => 0;

            // There are no caches to look at.
            internal static void EndTurn()
            {
            }

            // Where the fast paths lead, if they are machine code.
            internal static nuint[] FastPaths => [];
        }
    }
}
