namespace Emma.Mutations.Tests;

/// <summary>What holds for the bugs of every model. A class for each, so that they are run side by side.</summary>
public abstract class MutationTests(string model) : IDisposable
{
    private readonly TestRun _run = new TestRun();

    public void Dispose()
    {
        _run.Dispose();
        GC.SuppressFinalize(this);
    }

    [LongFact]
    public void Each_mutation_fails_its_test_which_passes_without_it()
    {
        Mutation[] chosen = [.. Mutations.All.Where(mutation => mutation.Model == model)];
        string[] tests = [.. chosen.Select(mutation => mutation.Test).Distinct()];
        Mutant.Compile([], _run.Assembly);
        TestRun.Outcome original = _run.Run(tests);
        Assert.True(original.Passed && original.Tests >= tests.Length, $"without a mutation:\n{original.Output}");

        Assert.All(chosen, mutation =>
        {
            Mutant.Compile(mutation.Edits, _run.Assembly);
            TestRun.Outcome mutated = _run.Run([mutation.Test]);
            Assert.False(mutated.Passed || mutated.Tests == 0, $"{mutation} passes:\n{mutated.Output}");
            TestContext.Current.SendDiagnosticMessage($"{mutation}\n{mutated.Output}");
        });
    }
}

public sealed class CacheReclaimMutationTests() : MutationTests("cache-reclaim.pml");

public sealed class DepotStackMutationTests() : MutationTests("depot-stack.pml");

public sealed class DestroyMutationTests() : MutationTests("destroy.pml");

public sealed class LockMutationTests() : MutationTests("lock.pml");

public sealed class MagazineHandoverMutationTests() : MutationTests("magazine-handover.pml");

public sealed class StartMutationTests() : MutationTests("start.pml");

public sealed class OtherMutationTests() : MutationTests(Mutations.NoModel);
