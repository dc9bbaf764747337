using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using static EveryForm.Program;

namespace Windows;

/// <summary>
/// What the program for every system does, in a heap of each form, and what Windows has of its own: memory that is reserved and committed,
/// whose commitment may be refused, and thread ids that are given anew soon.
/// </summary>
internal static unsafe class Program
{
    private static int Main(string[] args)
    {
        int steps = args.Length > 0 ? int.Parse(args[0]) : 1000;
        EveryForm.Program.Main(args);
        CommitmentFollowsUse();
        foreach (Form form in Form.All)
        {
            StalePointersFault(form);
            Refusals.Commitment(form);
            Refusals.GivingBack(form);
            ThreadsComeAndGo(form);
            LockOfAThreadThatEndedIsTakenOver(form);
            form.Destroy();
            Console.WriteLine($"{form.Name}: refusals, threads");
        }

        Plugins(steps);
        Console.WriteLine("plugins");
        return 0;
    }

    /// <summary>Pages of a segment are committed when a slab or a run needs them, and decommitted by Trim.</summary>
    private static void CommitmentFollowsUse()
    {
        byte* small = (byte*)PlainHeap.Alloc(100);
        byte* run = (byte*)PlainHeap.Alloc(500_000);
        new Span<byte>(run, 500_000).Fill(1);
        byte* end = (byte*)(((nuint)small & ~(nuint)0x3FFFFF) + 0x3FFFFF);
        Must(Memory.IsCommitted(small) && Memory.IsCommitted(run + 499_999), "a block is not committed");
        Must(!Memory.IsCommitted(end) && Memory.IsTaken(end), "the end of a segment is not reserved only");
        PlainHeap.Free(run);
        Must(PlainHeap.Trim() >= 500_000, "Trim gave nothing back");
        Must(!Memory.IsCommitted(run) && Memory.IsTaken(run), "pages that Trim gave back are not reserved only");
        run = (byte*)PlainHeap.AllocZeroed(500_000);
        Must(!new ReadOnlySpan<byte>(run, 500_000).ContainsAnyExcept((byte)0), "pages committed again are not zeros");
        PlainHeap.Free(run);
        PlainHeap.Free(small);

        // In place while nothing lies behind, by copying else, and back to less.
        byte* large = (byte*)PlainHeap.Alloc(5 << 20);
        new Span<byte>(large, 5 << 20).Fill(2);
        byte* grown = (byte*)PlainHeap.Realloc(large, 11 << 20);
        Must(grown == large && Memory.IsCommitted(grown + (11 << 20) - 1), "nothing grew in place");
        byte* behind = (byte*)PlainHeap.Alloc(5 << 20);
        byte* moved = (byte*)PlainHeap.Realloc(grown, 30 << 20);
        Must(moved != grown && moved[0] == 2 && moved[(5 << 20) - 1] == 2, "contents after a move");
        byte* cut = (byte*)PlainHeap.Realloc(moved, 3 << 20);
        Must(cut == moved && !Memory.IsTaken(moved + (8 << 20)), "what a shrunken block had is taken still");
        PlainHeap.Free(cut);
        PlainHeap.Free(behind);
        // Of what the cache keeps, a part.
        PlainHeap.Free(PlainHeap.Alloc(40 << 20));
        byte* part = (byte*)PlainHeap.Alloc(10 << 20);
        new Span<byte>(part, 10 << 20).Fill(3);
        PlainHeap.Free(part);
        PlainHeap.Destroy();
    }

    private static void StalePointersFault(Form form)
    {
        byte* small = form.Alloc(100);
        byte* large = form.Alloc(20 << 20);
        Must(Memory.IsCommitted(small) && Memory.IsCommitted(large + (20 << 20) - 1), "a block is not committed");
        form.Destroy();
        for (nuint offset = 0; offset < 20 << 20; offset += 1 << 20)
            Must(!Memory.IsTaken(large + offset), "a large block's memory after Destroy");
        Must(!Memory.IsTaken(small) && form.Figures().Mapped == 0, "a small block's memory after Destroy");
    }

    /// <summary>A dead thread's cache is the next one's; neither handles nor caches become more.</summary>
    private static void ThreadsComeAndGo(Form form)
    {
        UseInThreads(form, 50);
        int before = Memory.Handles();
        UseInThreads(form, 300);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Must(Memory.Handles() < before + 100, $"{before} handles became {Memory.Handles()}");
        Must(form.Figures().InUse == 0, "bytes in use");
    }

    private static void UseInThreads(Form form, int threads)
    {
        for (int i = 0; i < threads; i++)
        {
            Thread thread = new(() =>
            {
                for (int size = 16; size < 40_000; size *= 2)
                    form.Free(form.Alloc((nuint)size));
            });
            thread.Start();
            thread.Join();
        }
    }

    private static void LockOfAThreadThatEndedIsTakenOver(Form form)
    {
        form.Free(form.Alloc(100));
        Thread thread = new(() =>
        {
            form.Free(form.Alloc(100));
            form.KeepLocked();
        });
        thread.Start();
        thread.Join();
        form.Trim();
        byte* block = form.Alloc(10 << 20);
        form.Free(block);
        form.Trim();
    }

    /// <summary>Collectible load contexts, where a thread's word is of thread-local storage, and everything is unmapped.</summary>
    private static void Plugins(int steps)
    {
        WeakReference[] contexts = [.. Enumerable.Range(0, 3).Select(_ => Load(steps))];
        for (int i = 0; i < 50 && contexts.Any(context => context.IsAlive); i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Must(!contexts.Any(context => context.IsAlive), "a load context was not unloaded");
    }

    // A plugin is this program once more.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Load(int steps)
    {
        AssemblyLoadContext context = new("plugin", isCollectible: true);
        context.LoadFromAssemblyPath(typeof(Program).Assembly.Location).GetType("EveryForm.Program")!
            .GetMethod("Main", System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Static)!
            .Invoke(null, [new[] { steps.ToString() }]);
        context.Unload();
        return new WeakReference(context);
    }
}
