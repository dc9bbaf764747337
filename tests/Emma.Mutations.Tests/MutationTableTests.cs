using System.Text.RegularExpressions;

namespace Emma.Mutations.Tests;

/// <summary>That the mutations, the models and what is written of them agree.</summary>
public sealed partial class MutationTableTests
{
    public static TheoryData<string> Mutants => [.. Mutations.All.Select(mutation => mutation.ToString()).Distinct()];

    [Fact]
    public void Every_seeded_bug_of_the_models_has_a_mutation() =>
        Assert.Equal(
            Repository.SeededBugs.Order(),
            Mutations.All.Where(mutation => mutation.Model != Mutations.NoModel).Select(mutation => $"{mutation.Model} {mutation.Bug}")
                .Distinct().Order());

    [Theory]
    [MemberData(nameof(Mutants))]
    public void What_a_mutation_changes_is_found_once_in_the_templates(string mutant)
    {
        foreach (Mutation mutation in Mutations.All.Where(mutation => mutation.ToString() == mutant))
        {
            Dictionary<string, string> files = Mutant.Templates();
            foreach (Edit edit in mutation.Edits)
                edit.Apply(files);
        }
    }

    [Fact]
    public void The_table_beside_the_models_names_each_mutation_and_its_test()
    {
        IEnumerable<string> rows = Mutations.All
            .Select(mutation =>
                $"| `{mutation.Model}` | `{mutation.Bug}` | `{mutation.Test.Replace(".", "` | `", StringComparison.Ordinal)}` |");
        IEnumerable<string> written = Row().Matches(File.ReadAllText(Path.Combine(Repository.Models, "README.md")))
            .Select(row => row.Value);
        Assert.Equal(rows.Distinct(), written);
    }

    [GeneratedRegex(@"^\| `[a-z.-]+` \| `[A-Z_]+` \| `\w+` \| `\w+` \|$", RegexOptions.Multiline)]
    private static partial Regex Row();
}
