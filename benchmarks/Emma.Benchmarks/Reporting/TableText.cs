using System.Globalization;
using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Reporting;

// A table's cells as text, the same for the terminal and for Markdown: its own rows, then the geometric means.
internal sealed class TableText
{
    private const string Absent = "–";
    private const string BestPeer = "best peer";

    internal TableText(ResultTable table, bool withMedians)
    {
        string[] references = [.. table.References];
        Header = [table.RowHeader, .. table.Columns];
        if (references.Length > 0)
            Header.AddRange(references.Append(BestPeer).Select(reference => $"{PeerList.EmmaName} ÷ {reference}"));

        bool hasShares = table.Rows.Any(row => ResultTable.CpuShare(row.Cells) is not null);
        if (hasShares)
            Header.Add("least CPU ÷ wall");

        foreach ((string name, Sample?[] cells) in table.Rows)
        {
            List<string> row = [name, .. cells.Select(cell => Cell(cell, withMedians))];
            if (references.Length > 0)
            {
                row.AddRange(references.Select(reference => Ratio(table.Ratio(cells, PeerList.EmmaName, reference))));
                row.Add(Verdict(table.RatioToBest(cells)));
            }

            if (hasShares)
                row.Add(Ratio(ResultTable.CpuShare(cells)));

            Rows.Add(row);
        }

        foreach (string reference in references)
        {
            List<string> row = [$"geometric mean ÷ {reference}"];
            row.AddRange(table.Columns.Select(column => Ratio(table.GeometricMean(column, reference))));
            row.AddRange(references.Select(other => other == reference ? Ratio(table.GeometricMean(PeerList.EmmaName, other)) : ""));
            row.Add(reference == references[0] ? Ratio(table.GeometricMeanToBest()) : "");
            if (hasShares)
                row.Add("");

            Means.Add(row);
        }
    }

    internal List<string> Header { get; }

    internal List<List<string>> Rows { get; } = [];

    internal List<List<string>> Means { get; } = [];

    private static string Number(double value) =>
        value.ToString(value switch { < 10 => "F2", < 100 => "F1", _ => "F0" }, CultureInfo.InvariantCulture);

    private static string Cell(Sample? cell, bool withMedian) => cell switch
    {
        null => Absent,
        Sample sample when withMedian && sample.Min != sample.Median => $"{Number(sample.Min)} ({Number(sample.Median)})",
        Sample sample => Number(sample.Min),
    };

    private static string Ratio(double? ratio) => ratio is double value ? value.ToString("F2", CultureInfo.InvariantCulture) : Absent;

    // A row that loses says so.
    private static string Verdict(double? ratio) => ratio > 1 ? $"{Ratio(ratio)} lost" : Ratio(ratio);
}
