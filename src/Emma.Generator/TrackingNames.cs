namespace Emma.Generator;

// The names of the pipeline's steps.
internal static class TrackingNames
{
    // The heaps of one file.
    public const string Files = "EmmaFiles";

    // One heap.
    public const string Heaps = "EmmaHeaps";
}
