using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using TwoEmmasOneProcess.Contracts;

namespace TwoEmmasOneProcess.Host;

// A plugin in a collectible load context of its own, and the thread that has it work round after round. Nothing of the plugin leaves this
// object, so that dropping the three fields of Unload drops all of it.
internal sealed class LoadedPlugin
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static int s_roundsUnderWay;

    private readonly object _lock = new();
    private readonly int _threads;
    private readonly WeakReference _contextGone;
    private AssemblyLoadContext? _context;
    private IPlugin? _plugin;
    private Thread? _worker;
    private bool _paused;
    private bool _stopped;
    private bool _inRound;

    private LoadedPlugin(string name, int threads)
    {
        Name = name;
        _threads = threads;
        _context = new AssemblyLoadContext(name, isCollectible: true);
        _contextGone = new WeakReference(_context);
        Assembly assembly = _context.LoadFromAssemblyPath(Path.Combine(AppContext.BaseDirectory, name + ".dll"));
        Type type = assembly.GetExportedTypes().Single(typeof(IPlugin).IsAssignableFrom);
        _plugin = (IPlugin)Activator.CreateInstance(type)!;
        Work = _plugin.Work;
        ExpectedChecksum = _plugin.WorkOutExpected();
    }

    public string Name { get; }

    public string Work { get; }

    public ulong ExpectedChecksum { get; }

    // Rounds that ended with the right checksum.
    public int Rounds { get; private set; }

    // Rounds that began while another plugin was in the middle of one.
    public int RoundsBesideOthers { get; private set; }

    // Why the work ended early; null if it did not.
    public string? Failure { get; private set; }

    // Whether the garbage collector has taken the load context and all that was in it.
    public bool IsGone => !_contextGone.IsAlive;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static LoadedPlugin Load(string name, int threads) => new(name, threads);

    public void Start()
    {
        _worker = new Thread(RunRounds) { Name = Name };
        _worker.Start();
    }

    // Returns once the plugin stands still between two rounds, with the last round's result in its heap.
    public void Pause()
    {
        lock (_lock)
        {
            _paused = true;
            while (_inRound)
                Monitor.Wait(_lock);
        }
    }

    public void Resume()
    {
        lock (_lock)
        {
            _paused = false;
            Monitor.PulseAll(_lock);
        }
    }

    // Waits until the plugin has finished some more rounds; false if it fails or does not get there in time.
    public bool WaitForRounds(int more)
    {
        long deadline = Environment.TickCount64 + (long)s_patience.TotalMilliseconds;
        lock (_lock)
        {
            for (int goal = Rounds + more; Rounds < goal;)
            {
                long left = deadline - Environment.TickCount64;
                if (Failure is not null || left <= 0)
                    return false;

                Monitor.Wait(_lock, (int)left);
            }
        }

        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public HeapFootprint TakeFootprint() => HeapFootprint.Take(_plugin!);

    // Counts the pages of some ranges that this plugin's heap takes for its own.
    [MethodImpl(MethodImplOptions.NoInlining)]
    public int CountOwned(IEnumerable<AddressRange> ranges) => ranges.Sum(range => range.HeapPages().Count(_plugin!.HeapOwns));

    // Ends the work, lets go of the plugin and tells the runtime to unload it once nobody refers to it any more.
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Unload()
    {
        lock (_lock)
        {
            _stopped = true;
            Monitor.PulseAll(_lock);
        }

        _worker!.Join();
        _worker = null;
        _plugin = null;
        _context!.Unload();
        _context = null;
    }

    private void RunRounds()
    {
        while (BeginRound())
        {
            ulong checksum = 0;
            string? failure = null;
            try
            {
                checksum = _plugin!.RunRound(_threads);
            }
            catch (Exception exception)
            {
                failure = exception.ToString();
            }

            if (failure is null && checksum != ExpectedChecksum)
                failure = $"round {Rounds + 1}: checksum {checksum:x16} instead of {ExpectedChecksum:x16}";

            EndRound(failure);
        }
    }

    private bool BeginRound()
    {
        lock (_lock)
        {
            while (_paused && !_stopped)
                Monitor.Wait(_lock);

            if (_stopped || Failure is not null)
                return false;

            _inRound = true;
            if (Interlocked.Increment(ref s_roundsUnderWay) > 1)
                RoundsBesideOthers++;

            return true;
        }
    }

    private void EndRound(string? failure)
    {
        lock (_lock)
        {
            Interlocked.Decrement(ref s_roundsUnderWay);
            _inRound = false;
            Failure = failure;
            if (failure is null)
                Rounds++;

            Monitor.PulseAll(_lock);
        }
    }
}
