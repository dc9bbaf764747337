using PluginHost;

// A host with a folder of plugins and a quota for each: one leaks, is told, and is unloaded at its quota, while the others go on; another
// one's file is replaced.
Board board = new();
PluginFolder folder = new(Path.Combine(AppContext.BaseDirectory, "plugins"), Path.Combine(AppContext.BaseDirectory, "quotas.json"));
HostedPlugin leaky = folder["Leaky"];
HostedPlugin words = folder["Words"];
HostedPlugin thumbnails = folder["Thumbnails"];

board.ShowUntil(folder, () => leaky.Failure is not null);
board.Check($"Leaky was told when it had used four fifths of its quota, in round {leaky.WarnedInRound}", leaky.IsWarned);
board.Check($"At its quota its heap asked the host, {leaky.TimesAtLimit} times, and then refused it a block: \"{leaky.Failure}\"",
    leaky.TimesAtLimit > 0 && leaky.Failure?.Contains("MemoryLimit", StringComparison.Ordinal) == true);
board.Check($"It never had more than its quota of {Board.Size(leaky.Quota)} mapped",
    leaky.Heaps.All(heap => heap.GetStatistics().PeakMappedBytes <= leaky.Quota));
board.Check("The others were within theirs, and no allocation of theirs has failed", words.Failed + thumbnails.Failed == 0);

long heapBytes = leaky.Mapped;
long before = MappedBytesOfProcess();
int roundsBefore = words.Rounds + thumbnails.Rounds;
leaky.Unload();
CollectUntil(() => leaky.IsGone && MappedBytesOfProcess() <= before - heapBytes / 2);
long after = MappedBytesOfProcess();
board.Check($"Leaky is unloaded: its heap had {Board.Size(heapBytes)} mapped; the process had {Board.Size(before)} before and " +
    $"{Board.Size(after)} now", leaky.IsGone && after <= before - heapBytes / 2 && leaky.Heaps.All(heap => heap.IsUnloaded));
board.ShowUntil(folder, () => words.Rounds + thumbnails.Rounds >= roundsBefore + 20);
board.Check($"The others went on: {words.Rounds + thumbnails.Rounds - roundsBefore} rounds since",
    words.Rounds + thumbnails.Rounds >= roundsBefore + 20 && words.Failure is null && thumbnails.Failure is null);

// As a build or a deployment would replace it.
string file = Path.Combine(AppContext.BaseDirectory, "plugins", "Words.dll");
File.Copy(file, file + ".new", overwrite: true);
File.SetLastWriteTimeUtc(file + ".new", DateTime.UtcNow);
File.Move(file + ".new", file, overwrite: true);
folder.LoadChanged();
HostedPlugin reloaded = folder["Words"];
CollectUntil(() => words.IsGone);
board.ShowUntil(folder, () => reloaded.Rounds > 0);
board.Check("The file of Words was replaced: it works in a new load context with a new heap, and the old ones are gone",
    reloaded != words && reloaded.Rounds > 0 && reloaded.Mapped > 0 && words.IsGone && words.Mapped == 0);

reloaded.Unload();
thumbnails.Unload();
CollectUntil(() => folder.Plugins.TrueForAll(plugin => plugin.IsGone));
board.Check("All plugins are unloaded, and their heaps are gone",
    folder.Plugins.TrueForAll(plugin => plugin.IsGone && plugin.Heaps.All(heap => heap.IsUnloaded)));
return board.ExitCode;

static void CollectUntil(Func<bool> holds)
{
    for (int i = 0; i < 50 && !holds(); i++)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }
}

// What can be written, of all that the kernel says is mapped: the rest is code, and addresses that the runtime reserves.
static long MappedBytesOfProcess()
{
    long bytes = 0;
    foreach (string line in File.ReadLines("/proc/self/maps").Where(line => line.Contains(" rw", StringComparison.Ordinal)))
    {
        string[] ends = line[..line.IndexOf(' ', StringComparison.Ordinal)].Split('-');
        bytes += Convert.ToInt64(ends[1], 16) - Convert.ToInt64(ends[0], 16);
    }

    return bytes;
}
