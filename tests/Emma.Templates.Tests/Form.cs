namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What the form with thread caches promises differently from the form without, which has a file of the same members.</summary>
        private static class Form
        {
            internal static bool HasThreadCaches => true;

            /// <summary>Bytes that the first small block of a heap has mapped for lists of free ones.</summary>
            internal static nuint FirstMagazinesBytes => MagazineStore.GrowBytes;
        }
    }
}
