using Emma.Benchmarks.Peers;
using Spectre.Console;

namespace Emma.Benchmarks.Reporting;

// Tables on the terminal.
internal static class TerminalReport
{
    // Wide enough for every column; terminals that are narrower wrap, files and logs do not.
    private const int LeastWidth = 160;

    internal static void Prepare()
    {
        if (!AnsiConsole.Profile.Out.IsTerminal)
            AnsiConsole.Profile.Width = Math.Max(AnsiConsole.Profile.Width, LeastWidth);
    }

    internal static void WritePeers()
    {
        foreach (Peer peer in PeerList.All)
            AnsiConsole.MarkupLineInterpolated($"[bold]{peer.Name}[/] {peer.Version ?? "absent"}");

        AnsiConsole.WriteLine();
    }

    internal static void Write(ResultTable result)
    {
        TableText text = new(result, withMedians: false);
        Table table = new() { Title = new TableTitle(Markup.Escape(result.Title)), Border = TableBorder.Rounded };
        foreach (string header in text.Header)
            table.AddColumn(new TableColumn(Markup.Escape(header)) { Alignment = table.Columns.Count == 0 ? Justify.Left : Justify.Right });

        foreach (List<string> row in text.Rows)
            table.AddRow([.. row.Select(Styled)]);

        if (text.Means.Count > 0)
            table.AddEmptyRow();

        foreach (List<string> row in text.Means)
            table.AddRow([.. row.Select(cell => new Markup(Markup.Escape(cell), new Style(decoration: Decoration.Bold)))]);

        AnsiConsole.Write(table);
        AnsiConsole.WriteLine();
    }

    private static Markup Styled(string cell) =>
        new(Markup.Escape(cell), cell.EndsWith(" lost", StringComparison.Ordinal) ? new Style(Color.Red) : Style.Plain);
}
