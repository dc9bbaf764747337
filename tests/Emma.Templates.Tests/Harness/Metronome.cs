namespace Emma.Templates.Tests;

/// <summary>Counts turns of a millisecond at least on a thread of its own: a clock that slows down with the machine.</summary>
public sealed class Metronome : IDisposable
{
    private readonly Thread _thread;
    private long _turns;
    private bool _ends;

    public Metronome()
    {
        _thread = new Thread(() =>
        {
            while (!Volatile.Read(ref _ends))
            {
                Thread.Sleep(1);
                Interlocked.Increment(ref _turns);
            }
        });
        _thread.Start();
    }

    public long Turns => Volatile.Read(ref _turns);

    public void Dispose()
    {
        Volatile.Write(ref _ends, true);
        _thread.Join();
    }
}
