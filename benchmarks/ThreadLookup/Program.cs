using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;

namespace ThreadLookup;

// Measures how a thread may find its cache: three patterns over one toy heap, the candidates in turn, inlined and not; as a table of
// geometric means of the ratios to mimalloc. Once in this context and, unless it is native code, once in a collectible one.
internal static unsafe class Program
{
    private const int Operations = 100_000;
    private const int WarmUpRounds = 45;
    private const int Rounds = 60;
    private const string NeverTrimmed = "Native code has no collectible contexts and does not call this.";

    private static readonly (string Name, Func<int, TimeSpan>[] Inlined, Func<int, TimeSpan>[] Outlined)[] s_candidates =
    [
        Candidate<Mimalloc>("mimalloc by P/Invoke"),
        Candidate<ByThreadStatic>("[ThreadStatic]"),
        Candidate<ByThreadId>("thread id by a trampoline, table"),
        Candidate<CodeByThreadId>("machine code, thread id and table"),
        Candidate<ByWord>("thread word by a trampoline"),
        Candidate<CodeByWord>("machine code, thread word"),
        Candidate<UnmanagedCodeByWord>("the same, called as unmanaged code"),
        Candidate<Known>("known (as through Local)"),
    ];

    private static void Main()
    {
        string[][] columns = RuntimeFeature.IsDynamicCodeCompiled ? [Measure(), MeasureInCollectibleContext()] : [Measure()];
        string[] contexts = RuntimeFeature.IsDynamicCodeCompiled ? ["", "collectible, "] : ["NativeAOT, "];
        Console.WriteLine($"| | {string.Join(" | ", contexts.Select(context => $"{context}inlined | {context}not inlined"))} |");
        Console.WriteLine($"|---|{string.Concat(contexts.Select(_ => "---:|---:|"))}");
        for (int i = 0; i < s_candidates.Length; i++)
            Console.WriteLine($"| {s_candidates[i].Name} | {string.Join(" | ", columns.Select(column => column[i]))} |");
    }

    // For each candidate both means, as the table's cells.
    internal static string[] Measure()
    {
        // Before anything that uses them is compiled, as a heap that runs.
        RuntimeHelpers.RunClassConstructor(typeof(Root).TypeHandle);
        Cache* cache = ToyHeap.CreateCache();
        NativeCode.Create(cache);
        *Root.Instance = new Root
        {
            OnlyCache = cache,
            GetThreadId = NativeCode.GetThreadId,
            GetWord = NativeCode.GetWord,
            TakeByWord = NativeCode.TakeByWord,
            GiveByWord = NativeCode.GiveByWord,
            TakeByTable = NativeCode.TakeByTable,
            GiveByTable = NativeCode.GiveByTable,
            Table = (nint*)NativeCode.Table,
        };
        ByThreadStatic.Slot.t_cache = cache;

        double[][] inlined = TimeInTurn([.. s_candidates.Select(candidate => candidate.Inlined)]);
        double[][] outlined = TimeInTurn([.. s_candidates.Select(candidate => candidate.Outlined)]);
        return [.. s_candidates.Select((_, i) => $"{Mean(inlined, i)} | {Mean(outlined, i)}")];
    }

    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = NeverTrimmed)]
    [UnconditionalSuppressMessage("Trimming", "IL2075", Justification = NeverTrimmed)]
    [UnconditionalSuppressMessage("SingleFile", "IL3000", Justification = NeverTrimmed)]
    private static string[] MeasureInCollectibleContext()
    {
        AssemblyLoadContext context = new("collectible", isCollectible: true);
        Type copy = context.LoadFromAssemblyPath(typeof(Program).Assembly.Location).GetType(typeof(Program).FullName!)!;
        return copy.GetMethod(nameof(Measure), BindingFlags.NonPublic | BindingFlags.Static)!.CreateDelegate<Func<string[]>>()();
    }

    private static double[][] TimeInTurn(Func<int, TimeSpan>[][] candidates)
    {
        double[][] least = [.. candidates.Select(patterns => patterns.Select(_ => double.MaxValue).ToArray())];
        for (int round = 0; round < WarmUpRounds + Rounds; round++)
        {
            // Methods that have been called often enough are compiled anew in the background.
            if (round < WarmUpRounds && round % 8 == 0)
                Thread.Sleep(100);
            for (int i = 0; i < candidates.Length; i++)
            {
                for (int pattern = 0; pattern < candidates[i].Length; pattern++)
                {
                    double time = candidates[i][pattern](Operations).TotalNanoseconds / Operations;
                    if (round >= WarmUpRounds)
                        least[i][pattern] = Math.Min(least[i][pattern], time);
                }
            }
        }

        return least;
    }

    private static string Mean(double[][] least, int candidate)
    {
        double logarithms = 0;
        for (int pattern = 0; pattern < least[0].Length; pattern++)
            logarithms += Math.Log(least[candidate][pattern] / least[0][pattern]);
        return Math.Exp(logarithms / least[0].Length).ToString("0.00", CultureInfo.InvariantCulture);
    }

    private static (string Name, Func<int, TimeSpan>[] Inlined, Func<int, TimeSpan>[] Outlined) Candidate<TAllocator>(string name)
        where TAllocator : struct, IAllocator => (name, Patterns<TAllocator>.All, Patterns<Outlined<TAllocator>>.All);
}
