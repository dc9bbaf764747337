using System.Runtime.InteropServices;

namespace Consumer.Memory;

// Forks while threads use the heap: each child frees what they kept, allocates, and says by its status whether all contents were right.
internal static unsafe partial class Workout
{
    private const int Forks = 100;
    private const int ForkThreads = 4;
    private const int KeptByThread = 200;
    private const int Slots = ForkThreads * KeptByThread;
    // Turns of a millisecond that a child has before it is killed.
    private const int TurnsOfAChild = 60_000;

    // Blocks, set when they are whole and cleared before they are freed.
    private static readonly nuint* s_kept = (nuint*)NativeMemory.AllocZeroed(Slots, (nuint)sizeof(nuint));

    private static int s_stop;

    static partial void CheckMore()
    {
        var threads = new Thread[ForkThreads];
        for (int i = 0; i < threads.Length; i++)
        {
            int thread = i;
            threads[i] = new Thread(() => KeepAndFree(s_kept + thread * KeptByThread, (uint)thread + 1));
            threads[i].Start();
        }

        for (int i = 0; i < Forks; i++)
        {
            Thread.SpinWait(i * 997 % 20_000);
            int child = Fork();
            if (child == 0)
                Exit(WorkOfChild());

            const int noHang = 1, sigkill = 9;
            int status = 0;
            for (int turn = 0; WaitFor(child, &status, noHang) != child; turn++)
            {
                if (turn == TurnsOfAChild)
                    _ = Kill(child, sigkill);
                Thread.Sleep(1);
            }

            if (status != 0)
                Expect(false, $"child {i} ended with status 0x{status:x}");
        }

        Volatile.Write(ref s_stop, 1);
        foreach (Thread thread in threads)
            thread.Join();
        Expect(WorkOfChild() == 0, "blocks have changed while processes were forked");
    }

    private static int WorkOfChild()
    {
        for (int round = 0; round < 2; round++)
        {
            for (int i = 0; i < Slots; i++)
            {
                if (!IsWhole(s_kept[i]))
                    return 1;
                WorkoutHeap.Free((void*)s_kept[i]);
                s_kept[i] = round == 0 ? NewBlock((uint)i * 37) : 0;
            }
        }

        WorkoutHeap.Trim();
        return 0;
    }

    private static void KeepAndFree(nuint* kept, uint random)
    {
        while (Volatile.Read(ref s_stop) == 0)
        {
            random = unchecked(random * 1664525 + 1013904223);
            ref nuint slot = ref kept[(random >> 8) % KeptByThread];
            nuint block = slot;
            if (block == 0)
            {
                Volatile.Write(ref slot, NewBlock(random >> 4));
                continue;
            }

            if (!IsWhole(block))
                Expect(false, "a block has changed");
            Volatile.Write(ref slot, 0);
            WorkoutHeap.Free((void*)block);
        }
    }

    private static nuint NewBlock(uint random)
    {
        nuint words = random % 100 == 0 ? 400_000 : 2 + random % 300;
        nuint* block = WorkoutHeap.Alloc<nuint>(words);
        block[0] = words;
        block[words - 1] = words;
        return (nuint)block;
    }

    private static bool IsWhole(nuint block) => block == 0 || ((nuint*)block)[*(nuint*)block - 1] == *(nuint*)block;

    [LibraryImport("libc", EntryPoint = "fork")]
    private static partial int Fork();

    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void Exit(int status);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);

    [LibraryImport("libc", EntryPoint = "waitpid")]
    private static partial int WaitFor(int process, int* status, int options);
}
