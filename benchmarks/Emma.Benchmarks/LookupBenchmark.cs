using System.Runtime.CompilerServices;

namespace Emma.Templates;

internal static unsafe partial class EmmaHeap
{
    /// <summary>
    /// What a free must learn first, the class of a pointer's block: from the page map over the window, as built, against the descriptor
    /// found by masking the pointer, which lies in the segment's page 0. Random pointers into live heaps of growing size.
    /// </summary>
    internal static class LookupBenchmark
    {
        private const int Pointers = 1 << 20;
        private const int Rounds = 15;
        private const nuint BlockSize = 64 * 1024;

        private static long s_sink;

        internal static void Run()
        {
            Console.WriteLine("| live MiB | page map ns | masked header ns |");
            Console.WriteLine("|---:|---:|---:|");
            for (nuint live = 16; live <= 4096; live *= 4)
            {
                nuint[] pointers = Fill(live << 20);
                double[] best = Measurement.MinPerOperation(Rounds, Pointers, () => ByMap(pointers), () => ByHeader(pointers));
                Console.WriteLine($"| {live} | {best[0]:F2} | {best[1]:F2} |");
                Destroy();
            }
        }

        private static nuint[] Fill(nuint live)
        {
            nuint[] blocks = new nuint[live / BlockSize];
            for (int i = 0; i < blocks.Length; i++)
                blocks[i] = (nuint)Alloc(BlockSize);

            Random random = new Random(1);
            nuint[] pointers = new nuint[Pointers];
            for (int i = 0; i < pointers.Length; i++)
                pointers[i] = blocks[random.Next(blocks.Length)];
            return pointers;
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void ByMap(nuint[] pointers)
        {
            long sum = 0;
            foreach (nuint pointer in pointers)
                sum += PageMap.ClassOf(pointer);
            s_sink += sum;
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void ByHeader(nuint[] pointers)
        {
            long sum = 0;
            foreach (nuint pointer in pointers)
                sum += Segment.SlabAt(Segment.Of(pointer), Segment.PageOf(pointer))->Class;
            s_sink += sum;
        }
    }
}
