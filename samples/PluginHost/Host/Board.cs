using Spectre.Console;

namespace PluginHost;

// What the host shows: a live table, and claims, which are printed by checking them, so that the exit code is 0 only if all hold.
internal sealed class Board
{
    private bool _allHold = true;

    public int ExitCode => _allHold ? 0 : 1;

    // Shows the plugins until something has happened, or has not after so long a time.
    public void ShowUntil(PluginFolder folder, Func<bool> happened)
    {
        const int refreshes = 600;
        const int milliseconds = 100;
        void Wait(Action refresh)
        {
            for (int i = 0; i < refreshes && !happened(); i++)
            {
                Thread.Sleep(milliseconds);
                refresh();
            }
        }

        if (AnsiConsole.Profile.Capabilities.Ansi)
        {
            AnsiConsole.Live(Draw(folder)).AutoClear(true).Start(live => Wait(() => live.UpdateTarget(Draw(folder))));
        }
        else
        {
            Wait(() => { });
        }

        AnsiConsole.Write(Draw(folder));
    }

    public void Check(string claim, bool holds)
    {
        _allHold &= holds;
        AnsiConsole.MarkupLine($"  {(holds ? "[green]✓[/]" : "[red]✗ NOT TRUE:[/]")} {Markup.Escape(claim)}");
    }

    public static string Size(long bytes) => $"{bytes / (double)(1 << 20):0.0} MiB";

    private static Table Draw(PluginFolder folder)
    {
        Table table = new Table().Border(TableBorder.Rounded);
        foreach (string column in (string[])["plugin", "state", "rounds", "in use", "mapped", "quota", "failed"])
            table.AddColumn(new TableColumn(column).NoWrap());
        foreach (HostedPlugin plugin in folder.Plugins)
        {
            table.AddRow(
                plugin.Name, plugin.State, $"{plugin.Rounds}", Size(plugin.InUse), Size(plugin.Mapped), Size(plugin.Quota),
                $"{plugin.Failed}");
        }

        return table;
    }
}
