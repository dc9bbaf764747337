using Emma.Generator.Model;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;

namespace Emma.Generator.Tests;

/// <summary>Each test is named after the edit that it makes between two runs of one driver.</summary>
public class IncrementalityTests
{
    private const string Mixer = """[assembly: Emma.EmmaAllocator("Audio.Mixer", MemoryLimit = 1 << 20)]""";
    private const string Frames = """[assembly: Emma.EmmaAllocator("Video.Frames")]""";
    private const string Code = "class C { void M() { } }";

    [Fact]
    public void Nothing() =>
        AssertUntouched([Mixer, Frames, Code], [Mixer, Frames, Code], "Audio.Mixer", "Video.Frames");

    [Fact]
    public void Typing_in_a_method_body() =>
        AssertUntouched([Mixer, Frames, Code], [Mixer, Frames, "class C { void M() { int i = 3; } }"], "Audio.Mixer", "Video.Frames");

    [Fact]
    public void Adding_an_unrelated_type() =>
        AssertUntouched([Mixer, Frames, Code], [Mixer, Frames, Code + " class Mixer { }"], "Audio.Mixer", "Video.Frames");

    [Fact]
    public void Adding_an_unrelated_file() =>
        AssertUntouched([Mixer, Frames, Code], [Mixer, Frames, Code, "class D { }"], "Audio.Mixer", "Video.Frames");

    [Fact]
    public void Adding_a_comment_and_an_unrelated_attribute_in_the_heaps_own_file() =>
        AssertUntouched(
            [Mixer, Frames, Code],
            ["// moved\n[assembly: System.CLSCompliant(false)]\n" + Mixer, Frames, Code],
            "Audio.Mixer",
            "Video.Frames");

    [Fact]
    public void Adding_a_member_to_the_users_part_of_the_heap() =>
        AssertUntouched(
            [Mixer, "namespace Audio { static partial class Mixer { } }"],
            [Mixer, "namespace Audio { static partial class Mixer { internal static int Count => 1; } }"],
            "Audio.Mixer");

    [Fact]
    public void Renaming_another_heap() =>
        AssertUntouched([Mixer, Frames], [Mixer, """[assembly: Emma.EmmaAllocator("Video.Pictures")]"""], "Audio.Mixer");

    [Fact]
    public void Renaming_another_heap_that_stands_before_in_the_same_file() =>
        AssertUntouched(
            [Frames + Mixer],
            ["""[assembly: Emma.EmmaAllocator("Zoo.Frames")]""" + Mixer],
            "Audio.Mixer");

    [Theory]
    [InlineData("Video.")]
    [InlineData("")]
    [InlineData("class")]
    [InlineData("Audio.Mixer.Frames.Free")]
    [InlineData("audio.mixer.x")]
    public void Making_the_name_of_a_heap_that_stands_before_in_the_same_file_a_bad_one(string name)
    {
        string bad = $"""[assembly: Emma.EmmaAllocator("{name}")]""";
        AssertUntouched([Frames + Mixer], [bad + Mixer], "Audio.Mixer");
        AssertUntouched([bad + Mixer], [Frames + Mixer], "Audio.Mixer");
    }

    [Fact]
    public void Declaring_a_type_of_the_name_of_a_heap_that_stands_before_in_the_same_file() =>
        AssertUntouched([Frames + Mixer, Code], [Frames + Mixer, "namespace Video { class Frames { } }"], "Audio.Mixer");

    [Fact]
    public void Changing_an_option_of_another_heap() =>
        AssertUntouched(
            [Frames, Mixer], ["""[assembly: Emma.EmmaAllocator("Video.Frames", BoundaryChecks = true)]""", Mixer], "Audio.Mixer");

