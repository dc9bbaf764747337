namespace Emma.Benchmarks.Residency;

// Threads that live until the crew is dismissed, and do one piece of work after another, all at once.
internal sealed class StandingCrew
{
    // Enough for what a piece of work calls.
    private const int StackBytes = 256 << 10;

    private readonly Barrier _barrier;
    private readonly Thread[] _threads;
    private Action<int>? _work;

    internal StandingCrew(int threads)
    {
        _barrier = new Barrier(threads + 1);
        _threads = [.. Enumerable.Range(0, threads).Select(index => new Thread(() => Serve(index), StackBytes))];
        foreach (Thread thread in _threads)
            thread.Start();
    }

    // Has each thread do some work, with its index, and waits for all of them.
    internal void Do(Action<int> work)
    {
        _work = work;
        _barrier.SignalAndWait();
        _barrier.SignalAndWait();
    }

    internal void Dismiss()
    {
        _work = null;
        _barrier.SignalAndWait();
        foreach (Thread thread in _threads)
            thread.Join();
    }

    private void Serve(int index)
    {
        while (true)
        {
            _barrier.SignalAndWait();
            if (_work is not { } work)
                return;

            work(index);
            _barrier.SignalAndWait();
        }
    }
}
