using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Emma.Soak;

/// <summary>
/// <c>signals --times N</c>: sends signals to threads that allocate and free all the time; a registered handler allocates and frees too.
/// The runtime calls it on a thread of its own; the interrupted thread runs the runtime's native handler, in the middle of whatever it was
/// doing, and carries on.
/// </summary>
public static unsafe class SignalRun
{
    private const int Threads = 6;
    private const int Signal = 10; // SIGUSR1
    private const nuint MaxLiveBytes = 4 << 20;

    private static readonly HeapKind[] s_heaps = [HeapKind.Plain, HeapKind.Checked, HeapKind.Locked];
    private static readonly Mailboxes s_mail = new Mailboxes(64);
    private static readonly int[] s_threadIds = new int[Threads];
    private static Exception? s_failure;
    private static bool s_stop;
    private static int s_handled;

    public static int Run(int times)
    {
        nint libc = NativeLibrary.GetMainProgramHandle();
        var getTid = (delegate* unmanaged<int>)NativeLibrary.GetExport(libc, "gettid");
        var tgKill = (delegate* unmanaged<int, int, int, int>)NativeLibrary.GetExport(libc, "tgkill");
        var handlerWorker = new Worker("handler", 99, s_heaps, MaxLiveBytes, s_mail);
        using PosixSignalRegistration registration = PosixSignalRegistration.Create((PosixSignal)Signal, context =>
        {
            context.Cancel = true;
            Handle(handlerWorker);
        });

        Worker[] workers = Enumerable.Range(0, Threads).Select(i => new Worker($"thread {i}", (ulong)i + 1, s_heaps, MaxLiveBytes, s_mail))
            .ToArray();
        Thread[] threads = Enumerable.Range(0, Threads).Select(i => new Thread(() =>
        {
            Volatile.Write(ref s_threadIds[i], getTid());
            UseUntilStopped(workers[i]);
        })).ToArray();
        Array.ForEach(threads, thread => thread.Start());
        SpinWait.SpinUntil(() => Array.TrueForAll(s_threadIds, id => Volatile.Read(ref id) != 0));

        long sent = 0;
        var clock = Stopwatch.StartNew();
        while (Volatile.Read(ref s_handled) < times && Volatile.Read(ref s_failure) is null)
        {
            // A signal that is pending for a thread swallows the next of its kind. So no more are under way than are sure to be handled.
            int before = Volatile.Read(ref s_handled);
            foreach (int id in s_threadIds)
            {
                if (tgKill(Environment.ProcessId, id, Signal) == 0)
                    sent++;
            }

            Patience.Until(
                () => Volatile.Read(ref s_handled) > before || Volatile.Read(ref s_failure) is not null,
                $"one of {Threads} signals is handled; {before} had been before, of {sent}");
        }

        double seconds = clock.Elapsed.TotalSeconds;
        Volatile.Write(ref s_stop, true);
        Array.ForEach(threads, thread => thread.Join());
        lock (handlerWorker)
        {
            if (s_failure is not null)
                throw new AggregateException(s_failure);

            foreach (Worker worker in workers.Append(handlerWorker))
            {
                worker.CheckAll();
                worker.FreeAll();
            }

            handlerWorker.EmptyMail(s_mail);
        }

        foreach (HeapKind heap in s_heaps)
        {
            nuint inUse = Heaps.Figures(heap).InUse;
            if (inUse != 0)
                throw new InvalidDataException($"the {heap} heap has {inUse} bytes in use after everything was freed");
        }

        Console.WriteLine(
            $"{sent} signals sent, {s_handled} handled in {seconds:f1} s, beside {workers.Sum(worker => worker.Steps)} steps of " +
            $"{Threads} threads; {handlerWorker.Steps} steps in handlers");
        return 0;
    }

    private static void Handle(Worker worker)
    {
        try
        {
            lock (worker)
            {
                // Late ones find the heaps being counted.
                if (!Volatile.Read(ref s_stop))
                    worker.Run(3);
            }
        }
        catch (Exception exception)
        {
            Volatile.Write(ref s_failure, exception);
        }

        Interlocked.Increment(ref s_handled);
    }

    private static void UseUntilStopped(Worker worker)
    {
        try
        {
            while (!Volatile.Read(ref s_stop))
                worker.Run(10);
        }
        catch (Exception exception)
        {
            Volatile.Write(ref s_failure, exception);
        }
    }
}
