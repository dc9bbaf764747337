namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What the form without thread caches promises differently from the form with them.</summary>
        private static class Form
        {
            internal static bool HasThreadCaches => false;

            /// <summary>Bytes that the first small block of a heap has mapped for lists of free ones.</summary>
            internal static nuint FirstMagazinesBytes => 0;

            /// <summary>Bytes of blocks that threads and depots keep.</summary>
            internal static nuint BytesInCaches => 0;

            /// <summary>Where the fast paths lead, if they are machine code.</summary>
            internal static nuint[] FastPaths => [];
        }
    }
}
