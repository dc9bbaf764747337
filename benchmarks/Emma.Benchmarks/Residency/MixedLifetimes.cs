using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Residency;

// Two threads whose blocks live for random times. Three times the live bytes grow to a number, blocks give way to others, and a tenth is
// left; each time the sizes are other ones: up to 16 KiB, 64 KiB, 256 KiB. Then all is freed, and nobody calls.
// megabytes: how much is live at most.
internal sealed class MixedLifetimes(int megabytes) : Lifeline($"{megabytes} MiB live")
{
    private const int Threads = 2;
    private const int QuickShare = 16;

    // A tenth stays live when it shrinks.
    private const int Shrinking = 10;

    // In a churn so many times the live bytes are replaced.
    private const int Churning = 4;

    private const int TrafficSeconds = 5;

    // While a tenth is live, all of it is replaced once a second, a piece at a time.
    private const int PiecesPerSecond = 100;

    private const int QuickPieces = 3;

    private const int TableCapacity = 1 << 18;

    private static readonly (string Name, SizeRange Sizes)[] s_acts =
    [
        ("16 KiB", new SizeRange(16, 16 << 10)),
        ("64 KiB", new SizeRange(64, 64 << 10)),
        ("256 KiB", new SizeRange(256, 256 << 10)),
    ];

    private readonly Mailbox _mailbox = new();
    private BlockTable[] _tables = [];
    private StandingCrew? _crew;

    private long LiveBytes => _tables.Sum(table => table.Bytes);

    protected override void Prepare<TAllocator>(bool quick)
    {
        // Once in small, so that all of the code is compiled.
        _tables = [.. Enumerable.Range(0, Threads).Select(index => new BlockTable(TableCapacity, (ulong)index))];
        _crew = new StandingCrew(Threads);
        _mailbox.Fill<TAllocator>();
        for (int round = 0; round < 10; round++)
        {
            Together(table => table.GrowTo<TAllocator>(64 << 10, s_acts[0].Sizes));
            Together(table => table.Replace<TAllocator>(64 << 10, 64 << 10, s_acts[0].Sizes, _mailbox));
            Together(table => table.ShrinkTo<TAllocator>(0));
        }
    }

    protected override void Live<TAllocator>(bool quick)
    {
        long most = ((long)megabytes << 20) / Threads / (quick ? QuickShare : 1);
        foreach ((string name, SizeRange sizes) in s_acts)
        {
            Together(table => table.GrowTo<TAllocator>(most, sizes));
            Note($"to {name}, grown", LiveBytes);
            Together(table => table.Replace<TAllocator>(most * Churning, most, sizes, _mailbox));
            Note($"to {name}, churned", LiveBytes);
            Together(table => table.ShrinkTo<TAllocator>(most / Shrinking));
            Note($"to {name}, a tenth left", LiveBytes);
            KeepBusy<TAllocator>(most / Shrinking, sizes, quick ? QuickPieces : TrafficSeconds * PiecesPerSecond);
            Note($"to {name}, {TrafficSeconds} s of traffic", LiveBytes);
        }

        Together(table => table.GrowTo<TAllocator>(most, s_acts[1].Sizes));
        Note("grown once more", LiveBytes);
        Together(table => table.ShrinkTo<TAllocator>(0));
        _mailbox.Empty<TAllocator>();
        Note("all freed", LiveBytes);
        Rest(quick ? 0.1 : 1);
        Note("1 s without a call", LiveBytes);
        Rest(quick ? 0.1 : 4);
        Note("5 s without a call", LiveBytes);
        _crew!.Dismiss();
    }

    private void KeepBusy<TAllocator>(long live, SizeRange sizes, int pieces)
        where TAllocator : struct, IAllocator
    {
        Together(table =>
        {
            for (int piece = 0; piece < pieces; piece++)
            {
                table.Replace<TAllocator>(live / PiecesPerSecond, live, sizes, _mailbox);
                Rest(1.0 / PiecesPerSecond);
            }
        });
    }

    private void Together(Action<BlockTable> work) => _crew!.Do(index => work(_tables[index]));
}
