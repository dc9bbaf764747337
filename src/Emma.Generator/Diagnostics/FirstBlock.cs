using Emma.Generator.Model;

namespace Emma.Generator.Diagnostics;

// What a heap maps before it can hand out its first small block: a MemoryLimit below that buys nothing.
// Tests hold these figures, in bytes, against heaps that run.
internal static class FirstBlock
{
    // The code page, the metadata of the smallest window, and two pages of a segment: its header and a slab.
    private const long Always = (4 + 80 + 128) << 10;

    // The magazines that threads begin with.
    private const long ThreadCaches = 64 << 10;

    // The marks of the live blocks of two pages. A heap without thread caches needs none.
    private const long Marks = 8 << 10;

    // A hardened window's records of the blocks with mappings of their own, a word for each slot.
    private const long Records = 8 << 10;

    // The least MemoryLimit with which the heap serves a small block. Checks that are on by default count for nothing: the limit has to
    // suffice for the release build, too.
    public static long NeedsBytes(Heap heap)
    {
        if (!heap.ThreadCache && !heap.Hardened)
            return Always;
        return Always + ThreadCaches + (heap.BoundaryChecks && !heap.ChecksAreDefaulted ? Marks : 0) + (heap.Hardened ? Records : 0);
    }
}
