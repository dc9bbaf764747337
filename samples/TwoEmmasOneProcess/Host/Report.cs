using Spectre.Console;

namespace TwoEmmasOneProcess.Host;

// What the host prints. A claim is printed by checking it, so the exit code can only be 0 if all of them hold.
internal sealed class Report
{
    private bool _allHold = true;

    public int ExitCode => _allHold ? 0 : 1;

    public void Title(string text) => AnsiConsole.Write(new Rule(Markup.Escape(text)).LeftJustified());

    public void Check(string claim, bool holds)
    {
        _allHold &= holds;
        AnsiConsole.MarkupLine($"  {(holds ? "[green]✓[/]" : "[red]✗ NOT TRUE:[/]")} {Markup.Escape(claim)}");
    }

    public void Explain(string? failure)
    {
        if (failure is not null)
            AnsiConsole.MarkupLine($"    [red]{Markup.Escape(failure)}[/]");
    }

    // What a reader may take away, if all claims hold.
    public void Conclude(string text) =>
        AnsiConsole.MarkupLine(_allHold ? $"[bold]{Markup.Escape(text)}[/]" : "[red]Not all of it is true here.[/]");

    // A table with a column for each plugin.
    public void Compare(params (LoadedPlugin Plugin, HeapFootprint Footprint)[] columns)
    {
        Table table = new Table().Border(TableBorder.Rounded).AddColumn(new TableColumn("").NoWrap());
        foreach ((LoadedPlugin plugin, _) in columns)
            table.AddColumn(new TableColumn(plugin.Name).NoWrap());

        void AddRow(string title, Func<LoadedPlugin, HeapFootprint, string> cell) =>
            table.AddRow([title, .. columns.Select(column => Markup.Escape(cell(column.Plugin, column.Footprint)))]);

        AddRow("work", (plugin, _) => plugin.Work);
        AddRow("rounds done", (plugin, _) => $"{plugin.Rounds}");
        AddRow("checksum", (plugin, _) => $"{plugin.ExpectedChecksum:x16}");
        AddRow("heap", (_, heap) => $"{heap.View.ClassName} of {heap.View.AssemblyName}");
        AddRow("kernel access", (_, heap) => heap.View.Kernel);
        AddRow("mapped", (_, heap) => Size(heap.View.Mapped));
        AddRow("in use", (_, heap) => Size(heap.View.InUse));
        AddRow("resident", (_, heap) => Size(heap.Resident));
        AddRow("segments", (_, heap) => $"{heap.View.Segments}");
        AddRow("large blocks", (_, heap) => $"{heap.View.LargeBlocks}");
        AddRow(
            "addresses",
            (_, heap) => string.Join('\n', heap.Mappings.Select(mapping => $"{mapping.Range.Start:x}–{mapping.Range.End:x}")));
        AnsiConsole.Write(table);
    }

    public static string Size(long bytes) =>
        bytes == 0 ? "0" : bytes >= 1 << 20 ? $"{bytes / (double)(1 << 20):0.0} MiB" : $"{bytes / 1024.0:0.0} KiB";
}
