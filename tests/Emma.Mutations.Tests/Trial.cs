namespace Emma.Mutations.Tests;

/// <summary>Has tests find mutations.</summary>
internal static class Trial
{
    /// <summary>Demands that the tests of some mutations pass, and that with each mutation its test fails.</summary>
    internal static void Of(IReadOnlyCollection<Mutation> mutations)
    {
        using TestRun run = new TestRun();
        string[] tests = [.. mutations.Select(mutation => mutation.Test).Distinct()];
        Mutant.CompileUnchanged(run.Assembly);
        TestRun.Outcome original = run.Run(tests);
        Assert.True(original.Passed && original.Tests >= tests.Length, $"without a mutation:\n{original.Output}");

        Assert.All(mutations, mutation =>
        {
            Mutant.Compile(mutation.Edits, run.Assembly);
            TestRun.Outcome mutated = run.Run([mutation.Test]);
            Assert.False(mutated.Passed || mutated.Tests == 0, $"{mutation} is not found:\n{mutated.Output}");
            TestContext.Current.SendDiagnosticMessage($"{mutation}\n{mutated.Output}");
        });
    }
}