    [Theory]
    [InlineData("ThreadCache = true", "ThreadCache = false")]
    [InlineData("ThreadCache = false", "ThreadCache = true")]
    public void Changing_ThreadCache_of_another_heap(string before, string after)
    {
        string former = Frames.Replace(")]", $", {before})]", StringComparison.Ordinal);
        string latter = Frames.Replace(")]", $", {after})]", StringComparison.Ordinal);
        AssertUntouched([former, Mixer], [latter, Mixer], "Audio.Mixer");
        AssertUntouched([former + Mixer], [latter + Mixer], "Audio.Mixer");
    }

    [Fact]
    public void Writing_out_the_default_of_ThreadCache() =>
        AssertUntouched([Frames], [Frames.Replace(")]", ", ThreadCache = true)]", StringComparison.Ordinal)], "Video.Frames");

    [Fact]
    public void Changing_an_option_of_another_heap_in_the_same_file() =>
        AssertUntouched([Frames + Mixer], ["""[assembly: Emma.EmmaAllocator("Video.Frames", Public = true)]""" + Mixer], "Audio.Mixer");

    [Fact]
    public void Adding_a_duplicate_of_a_heap() =>
        AssertUntouched(
            [Mixer, Frames],
            [Mixer, Frames, """[assembly: Emma.EmmaAllocator("Audio.Mixer", Public = true)]"""],
            "Audio.Mixer",
            "Video.Frames");

    [Fact]
    public void Adding_and_removing_another_heap_in_a_file_of_its_own()
    {
        AssertUntouched([Mixer], [Mixer, Frames], "Audio.Mixer");
        AssertUntouched([Mixer, Frames], [Mixer], "Audio.Mixer");
    }

    [Fact]
    public void Declaring_a_type_of_a_heaps_name_takes_that_heap_away_and_leaves_the_other_alone()
    {
        GeneratorRunResult result = Edit([Mixer, Frames, Code], [Mixer, Frames, "namespace Video { class Frames { } }"]);

        AssertUntouched(result, "Audio.Mixer");
        Assert.DoesNotContain(result.GeneratedSources, source => source.HintName.StartsWith("Video.Frames/", StringComparison.Ordinal));
    }

