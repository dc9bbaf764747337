using System.Text.RegularExpressions;

namespace Emma.Models.Tests;

// A model of a protocol, in Promela, and the bugs that can be seeded in it.
internal sealed partial class Model(string name)
{
    private const string Extension = ".pml";

    internal static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "Models");

    internal static IEnumerable<string> Names =>
        Directory.EnumerateFiles(Folder, "*" + Extension).Select(file => Path.GetFileNameWithoutExtension(file)).Order();

    // What models include.
    internal static IEnumerable<string> Included => Directory.EnumerateFiles(Folder, "*.h");

    internal string File => Path.Combine(Folder, name + Extension);

    // The macros that seed a bug each: every word of the model that begins so.
    internal IReadOnlyList<string> Bugs =>
        [.. BugNames().Matches(System.IO.File.ReadAllText(File)).Select(match => match.Value).Distinct().Order()];

    [GeneratedRegex(@"\bBUG_[A-Z_]+\b")]
    private static partial Regex BugNames();
}
