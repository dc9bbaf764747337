namespace Emma.Mutations.Tests;

/// <summary>What holds for the bugs of every model. A class for each, so that they are tried side by side.</summary>
public abstract class MutationTests(string model)
{
    [LongFact]
    public void Each_mutation_fails_its_test_which_passes_without_it() => Trial.Of(Mutations.Of(model));
}

public sealed class CacheReclaimMutationTests() : MutationTests("cache-reclaim.pml");

public sealed class DepotStackMutationTests() : MutationTests("depot-stack.pml");

public sealed class DestroyMutationTests() : MutationTests("destroy.pml");

public sealed class LockMutationTests() : MutationTests("lock.pml");

public sealed class MagazineHandoverMutationTests() : MutationTests("magazine-handover.pml");

public sealed class StartMutationTests() : MutationTests("start.pml");

public sealed class OtherMutationTests() : MutationTests(Mutations.NoModel);
