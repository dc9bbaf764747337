using System.Runtime;
using System.Runtime.InteropServices;

[assembly: Emma.EmmaAllocator("Emma.Hosting.Tests.OwnHeap")]

namespace Emma.Hosting.Tests;

/// <summary>
/// Forks, and uses a host's view of a heap on both sides. The child may neither compile nor collect: the runtime's other threads do not
/// exist there.
/// </summary>
internal static unsafe class ForkScenario
{
    private const long LimitOfParent = 64 << 20;
    private const long LimitOfChild = 32 << 20;

    public static int Run(string form)
    {
        nint libc = NativeLibrary.GetMainProgramHandle();
        var fork = (delegate* unmanaged<int>)NativeLibrary.GetExport(libc, "fork");
        var wait = (delegate* unmanaged<int, int*, int, int>)NativeLibrary.GetExport(libc, "waitpid");
        var exit = (delegate* unmanaged<int, void>)NativeLibrary.GetExport(libc, "_exit");
        using Plugin plugin = new();
        plugin.Prepare(form);
        EmmaHeap heap = plugin.Heap(form);
        nint block = plugin.Alloc(form, 1000);
        heap.OutOfMemoryHandler = static _ => false;
        int status = -1;
        wait(-1, &status, 1);
        // What the child runs is compiled and bound here.
        for (int i = 0; i < 3; i++)
        {
            if (!IsAsExpected(heap, (nuint)block, LimitOfParent))
                return 1;
        }

        if (!GC.TryStartNoGCRegion(32 << 20))
            return 2;

        int child = fork();
        if (child == 0)
            exit(IsAsExpected(heap, (nuint)block, LimitOfChild) ? 0 : 3);

        int waited = wait(child, &status, 0);
        GC.EndNoGCRegion();
        Console.WriteLine($"child {child}, waited {waited}, status {status:x}, limit in the parent {heap.MemoryLimit}");
        return waited == child && status == 0 && heap.MemoryLimit == LimitOfParent ? 0 : 4;
    }

    private static bool IsAsExpected(EmmaHeap heap, nuint block, long limit)
    {
        heap.MemoryLimit = limit;
        HeapStatistics statistics = heap.GetStatistics();
        return heap.MemoryLimit == limit && statistics.LiveBlocks == 1 && heap.Owns(block) && !heap.IsUnloaded
            && heap.OutOfMemoryHandler is not null && heap.Trim() <= (nuint)statistics.MappedBytes;
    }
}
