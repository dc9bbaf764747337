using System.Reflection;
using System.Runtime.Loader;
using System.Text.RegularExpressions;
using Emma.Consumers.Harness;

namespace Emma.Consumers;

/// <summary>The reference is made by the commands that its page names, and has every member of a heap.</summary>
public sealed partial class ReferenceTests
{
    [LongFact]
    public async Task Commands_of_the_page_make_a_reference_with_every_public_member()
    {
        string page = await File.ReadAllTextAsync(
            Path.Combine(Workspace.RepositoryRoot, "docs", "reference", "README.md"), TestContext.Current.CancellationToken);
        string[] commands = Commands().Match(page).Groups[1].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, commands.Length);
        foreach (string command in commands)
        {
            Assert.StartsWith("dotnet ", command);
            Finished run = await CommandLine.RunAsync(Workspace.RepositoryRoot, "dotnet", command.Split(' ')[1..]);
            Assert.DoesNotContain("warning Invalid", run.MustSucceed().Output);
        }

        string made = Path.Combine(Workspace.RepositoryRoot, "artifacts", "reference");
        string heap = await File.ReadAllTextAsync(
            Path.Combine(made, "site", "api", "Reference.MyHeap.html"), TestContext.Current.CancellationToken);
        AssemblyLoadContext context = new("reference", isCollectible: true);
        const BindingFlags declared = BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly;
        MemberInfo[] members = context.LoadFromAssemblyPath(Path.Combine(made, "heap", "Heap.dll")).GetType("Reference.MyHeap")!
            .GetMembers(declared);
        Assert.Contains(members, member => member.Name == "GeneratorVersion");
        Assert.All(members.OfType<Type>(), type =>
            Assert.True(File.Exists(Path.Combine(made, "site", "api", $"Reference.MyHeap.{type.Name.Replace('`', '-')}.html")), type.Name));
        Assert.All(
            members.Where(member => member is not (Type or MethodInfo { IsSpecialName: true })),
            member => Assert.Contains($"id=\"Reference_MyHeap_{member.Name}", heap));
        context.Unload();
    }

    [GeneratedRegex("```sh\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Commands();
}
