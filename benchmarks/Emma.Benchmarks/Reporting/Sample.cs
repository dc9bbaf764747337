namespace Emma.Benchmarks.Reporting;

// What repeated measurements of one thing gave.
internal readonly record struct Sample(double Min, double Median)
{
    // The CPU time of all measurements by their wall time, where it was taken: below 1, others had the processor meanwhile.
    internal double? CpuShare { get; init; }

    internal static Sample Of(IReadOnlyCollection<double> values)
    {
        double[] sorted = [.. values.Order()];
        int middle = sorted.Length / 2;
        return new Sample(sorted[0], sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2);
    }

    internal static Sample Single(double value) => new(value, value);
}
