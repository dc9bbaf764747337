using Emma.Consumers.Harness;

namespace Emma.Consumers;

/// <summary>Assemblies that see each other's internals (<c>InternalsVisibleTo</c>) and heaps of one name.</summary>
public sealed class FriendTests(Workspace workspace)
{
    [Fact]
    public async Task Friends_may_choose_the_same_heap_name_with_warnings_as_errors()
    {
        await workspace.BuiltCleanAsync("FriendTwo");

        // The compiler did warn of the two types, and the package's suppressor answered.
        string log = await File.ReadAllTextAsync(
            Path.Combine(workspace.Folder, "FriendTwo", "compiler.sarif"), TestContext.Current.CancellationToken);
        Assert.Contains("CS0436", log);
        Assert.Contains("DiagnosticSuppressor", log);
    }

    [Fact]
    public async Task Friend_with_a_heap_of_the_same_name_uses_its_own()
    {
        string assembly = await workspace.BuiltCleanAsync("FriendTwo");

        (await workspace.DotnetAsync(assembly)).MustSucceed();
    }

    [Fact]
    public async Task Friend_without_a_heap_sees_the_one_it_tests()
    {
        string assembly = await workspace.BuiltCleanAsync("FriendTests");

        (await workspace.DotnetAsync(assembly)).MustSucceed();
    }
}
