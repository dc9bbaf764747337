using System.Runtime.InteropServices;

namespace Emma.Benchmarks.Workloads;

// malloc-large: large buffers that come and go. Twenty buffers of 5 to 25 MiB, of which a random one at a time gives way to a new one of
// another size, which its user clears. There 2000 replacements, here 1000.
internal sealed unsafe class MallocLarge() : Workload("malloc-large")
{
    private const int Replacements = 1000;
    private const int QuickReplacements = 15;
    private const int Buffers = 20;
    private const uint SmallestSize = 5 << 20;
    private const uint LargestSize = 25 << 20;

    internal override IReadOnlyList<int> ThreadCounts => [1];

    internal override void Run<TAllocator>(int threads, bool quick)
    {
        XorShift random = new(42);
        nint[] buffers = new nint[Buffers];
        for (int i = quick ? QuickReplacements : Replacements; i > 0; i--)
        {
            ref nint buffer = ref buffers[random.Below(Buffers)];
            TAllocator.Free((void*)buffer);
            nuint size = SmallestSize + random.Below(LargestSize - SmallestSize);
            buffer = (nint)TAllocator.Alloc(size);
            NativeMemory.Clear((void*)buffer, size);
        }

        foreach (nint buffer in buffers)
            TAllocator.Free((void*)buffer);
    }
}
