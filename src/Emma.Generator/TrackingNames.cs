namespace Emma.Generator;

/// <summary>The names of the pipeline's steps.</summary>
internal static class TrackingNames
{
    /// <summary>The heaps of one file.</summary>
    public const string Files = "EmmaFiles";

    /// <summary>One heap.</summary>
    public const string Heaps = "EmmaHeaps";
}
