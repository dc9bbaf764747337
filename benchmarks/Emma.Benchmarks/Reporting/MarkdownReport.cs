using System.Runtime.InteropServices;
using System.Text;
using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Reporting;

// The tables as a Markdown file, medians included, with the machine and the peers they were measured on.
internal static class MarkdownReport
{
    internal static void Write(string path, Settings settings, IEnumerable<ResultTable> tables)
    {
        StringBuilder text = new();
        text.AppendLine($"# Benchmarks: {settings.Mode}").AppendLine();
        if (settings.Quick)
            text.AppendLine("Taken with `--quick`: this shows that the benchmarks work; the figures mean nothing.").AppendLine();

        AppendMachine(text);
        foreach (ResultTable table in tables)
            AppendTable(text, table);

        File.WriteAllText(path, text.ToString());
    }

    private static void AppendMachine(StringBuilder text)
    {
        text.Append($"{DescribeProcessor()}, {Environment.ProcessorCount} cores, {RuntimeInformation.OSDescription}, ");
        text.AppendLine($"kernel {Environment.OSVersion.Version}, .NET {Environment.Version}.");
        text.AppendLine();
        foreach (Peer peer in PeerList.All)
            text.AppendLine($"* {peer.Name}: {peer.Version ?? "absent"}");

        text.AppendLine();
    }

    private static void AppendTable(StringBuilder text, ResultTable table)
    {
        TableText cells = new(table, withMedians: true);
        text.AppendLine($"## {table.Title}").AppendLine();
        if (table.Note.Length > 0)
            text.AppendLine(table.Note).AppendLine();

        text.Append("| ").AppendJoin(" | ", cells.Header).AppendLine(" |");
        text.Append("|---|").Insert(text.Length, "---:|", cells.Header.Count - 1).AppendLine();
        foreach (List<string> row in cells.Rows)
            text.Append("| ").AppendJoin(" | ", row).AppendLine(" |");

        foreach (List<string> row in cells.Means)
            text.Append("| ").AppendJoin(" | ", row.Select(cell => cell.Length == 0 ? "" : $"**{cell}**")).AppendLine(" |");

        text.AppendLine();
    }

    private static string DescribeProcessor()
    {
        string? line = File.ReadLines("/proc/cpuinfo").FirstOrDefault(text => text.StartsWith("model name", StringComparison.Ordinal));
        return line?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
