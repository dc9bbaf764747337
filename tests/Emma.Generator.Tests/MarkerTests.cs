using System.Reflection;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests;

public class MarkerTests
{
    [Fact]
    public void A_project_in_CSharp_7_3_for_net_standard_compiles_the_marker_without_a_warning() =>
        new TestProject("class C { }")
        {
            Language = LanguageVersion.CSharp7_3,
            Options = new(OutputKind.DynamicallyLinkedLibrary, warningLevel: 9999),
            References = TestProject.NetStandard,
        }.Generate().AssertCompilesCleanly();

    [Fact]
    public void The_marker_has_exactly_the_promised_options_and_defaults()
    {
        const string Source =
            """
            [assembly: Emma.EmmaAllocator("A.Mixer")]
            static class Entry
            {
                public static object Marker() => new Emma.EmmaAllocatorAttribute("A.Mixer");
            }
            """;
        using PluginAssembly assembly = new(new TestProject(Source).Generate().Emit());

        object marker = assembly.Call("Entry", "Marker")!;
        string[] options =
        [
            .. marker.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
                .Where(property => property.SetMethod?.IsPublic == true)
                .Select(property => $"{property.PropertyType.Name} {property.Name} = {property.GetValue(marker)}")
                .Order(StringComparer.Ordinal),
        ];
        Assert.Equal(
            [
                "Boolean BoundaryChecks = False", "Boolean Hardened = False", "Boolean Public = False", "Boolean ThreadCache = True",
                "Int64 MemoryLimit = 0",
            ],
            options);
    }

    /// <summary>Otherwise its lines count as the user's that no test covers.</summary>
    [Fact]
    public void The_marker_is_generated_code_that_no_coverage_counts()
    {
        ISymbol marker = new TestProject("").Generate().Compilation.GetTypeByMetadataName("Emma.EmmaAllocatorAttribute")!;

        string[] attributes = [.. marker.GetAttributes().Select(attribute => attribute.ToString()!)];
        Assert.Contains("System.Diagnostics.CodeAnalysis.ExcludeFromCodeCoverageAttribute", attributes);
        Assert.Contains(
            $"System.CodeDom.Compiler.GeneratedCodeAttribute(\"Emma.Generator\", \"{typeof(EmmaGenerator).Assembly.GetName().Version}\")",
            attributes);
    }

    [Fact]
    public void A_friend_assembly_does_not_see_the_marker()
    {
        GeneratorOutput library =
            new TestProject("""[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("Friend")]""").Generate();
        TestProject project = new("class C : Emma.EmmaAllocatorAttribute { C() : base(null) { } }") { AssemblyName = "Friend" };
        CSharpCompilation friend = project.Compile().AddReferences(MetadataReference.CreateFromImage(library.Emit()));

        Assert.Contains(friend.GetDiagnostics(), diagnostic => diagnostic.Id == "CS0234");
    }
}
