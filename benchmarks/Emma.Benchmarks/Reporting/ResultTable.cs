using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Reporting;

// How a table is drawn.
internal enum Chart
{
    None,

    // Each row's figures relative to the reference column's.
    Ratios,

    // A line for each column over the rows, which are steps of a growing quantity.
    Lines,

    // The same, of columns that do not do the same work.
    Figures,
}

// Figures of one kind: a row for each thing measured, a column for each peer. Less is better.
// name: the stem of its files.
// title: what the figures are, with their unit.
// rowHeader: what the rows are.
// columns: the peers.
internal sealed class ResultTable(string name, string title, string rowHeader, IReadOnlyList<string> columns)
{
    private readonly List<(string Name, Sample?[] Cells)> _rows = [];

    internal string Name { get; } = name;

    internal string Title { get; } = title;

    internal string RowHeader { get; } = rowHeader;

    internal IReadOnlyList<string> Columns { get; } = columns;

    internal IReadOnlyList<(string Name, Sample?[] Cells)> Rows => _rows;

    // How to read the cells; empty if the title says it all.
    internal string Note { get; init; } = "";

    internal Chart Chart { get; init; }

    // A column that is no peer but shows what the others cannot do without.
    internal string? Baseline { get; init; }

    // Whether the columns do the same work, so that ratios of them mean something.
    internal bool IsComparison => Chart is Chart.Ratios or Chart.Lines;

    // Whether the rows are steps of a growing quantity.
    internal bool HasSteps => Chart is Chart.Lines or Chart.Figures;

    // The columns that geometric means are taken against; those that this machine lacks, and empty ones, are left out.
    internal IEnumerable<string> References =>
        new[] { PeerList.MimallocName, PeerList.NativeMemoryName }
            .Where(reference => IsComparison && GeometricMean(reference, reference) is not null);

    internal void Add(string row, Sample?[] cells) => _rows.Add((row, cells));

    // The figure of a row in a column; null if there is none.
    internal static double? Value(Sample?[] cells, int column) => column < 0 ? null : cells[column]?.Min;

    // A row's figure relative to the reference column's.
    internal double? Ratio(Sample?[] cells, string column, string reference) =>
        Value(cells, IndexOf(column)) / Value(cells, IndexOf(reference));

    // emma's figure relative to the least of any peer's that is not emma's; null without one of them.
    internal double? RatioToBest(Sample?[] cells)
    {
        IEnumerable<string> others = Columns.Where(column => !IsEmma(column) && column != Baseline);
        return Value(cells, IndexOf(PeerList.EmmaName)) / others.Min(column => Value(cells, IndexOf(column)));
    }

    // The least share of the processor that a cell of a row had; null if it was not measured.
    internal static double? CpuShare(Sample?[] cells) => cells.Min(cell => cell?.CpuShare);

    // The geometric mean of a column's ratios, over all rows that both columns have.
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
