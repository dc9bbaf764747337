using System.Runtime.CompilerServices;

namespace Emma.Soak;

/// <summary>Threads of the host's own that outlive the plugins they work for, and are stopped between two pieces of work.</summary>
public sealed class Crew : IDisposable
{
    private readonly SemaphoreSlim _done = new SemaphoreSlim(0);
    private readonly SemaphoreSlim[] _wanted;
    private readonly Thread[] _threads;
    private Action<int>? _work;
    private Exception? _failure;
    private bool _ended;

    public Crew(int count)
    {
        _wanted = Enumerable.Range(0, count).Select(_ => new SemaphoreSlim(0)).ToArray();
        _threads = Enumerable.Range(0, count).Select(number => new Thread(() =>
        {
            while (Work(number))
                _done.Release();
        })).ToArray();
        Array.ForEach(_threads, thread => thread.Start());
    }

    /// <summary>Has each thread do some work, given its number, and waits for them.</summary>
    public void Do(Action<int> work)
    {
        _work = work;
        Array.ForEach(_wanted, wanted => wanted.Release());
        for (int i = 0; i < _threads.Length; i++)
            _done.Wait();
        _work = null;
        if (_failure is not null)
            throw new AggregateException(_failure);
    }

    public void Dispose()
    {
        _ended = true;
        Array.ForEach(_wanted, wanted => wanted.Release());
        Array.ForEach(_threads, thread => thread.Join());
    }

    // Not inlined, so that a stopped thread's frame refers to no plugin.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool Work(int number)
    {
        _wanted[number].Wait();
        if (_ended)
            return false;

        DoOne(number);
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void DoOne(int number)
    {
        try
        {
            _work!(number);
        }
        catch (Exception exception)
        {
            _failure = exception;
        }
    }
}
