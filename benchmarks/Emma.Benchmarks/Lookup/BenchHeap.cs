using System.Runtime.CompilerServices;
using Emma.Benchmarks;
using Emma.Benchmarks.Micro;
using Emma.Benchmarks.Reporting;

// A part of the generated heap's class, which therefore reaches what is private in it.
internal static unsafe partial class BenchHeap
{
    // What a free must learn first, the class of a pointer's block: from the page map over the window, as built, against the descriptor
    // found by masking the pointer, which lies in the segment's page 0. Random pointers into live heaps of growing size.
    internal static class LookupBenchmark
    {
        private const int Pointers = 1 << 20;
        private const int BlockSize = 64 * 1024;
        private const int FirstMegabytes = 16;
        private const int MostMegabytes = 4096;
        private const int QuickMostMegabytes = 64;

        private static long s_sink;

        internal static IEnumerable<ResultTable> Run(Settings settings, Progress progress)
        {
            string[] columns = ["page map", "masked header"];
            ResultTable table = new("lookup", "Finding the class of a random block: ns per lookup", "live MiB", columns);
            KernelTimer timer = settings.Quick ? new(3, TimeSpan.FromMilliseconds(2)) : new(15, TimeSpan.FromMilliseconds(20));
            int most = settings.Quick ? QuickMostMegabytes : MostMegabytes;
            progress.Begin("Lookup", Steps(most).Count());
            foreach (int megabytes in Steps(most))
            {
                nuint[] pointers = Fill(megabytes);
                Kernel[] kernels = [new(repeats => Repeat(repeats, pointers, ByMap)), new(repeats => Repeat(repeats, pointers, ByHeader))];
                table.Add($"{megabytes}", timer.Measure(kernels, Pointers));
                Destroy();
                progress.Step($"{megabytes} MiB");
            }

            yield return table;
        }

        private static IEnumerable<int> Steps(int most)
        {
            for (int megabytes = FirstMegabytes; megabytes <= most; megabytes *= 4)
                yield return megabytes;
        }

        private static nuint[] Fill(int megabytes)
        {
            nuint[] blocks = new nuint[((long)megabytes << 20) / BlockSize];
            for (int i = 0; i < blocks.Length; i++)
                blocks[i] = (nuint)Alloc(BlockSize);

            XorShift random = new(1);
            nuint[] pointers = new nuint[Pointers];
            for (int i = 0; i < pointers.Length; i++)
                pointers[i] = blocks[random.Below((uint)blocks.Length)];

            return pointers;
        }

        private static void Repeat(int repeats, nuint[] pointers, Action<nuint[]> work)
        {
            for (; repeats > 0; repeats--)
                work(pointers);
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void ByMap(nuint[] pointers)
        {
            long sum = 0;
            foreach (nuint pointer in pointers)
                sum += HeapInternals.PageMap.ClassOf(pointer);

            s_sink += sum;
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void ByHeader(nuint[] pointers)
        {
            long sum = 0;
            foreach (nuint pointer in pointers)
                sum += HeapInternals.Segment.SpanAt(HeapInternals.Segment.Of(pointer), HeapInternals.Segment.PageOf(pointer))->Class;

            s_sink += sum;
        }
    }
}
