using System.Runtime.InteropServices;
using Emma.Benchmarks.Micro;
using Emma.Benchmarks.Reporting;

namespace Emma.Benchmarks.Callbacks;

// What a heap costs a C library: pairs of malloc and free, called through pointers by a loop in machine code, each block written to once.
internal static unsafe class CallbackBenchmark
{
    private static readonly string[] s_columns =
        ["emma", "emma, checked", "emma, in a plugin", "emma, locked", "emma, hardened", "glibc", "fast halves alone"];

    internal static IEnumerable<ResultTable> Run(Settings settings, Progress progress)
    {
        ResultTable table = new("callbacks", "When C calls: ns per pair", "bytes", s_columns)
        {
            Note = "malloc and free by function pointer, from a loop in machine code. A plugin hands out methods, not machine code. "
                + "The last column calls the fast halves of .NET's calls, which no library can: they give null where a thread's magazine "
                + "is empty.",
        };
        KernelTimer timer = settings.Quick ? new(3, TimeSpan.FromMilliseconds(2)) : new(31, TimeSpan.FromMilliseconds(10));
        int[] sizes = [16, 64, 256, 1024, 4096, 32768];
        progress.Begin(table.Title, sizes.Length);
        foreach (int size in sizes)
        {
            table.Add($"{size}", timer.Measure(KernelsOf(size), 1));
            progress.Step($"{size} bytes");
        }

        yield return table;
    }

    private static Kernel?[] KernelsOf(int size)
    {
        nint libc = NativeLibrary.Load("libc.so.6");
        return
        [
            KernelOf((nint)BenchHeap.Callbacks.Malloc, (nint)BenchHeap.Callbacks.Free, size),
            KernelOf((nint)CheckedHeap.Callbacks.Malloc, (nint)CheckedHeap.Callbacks.Free, size),
            KernelOf(BenchHeap.MallocMethod, BenchHeap.FreeMethod, size),
            KernelOf((nint)LockedHeap.Callbacks.Malloc, (nint)LockedHeap.Callbacks.Free, size),
            KernelOf((nint)HardenedHeap.Callbacks.Malloc, (nint)HardenedHeap.Callbacks.Free, size),
            KernelOf(NativeLibrary.GetExport(libc, "malloc"), NativeLibrary.GetExport(libc, "free"), size),
            FastHalves(size),
        ];
    }

    private static Kernel? FastHalves(int size)
    {
        // Blocks for the thread's magazine.
        void* first = BenchHeap.Alloc((nuint)size);
        BenchHeap.Free(BenchHeap.Alloc((nuint)size));
        BenchHeap.Free(first);
        (nint malloc, int argument) = BenchHeap.FastMalloc(size);
        return BenchHeap.HasMachineCode ? KernelOf(malloc, BenchHeap.FastFree, argument) : null;
    }

    private static Kernel KernelOf(nint malloc, nint free, int size) => new(repeats => PairLoop.Run(malloc, free, size, repeats));
}
