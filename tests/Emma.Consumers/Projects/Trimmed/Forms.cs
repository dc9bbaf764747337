[assembly: EmmaAllocator("Consumer.Memory.CheckedHeap", BoundaryChecks = true)]
[assembly: EmmaAllocator("Consumer.Memory.LockedHeap", ThreadCache = false, BoundaryChecks = false)]
[assembly: EmmaAllocator("Consumer.Memory.HardenedHeap", Hardened = true)]

namespace Consumer.Memory;

// A heap of each of the other forms: what the linker does to their code must leave it as it is.
internal static unsafe partial class Workout
{
    static partial void CheckMore()
    {
        foreach (nuint size in new nuint[] { 0, 1, 100, 5000, 40_000, 3 << 20 })
        {
            CheckedHeap.Free(CheckedHeap.Realloc(CheckedHeap.Alloc(size), 2 * size));
            LockedHeap.Free(LockedHeap.Realloc(LockedHeap.Alloc(size), 2 * size));
            HardenedHeap.Free(HardenedHeap.Realloc(HardenedHeap.Alloc(size), 2 * size));
        }

        Expect(
            CheckedHeap.GetStatistics().LiveBlocks + LockedHeap.GetStatistics().LiveBlocks + HardenedHeap.GetStatistics().LiveBlocks == 0,
            "blocks of the other heaps are live");
        WorkoutHeap.Prepare();
        CheckedHeap.Prepare();
        LockedHeap.Prepare();
        HardenedHeap.Prepare();
    }
}
