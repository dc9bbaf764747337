using System.Globalization;

namespace Emma.Soak;

/// <summary>The program's arguments: a word or none, then switches and numbers behind their names.</summary>
public sealed class Arguments(string[] all)
{
    /// <summary>The run that is wanted; null: none, run the tests.</summary>
    public string? Run => all.Length == 0 ? null : s_runs.Contains(all[0]) ? all[0] : all.Contains(Soak) ? Soak : null;

    private const string Soak = "--soak";

    private static readonly string[] s_runs = ["unload", "signals", "stale"];

    public bool Has(string name) => all.Contains(name);

    public string Word(int index) => all[index];

    public double Number(string name, double otherwise)
    {
        int index = Array.IndexOf(all, name);
        return index < 0 ? otherwise : double.Parse(all[index + 1], CultureInfo.InvariantCulture);
    }
}
