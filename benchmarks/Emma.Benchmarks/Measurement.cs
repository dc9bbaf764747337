using System.Diagnostics;

/// <summary>Times peers in turn (A B A B …), so that drift of a shared machine meets them alike.</summary>
internal static class Measurement
{
    /// <summary>The least time per operation that each peer needed in any round, in nanoseconds.</summary>
    internal static double[] MinPerOperation(int rounds, int operations, params Action[] peers)
    {
        double[] best = new double[peers.Length];
        Array.Fill(best, double.MaxValue);
        foreach (Action peer in peers)
            peer();

        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < peers.Length; i++)
            {
                long start = Stopwatch.GetTimestamp();
                peers[i]();
                best[i] = Math.Min(best[i], Stopwatch.GetElapsedTime(start).TotalNanoseconds / operations);
            }
        }

        return best;
    }
}