    [Fact]
    public void Changing_an_option_of_the_heap_itself_writes_it_anew()
    {
        GeneratorRunResult result = Edit([Mixer], ["""[assembly: Emma.EmmaAllocator("Audio.Mixer", MemoryLimit = 2 << 20)]"""]);

        Assert.Equal(IncrementalStepRunReason.Modified, Assert.Single(HeapSteps(result, "Audio.Mixer")));
        Assert.Contains(
            "DeclaredLimit = 2097152;",
            result.GeneratedSources.Single(source => source.HintName == "Audio.Mixer/Options.g.cs").SourceText.ToString(),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Changing_ThreadCache_of_the_heap_itself_exchanges_the_files_of_one_form_for_those_of_the_other()
    {
        GeneratorRunResult result = Edit(
            [Frames, Mixer], [Frames.Replace(")]", ", ThreadCache = false)]", StringComparison.Ordinal), Mixer]);

        Assert.Equal(IncrementalStepRunReason.Modified, Assert.Single(HeapSteps(result, "Video.Frames")));
        Assert.Equal(
            Repository.TemplatesOf(threadCache: false).Keys.Append("Options.cs")
                .Select(path => $"Video.Frames/{Path.ChangeExtension(path, ".g.cs")}")
                .Order(StringComparer.Ordinal),
            result.GeneratedSources.Select(source => source.HintName)
                .Where(name => name.StartsWith("Video.Frames/", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Going_from_debug_to_release_writes_the_heaps_anew()
    {
        TestProject project = new(Mixer, Frames.Replace(")]", ", BoundaryChecks = false)]", StringComparison.Ordinal));
        CSharpCompilation compilation = project.Compile();
        GeneratorDriver driver = project.NewDriver().RunGenerators(compilation);

        GeneratorRunResult result = driver
            .RunGenerators(compilation.WithOptions(project.Options.WithOptimizationLevel(OptimizationLevel.Release)))
            .GetRunResult().Results.Single();

        Assert.All(
            ["Audio.Mixer", "Video.Frames"],
            heap => Assert.Equal(IncrementalStepRunReason.Modified, Assert.Single(HeapSteps(result, heap))));
    }

    [Fact]
    public void Every_step_has_a_name_of_ours()
    {
        GeneratorRunResult result = Edit([Mixer], [Mixer]);

        Assert.Contains(TrackingNames.Files, result.TrackedSteps.Keys);
        Assert.Contains(TrackingNames.Heaps, result.TrackedSteps.Keys);
    }

    [Fact]
    public void A_model_holds_nothing_that_keeps_a_compilation_alive() =>
        Assert.All(
            typeof(Heap).GetProperties(),
            property => Assert.True(
                property.PropertyType == typeof(string)
                    || property.PropertyType.IsPrimitive
                    || property.PropertyType.IsEnum
                    || property.PropertyType == typeof(Type),
                $"{property.Name} is a {property.PropertyType}."));

    private static void AssertUntouched(string[] before, string[] after, params string[] heaps)
    {
        GeneratorRunResult result = Edit(before, after);
        foreach (string heap in heaps)
            AssertUntouched(result, heap);
    }

    private static void AssertUntouched(GeneratorRunResult result, string heap)
    {
        Assert.All(HeapSteps(result, heap), reason => Assert.True(
            reason is IncrementalStepRunReason.Cached or IncrementalStepRunReason.Unchanged,
            $"A step of {heap} is {reason}."));
        Assert.All(OutputSteps(result, heap), reason => Assert.Equal(IncrementalStepRunReason.Cached, reason));
        Assert.Contains(result.GeneratedSources, source => source.HintName == $"{heap}/Options.g.cs");
    }

    /// <summary>Runs a driver on one project and then on another one that keeps the files that are the same.</summary>
    private static GeneratorRunResult Edit(string[] before, string[] after)
    {
        TestProject project = new(before);
        CSharpCompilation compilation = project.Compile();
        GeneratorDriver driver = project.NewDriver().RunGenerators(compilation);

        SyntaxTree[] trees = [.. compilation.SyntaxTrees];
        for (int i = 0; i < Math.Max(before.Length, after.Length); i++)
        {
            if (i >= after.Length)
                compilation = compilation.RemoveSyntaxTrees(trees[i]);
            else if (i >= before.Length)
                compilation = compilation.AddSyntaxTrees(CSharpSyntaxTree.ParseText(after[i], project.ParseOptions, $"Source{i}.cs"));
            else if (before[i] != after[i])
                compilation = compilation.ReplaceSyntaxTree(trees[i], trees[i].WithChangedText(SourceText.From(after[i])));
        }

        return driver.RunGenerators(compilation.Clone()).GetRunResult().Results.Single();
    }

    /// <summary>What became of a heap in each of our steps whose values belong to one heap.</summary>
    private static IncrementalStepRunReason[] HeapSteps(GeneratorRunResult result, string heap)
    {
        IncrementalStepRunReason[] reasons =
        [
            .. result.TrackedSteps[TrackingNames.Heaps]
                .SelectMany(step => step.Outputs)
                .Where(output => ((Heap)output.Value).FullName == heap && output.Reason != IncrementalStepRunReason.Removed)
                .Select(output => output.Reason),
        ];
        Assert.NotEmpty(reasons);
        return reasons;
    }

    /// <summary>What became of the text of a heap.</summary>
    private static IncrementalStepRunReason[] OutputSteps(GeneratorRunResult result, string heap)
    {
        IncrementalStepRunReason[] reasons =
        [
            .. result.TrackedOutputSteps.Values
                .SelectMany(steps => steps)
                .Where(step => step.Inputs.Any(
                    input => input.Source.Outputs[input.OutputIndex].Value is Heap value && value.FullName == heap))
                .SelectMany(step => step.Outputs)
                .Where(output => output.Reason != IncrementalStepRunReason.Removed)
                .Select(output => output.Reason),
        ];
        Assert.NotEmpty(reasons);
        return reasons;
    }
}
