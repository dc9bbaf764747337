using System.Collections.Immutable;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Tests.Harness;

internal static class DiagnosticAssert
{
    /// <summary>
    /// Fails unless exactly the marked diagnostics are reported where they are marked, and exactly the given heaps are emitted.
    /// </summary>
    public static async Task<GeneratorOutput> MatchesAsync(TestProject marked, string[] emitted)
    {
        Markup[] markups = [.. marked.Sources.Select(Markup.Parse)];
        TestProject project = marked with { Sources = [.. markups.Select(markup => markup.Source)] };

        GeneratorOutput output = project.Generate();
        ImmutableArray<Diagnostic> diagnostics = await output.AnalyzeAsync();

        Assert.Equal(
            markups.SelectMany((markup, i) => markup.Expected.Select(mark => (Path: $"Source{i}.cs", mark.Id, mark.Start, mark.End))),
            diagnostics.Select(diagnostic =>
            {
                Location location = diagnostic.Location;
                return (location.SourceTree!.FilePath, diagnostic.Id, location.SourceSpan.Start, location.SourceSpan.End);
            }));
        Assert.Equal(
            emitted.Select(heap => $"{heap}/Options.g.cs"),
            output.HeapHintNames.Where(name => name.EndsWith("/Options.g.cs", StringComparison.Ordinal)));
        Assert.DoesNotContain(emitted, heap => output.HintNames.Contains($"{heap}/Refused.g.cs"));
        return output;
    }
}
