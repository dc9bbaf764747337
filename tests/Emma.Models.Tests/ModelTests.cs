namespace Emma.Models.Tests;

/// <summary>What holds for every model. A class for each, so that they are explored side by side.</summary>
public abstract class ModelTests(string name)
{
    // Macros of a longer exploration, as `MAX_DEATHS=2 ROUNDS=2`; the README of the models says which there are.
    private const string Variable = "EMMA_MODELS";

    private readonly Model _model = new Model(name);

    internal string Name => name;

    private static string[] Longer =>
        (Environment.GetEnvironmentVariable(Variable) ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);

    [LongFact]
    public void Each_seeded_bug_is_found()
    {
        Assert.NotEmpty(_model.Bugs);
        Assert.All(_model.Bugs, bug =>
        {
            Exploration exploration = Exploration.OfBug(_model, bug);
            Assert.True(exploration.Errors != 0, $"{name}: no order of events shows {bug}\n{exploration.Report}");
        });
    }

    // Every step is reached, and no order of events breaks a claim.
    private protected void Explore()
    {
        Exploration exploration = Exploration.Of(_model, Longer);

        Assert.True(exploration.Errors == 0, $"{name}: an order of events breaks a claim\n{exploration.Report}");
        Assert.True(exploration.IsComplete, $"{name}: not all orders of events were explored\n{exploration.Report}");
        if (Longer.Length == 0)
            Assert.True(exploration.Unreached.Length == 0,
                $"{name}: no order of events leads to\n{string.Join('\n', exploration.Unreached)}");
        TestContext.Current.SendDiagnosticMessage($"{name}: {exploration.States} states");
    }
}

/// <summary>A model that is explored in a few seconds.</summary>
public abstract class SmallModelTests(string name) : ModelTests(name)
{
    [Fact]
    public void Every_step_is_reached_and_no_order_of_events_breaks_a_claim() => Explore();
}

/// <summary>A model of some millions of states.</summary>
public abstract class LargeModelTests(string name) : ModelTests(name)
{
    [LongFact]
    public void Every_step_is_reached_and_no_order_of_events_breaks_a_claim() => Explore();
}

public sealed class CacheReclaimModelTests() : SmallModelTests("cache-reclaim");

public sealed class DepotOrderModelTests() : LargeModelTests("depot-order");

public sealed class DepotStackModelTests() : SmallModelTests("depot-stack");

public sealed class DestroyModelTests() : SmallModelTests("destroy");

public sealed class HandoverOrderModelTests() : LargeModelTests("handover-order");

public sealed class LitmusOrderModelTests() : SmallModelTests("litmus-order");

public sealed class LockModelTests() : SmallModelTests("lock");

public sealed class LockOrderModelTests() : SmallModelTests("lock-order");

public sealed class MagazineHandoverModelTests() : SmallModelTests("magazine-handover");

public sealed class StartModelTests() : SmallModelTests("start");

public sealed class ModelFilesTests
{
    [Fact]
    public void Every_model_has_a_class_of_tests()
    {
        IEnumerable<string> tested = typeof(ModelTests).Assembly.GetTypes()
            .Where(type => !type.IsAbstract && type.IsSubclassOf(typeof(ModelTests)))
            .Select(type => ((ModelTests)Activator.CreateInstance(type)!).Name);

        Assert.Equal(Model.Names, tested.Order());
    }
}
