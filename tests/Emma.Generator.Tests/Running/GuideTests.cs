using System.Text.RegularExpressions;
using Basic.Reference.Assemblies;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests.Running;

/// <summary>The programs of the guide do what its pages say.</summary>
public partial class GuideTests
{
    // Stands for System.Console, whose output all tests of this process share.
    private const string Surroundings =
        """
        global using System;
        global using Emma;

        internal static class Console
        {
            internal static readonly System.Text.StringBuilder Text = new();

            internal static void WriteLine(object value) => Text.Append(value).Append('\n');
        }

        // Calls what the compiler makes of the page's statements, which is static (8) and not public (32).
        public static class Runner
        {
            public static string Run()
            {
                var main = typeof(Program).GetMethod("<Main>$", (System.Reflection.BindingFlags)(8 | 32))!;
                main.Invoke(null, new object?[] { null });
                return Console.Text.ToString();
            }
        }
        """;

    [Theory]
    [InlineData("migrate.md", "99\n0\n")]
    public void Program_of_a_page_prints_what_the_page_says(string page, string output)
    {
        string program = CodeBlock().Matches(File.ReadAllText(Repository.Path("docs", "guide", page)))
            .Select(match => match.Groups[1].Value)
            .First(code => code.Contains("Console.WriteLine", StringComparison.Ordinal));
        TestProject project = new(program, Surroundings)
        {
            References = [.. Net100.References.All],
            Documentation = DocumentationMode.None,
            Options = new CSharpCompilationOptions(
                OutputKind.ConsoleApplication, allowUnsafe: true, nullableContextOptions: NullableContextOptions.Enable),
        };

        using PluginAssembly assembly = new(project.Generate().Emit());

        Assert.Equal(output, assembly.Call("Runner", "Run"));
    }

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CodeBlock();
}
