using System.Diagnostics;

namespace Emma.Soak;

/// <summary>
/// <c>--soak N --seed S [--no-forks] [--watched]</c>, N in minutes: everything at once. Eight threads use six heaps at random, one of
/// them at its memory limit, one that the kernel refuses one call in three, know what each block must hold and pass blocks to each other.
/// Meanwhile this thread loads and unloads plugins that do the like, forks, trims, destroys a temporary heap, and now and then stops the
/// eight and counts: what a heap says is in use must be what the threads have, to the byte.
/// </summary>
public sealed class SoakRun
{
    private const int Threads = 8;
    private const int MostPlugins = 3;
    private const int StepsAtATime = 50;
    private const nuint MaxLiveBytes = 16 << 20;
    private const nuint MostAfterDestroy = 64 << 10;

    private static readonly HeapKind[] s_heaps =
        [HeapKind.Plain, HeapKind.Plain, HeapKind.Checked, HeapKind.Locked, HeapKind.Limited, HeapKind.Hardened, HeapKind.Faulty];

    private readonly double _minutes;
    private readonly ulong _seed;
    private readonly Mailboxes _mail = new Mailboxes(200);
    private readonly Worker[] _workers;
    private readonly Barrier _barrier = new Barrier(Threads + 1);
    private readonly LivingPlugins _plugins = new LivingPlugins();
    private readonly Forks? _forks;
    private readonly SoakReport _report;
    private Dice _dice;
    private int _trims;
    private int _destroys;
    private int _counts;
    private volatile bool _wantStop;
    private volatile bool _wantPause;
    private volatile Exception? _failure;

    public SoakRun(Arguments arguments)
    {
        _minutes = arguments.Number("--soak", 1);
        _seed = (ulong)arguments.Number("--seed", Random.Shared.Next(1, 1_000_000));
        _dice = new Dice(_seed);
        _workers = Enumerable.Range(0, Threads).Select(i => new Worker($"thread {i}", _seed * 100 + (ulong)i, s_heaps, MaxLiveBytes, _mail))
            .ToArray();
        _forks = arguments.Has("--no-forks") ? null : new Forks(_seed);
        _report = new SoakReport(
            () => $"plugins {_plugins.Gone} gone {_plugins.Count} here, forks {_forks?.Done ?? 0}, destroys {_destroys}, trims " +
                $"{_trims}, counts {_counts}, failed calls {FaultyHeap.FailedCalls}",
            _workers,
            $"dotnet run -c Release --project tests/Emma.Soak -- --soak {_minutes} --seed {_seed}{(_forks is null ? " --no-forks" : "")}" +
            (arguments.Has("--watched") ? " --watched" : ""));
    }

    public int Run()
    {
        Thread[] threads = Array.ConvertAll(_workers, worker => new Thread(() => UseUntilStopped(worker)));
        FaultyHeap.BeginFaults(_seed);
        _report.Begin();
        Array.ForEach(threads, thread => thread.Start());
        var clock = Stopwatch.StartNew();
        try
        {
            while (clock.Elapsed.TotalMinutes < _minutes && _failure is null)
            {
                DoSomething();
                _report.NoteProgress();
            }

            if (_failure is null)
                Count();
        }
        catch (Exception exception)
        {
            _failure ??= exception;
        }

        _wantStop = true;
        Array.ForEach(threads, thread => thread.Join());
        try
        {
            if (_failure is null)
                End();
        }
        catch (Exception exception)
        {
            _failure = exception;
        }

        return _report.End(_failure);
    }

    private void DoSomething()
    {
        switch (_dice.Next(100))
        {
            case < 6 when _plugins.Count < MostPlugins:
                _plugins.Load(_seed + (ulong)_dice.Next(1 << 20));
                break;
            case < 12 when _plugins.Count > 0:
                _plugins.Unload(_dice.Next(_plugins.Count));
                break;
            case < 20 when _forks is not null:
                _forks.Fork(_dice.Next(1, 4), ref _dice);
                break;
            case < 30:
                Heaps.Trim((HeapKind)_dice.Next(Heaps.Count));
                _trims++;
                break;
            case < 33:
                // So that it goes to the kernel often.
                FaultyHeap.Trim();
                _trims++;
                break;
            case < 39:
                UseTemporaryHeap();
                break;
            case < 42:
                Count();
                break;
            default:
                Thread.Sleep(_dice.Next(10));
                break;
        }
    }

    private void UseUntilStopped(Worker worker)
    {
        try
        {
            while (!_wantStop)
            {
                worker.Run(StepsAtATime);
                if (_wantPause)
                {
                    _barrier.SignalAndWait();
                    _barrier.SignalAndWait();
                }
            }
        }
        catch (Exception exception)
        {
            _failure ??= exception;
        }
        finally
        {
            _barrier.RemoveParticipant();
        }
    }

    // Has everybody stand still; checks every block, and that each heap counts what there is.
    private void Count()
    {
        _wantPause = true;
        _barrier.SignalAndWait();
        _wantPause = false;
        try
        {
            _workers[0].EmptyMail(_mail);
            nuint[] usable = new nuint[Heaps.Count];
            _forks?.AddUsableBytes(usable);
            foreach (Worker worker in _workers)
            {
                worker.CheckAll();
                worker.AddUsableBytes(usable);
            }

            CheckFigures(usable);
            _counts++;
        }
        finally
        {
            _barrier.SignalAndWait();
        }
    }

    private static void CheckFigures(nuint[] usable)
    {
        for (HeapKind heap = HeapKind.Plain; heap < HeapKind.Temporary; heap++)
        {
            (nuint mapped, nuint inUse, nuint sum) = Heaps.Figures(heap);
            if (sum != mapped)
                throw new InvalidDataException($"the {heap} heap has {mapped} bytes mapped, but its parts add up to {sum}");
            // A hardened heap lends what was asked for, and counts what that takes.
            if (heap == HeapKind.Hardened && usable[(int)heap] != 0 && inUse > usable[(int)heap])
                continue;
            if (inUse != usable[(int)heap])
                throw new InvalidDataException($"the {heap} heap says that {inUse} bytes are in use, but its live blocks are " +
                    $"{usable[(int)heap]}");
        }
    }

    private void UseTemporaryHeap()
    {
        ulong seed = _seed * 1000 + (ulong)_destroys;
        Thread[] threads = Enumerable.Range(0, 2).Select(i => new Thread(() =>
        {
            try
            {
                var worker = new Worker("temporary", seed * 2 + (ulong)i, [HeapKind.Temporary], MaxLiveBytes);
                worker.Run(2000);
                worker.CheckAll();
            }
            catch (Exception exception)
            {
                _failure ??= exception;
            }
        })).ToArray();
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        TemporaryHeap.Destroy();
        _destroys++;
        RequireLittleMapped(HeapKind.Temporary);
    }

    private static void RequireLittleMapped(HeapKind heap)
    {
        nuint mapped = Heaps.Figures(heap).Mapped;
        if (mapped > MostAfterDestroy)
            throw new InvalidDataException($"the {heap} heap has {mapped} bytes mapped after Destroy");
    }

    // Frees everything and has every plugin go: nothing may be left in use.
    private void End()
    {
        while (_plugins.Count > 0)
            _plugins.Unload(0);
        foreach (Worker worker in _workers)
        {
            worker.CheckAll();
            worker.FreeAll();
        }

        _workers[0].EmptyMail(_mail);
        _forks?.CheckAndFreeAll();
        CheckFigures(new nuint[Heaps.Count]);
        FaultyHeap.EndFaults();
        FaultyHeap.Destroy();
        RequireLittleMapped(HeapKind.Faulty);
    }
}
