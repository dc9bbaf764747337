using System.Diagnostics;
using System.Globalization;

namespace Emma.Templates.Tests;

/// <summary>
/// Waits for as long as something goes on. No limit is one of the wall clock: on a machine with other work all takes many times as long. A
/// child is given up when it uses no processor time for many turns, or far too much; a condition when it does not come true in many turns.
/// A turn is the shortest sleep of a thread that has to share the processors like those it waits for.
/// </summary>
public static class Patience
{
    // Turns of a millisecond at least: a minute where nothing else runs.
    private const int Turns = 60_000;

    // Turns of a tenth of a second at least that a child, and what it has started, may go without using any processor time.
    private const int IdleTurns = 1800;

    private const int TurnMilliseconds = 100;

    private static readonly TimeSpan s_mostProcessorTime = TimeSpan.FromMinutes(60);
    private static readonly TimeSpan s_leastProgress = TimeSpan.FromMilliseconds(20);

    /// <summary>Waits until a child has ended.</summary>
    /// <returns>Null if it has; else why it was given up, and killed.</returns>
    public static string? WaitForExit(Process child)
    {
        TimeSpan used = TimeSpan.Zero;
        int idle = 0;
        long start = Stopwatch.GetTimestamp();
        while (!child.WaitForExit(TurnMilliseconds))
        {
            TimeSpan now = ProcessorTimeOf(child.Id);
            idle = now - used > s_leastProgress ? 0 : idle + 1;
            if (idle == 0)
                used = now;
            if (idle < IdleTurns && used < s_mostProcessorTime)
                continue;

            child.Kill(entireProcessTree: true);
            child.WaitForExit();
            return string.Create(
                CultureInfo.InvariantCulture,
                $"given up after {Stopwatch.GetElapsedTime(start).TotalSeconds:f0} s, in which it used {used.TotalSeconds:f1} s of " +
                $"processor time, and none in the last {idle} turns");
        }

        // The redirected output has been read to its end, too.
        child.WaitForExit();
        return null;
    }

    /// <summary>Waits until a condition is true.</summary>
    /// <exception cref="TimeoutException">It did not come true in many turns.</exception>
    public static void Until(Func<bool> condition, string what)
    {
        for (int turn = 0; !condition(); turn++)
        {
            if (turn == Turns)
                throw new TimeoutException($"not so after {Turns} turns: {what}");
            Thread.Sleep(1);
        }
    }

    /// <summary>Waits until a thread has ended.</summary>
    /// <exception cref="TimeoutException">It did not in many turns.</exception>
    public static void Join(Thread thread, string what) => Until(() => thread.Join(0), what);

    // The processor time that a process and all it has started have used.
    private static TimeSpan ProcessorTimeOf(int root)
    {
        const int ticksPerSecond = 100;
        Dictionary<int, (int Parent, long Ticks)> processes = [];
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out int id)
                && TryReadStat(folder, out int parent, out long ticks))
                processes[id] = (parent, ticks);
        }

        long sum = 0;
        foreach (int id in processes.Keys)
        {
            int ancestor = id;
            while (ancestor != root && processes.TryGetValue(ancestor, out (int Parent, long Ticks) process))
                ancestor = process.Parent;
            if (ancestor == root)
                sum += processes[id].Ticks;
        }

        return TimeSpan.FromSeconds((double)sum / ticksPerSecond);
    }

    private static bool TryReadStat(string folder, out int parent, out long ticks)
    {
        parent = 0;
        ticks = 0;
        try
        {
            // Behind the name, which is in parentheses and may be anything: state, parent, …; the 12th to 15th are times, of children too.
            string stat = File.ReadAllText(Path.Combine(folder, "stat"));
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            parent = int.Parse(fields[1], CultureInfo.InvariantCulture);
            for (int field = 11; field <= 14; field++)
                ticks += long.Parse(fields[field], CultureInfo.InvariantCulture);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It has ended meanwhile.
            return false;
        }
    }
}
