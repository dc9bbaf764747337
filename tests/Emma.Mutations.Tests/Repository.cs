using System.Reflection;
using System.Text.RegularExpressions;

namespace Emma.Mutations.Tests;

// What these tests read of the repository.
internal static partial class Repository
{
    private const string OfMemoryOrder = "-order.pml";

    internal static string Root { get; } = Metadata("Repository");

    internal static string Models { get; } = Path.Combine(Root, "models");

    // The folder of the test project whose tests are to find the mutations.
    internal static string TestedProject { get; } = Metadata("TestedProject");

    internal static string TestedBinaries { get; } = Path.Combine(TestedProject, "bin", Metadata("TestedBuild"));

    // What the compiler was given for it, an argument a line.
    internal static string CompilerArguments { get; } = Path
        .Combine(TestedProject, "obj", Metadata("TestedBuild"), "compiler-arguments.txt");

    private static string TemplatesFolder { get; } = Path.Combine(Root, "src", "Emma.Templates") + Path.DirectorySeparatorChar;

    internal static bool IsTemplate(string file) => file.StartsWith(TemplatesFolder, StringComparison.Ordinal);

    // Every bug that a macro seeds in a model, as `lock.pml NO_BARRIER`, but for the barriers that are missing in models of arm64's
    // memory: on x64, where the mutations run, the code behaves the same without.
    internal static IEnumerable<string> SeededBugs =>
        Directory.EnumerateFiles(Models, "*.pml").Where(file => !file.EndsWith(OfMemoryOrder, StringComparison.Ordinal))
            .SelectMany(file => BugNames().Matches(File.ReadAllText(file))
                .Select(match => $"{Path.GetFileName(file)} {match.Groups[1].Value}")).Distinct();

    private static string Metadata(string key) =>
        typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == key).Value!;

    [GeneratedRegex(@"\bBUG_([A-Z_]+)\b")]
    private static partial Regex BugNames();
}
