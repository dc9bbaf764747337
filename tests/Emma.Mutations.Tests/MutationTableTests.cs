namespace Emma.Mutations.Tests;

/// <summary>That the mutations, the models and what is written of them agree.</summary>
public sealed class MutationTableTests
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
        string[] rows = [.. Mutations.All
            .Select(mutation => $"| `{mutation.Model}` | `{mutation.Bug}` | `{mutation.Test.Replace(".", "` | `", StringComparison.Ordinal)}` |").Distinct()];
        string[] written = [.. File.ReadLines(Path.Combine(Repository.Models, "README.md"))
            .Where(line => line.Count(c => c == '|') == 5 && line.StartsWith("| `", StringComparison.Ordinal))];
        Assert.Equal(rows, written);
    }
}
