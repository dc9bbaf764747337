using System.Runtime.InteropServices;
using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Workloads;

// xmalloc-test: producers and consumers. Each of the given number of threads allocates batches of 4096 blocks of 64 bytes, fills them and
// puts each batch, with its node of pointers, on a stack of at most 100 under a monitor; as many other threads take batches and free all of
// it. There it runs for five seconds, here for 8000 batches a thread.
internal sealed unsafe class XMallocTest() : Workload("xmalloc-test")
{
    private const int Batches = 8000;
    private const int QuickBatches = 30;
    private const int BatchSize = 4096;
    private const int BlockSize = 64;
    private const int MostWaiting = 100;

    // Stacked batches: a node of the allocator's own memory each, a link and then the blocks.
    private sealed class Exchange
    {
        private readonly object _lock = new();
        private nint* _top;
        private int _count;

        internal void Put(nint* node)
        {
            lock (_lock)
            {
                while (_count >= MostWaiting)
                    Monitor.Wait(_lock);

                *node = (nint)_top;
                _top = node;
                _count++;
                Monitor.PulseAll(_lock);
            }
        }

        internal nint* Take()
        {
            lock (_lock)
            {
                while (_top == null)
                    Monitor.Wait(_lock);

                nint* node = _top;
                _top = (nint*)*node;
                _count--;
                Monitor.PulseAll(_lock);
                return node;
            }
        }
    }

    internal override void Run<TAllocator>(int threads, bool quick)
    {
        int batches = quick ? QuickBatches : Batches;
        Exchange exchange = new();
        Crew.Run(2 * threads, thread =>
        {
            if (thread % 2 == 0)
                Allocate<TAllocator>(exchange, batches);
            else
                Release<TAllocator>(exchange, batches);
        });
    }

    private static void Allocate<TAllocator>(Exchange exchange, int batches)
        where TAllocator : struct, IAllocator
    {
        for (int batch = 0; batch < batches; batch++)
        {
            nint* node = (nint*)TAllocator.Alloc((BatchSize + 1) * (nuint)sizeof(nint));
            for (int i = 1; i <= BatchSize; i++)
            {
                void* block = TAllocator.Alloc(BlockSize);
                NativeMemory.Fill(block, BlockSize, (byte)i);
                node[i] = (nint)block;
            }

            exchange.Put(node);
        }
    }

    private static void Release<TAllocator>(Exchange exchange, int batches)
        where TAllocator : struct, IAllocator
    {
        for (int batch = 0; batch < batches; batch++)
        {
            nint* node = exchange.Take();
            for (int i = 1; i <= BatchSize; i++)
                TAllocator.Free((void*)node[i]);

            TAllocator.Free(node);
        }
    }
}
