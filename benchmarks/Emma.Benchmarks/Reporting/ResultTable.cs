using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Reporting;

/// <summary>How a table is drawn.</summary>
internal enum Chart
{
    None,

    /// <summary>Each row's figures relative to the reference column's.</summary>
    Ratios,

    /// <summary>A line for each column over the rows, which are steps of a growing quantity.</summary>
    Lines,
}

/// <summary>Figures of one kind: a row for each thing measured, a column for each peer. Less is better.</summary>
/// <param name="name">The stem of its files.</param>
/// <param name="title">What the figures are, with their unit.</param>
/// <param name="rowHeader">What the rows are.</param>
/// <param name="columns">The peers.</param>
internal sealed class ResultTable(string name, string title, string rowHeader, IReadOnlyList<string> columns)
{
    private readonly List<(string Name, Sample?[] Cells)> _rows = [];

    internal string Name { get; } = name;

    internal string Title { get; } = title;

    internal string RowHeader { get; } = rowHeader;

    internal IReadOnlyList<string> Columns { get; } = columns;

    internal IReadOnlyList<(string Name, Sample?[] Cells)> Rows => _rows;

    /// <summary>How to read the cells; empty if the title says it all.</summary>
    internal string Note { get; init; } = "";

    internal Chart Chart { get; init; }

    /// <summary>A column that is no peer but shows what the others cannot do without.</summary>
    internal string? Baseline { get; init; }

    /// <summary>Whether the columns do the same work, so that ratios of them mean something.</summary>
    internal bool IsComparison => Chart != Chart.None;

    /// <summary>The columns that geometric means are taken against; those that this machine lacks, and empty ones, are left out.</summary>
    internal IEnumerable<string> References =>
        new[] { PeerList.MimallocName, PeerList.NativeMemoryName }
            .Where(reference => IsComparison && GeometricMean(reference, reference) is not null);

    internal void Add(string row, Sample?[] cells) => _rows.Add((row, cells));

    /// <summary>The figure of a row in a column; null if there is none.</summary>
    internal static double? Value(Sample?[] cells, int column) => column < 0 ? null : cells[column]?.Min;

    /// <summary>A row's figure relative to the reference column's.</summary>
    internal double? Ratio(Sample?[] cells, string column, string reference) =>
        Value(cells, IndexOf(column)) / Value(cells, IndexOf(reference));

    /// <summary>emma's figure relative to the least of any peer's that is not emma's; null without one of them.</summary>
    internal double? RatioToBest(Sample?[] cells)
    {
        IEnumerable<string> others = Columns.Where(column => !IsEmma(column) && column != Baseline);
        return Value(cells, IndexOf(PeerList.EmmaName)) / others.Min(column => Value(cells, IndexOf(column)));
    }

    /// <summary>The geometric mean of a column's ratios, over all rows that both columns have.</summary>
    internal double? GeometricMean(string column, string reference) => Mean(_rows.Select(row => Ratio(row.Cells, column, reference)));

    internal double? GeometricMeanToBest() => Mean(_rows.Select(row => RatioToBest(row.Cells)));

    private static double? Mean(IEnumerable<double?> ratios)
    {
        double[] logarithms = [.. ratios.OfType<double>().Select(ratio => Math.Log(ratio))];
        return logarithms.Length == 0 ? null : Math.Exp(logarithms.Average());
    }

    private static bool IsEmma(string column) => column.StartsWith(PeerList.EmmaName, StringComparison.Ordinal);

    private int IndexOf(string column)
    {
        for (int i = 0; i < Columns.Count; i++)
        {
            if (Columns[i] == column)
                return i;
        }

        return -1;
    }
}
