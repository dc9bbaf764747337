using Basic.Reference.Assemblies;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests;

public class NameDiagnosticTests
{
    [Theory]
    [InlineData("null")]
    [InlineData("\"\"")]
    [InlineData("\" \"")]
    [InlineData("\".\"")]
    [InlineData("\"Audio.\"")]
    [InlineData("\".Audio\"")]
    [InlineData("\"Audio..Mixer\"")]
    [InlineData("\"1st\"")]
    [InlineData("\"My Mixer\"")]
    [InlineData("\"My-Mixer\"")]
    [InlineData("\"Mixer<T>\"")]
    [InlineData("\"Audio/Mixer\"")]
    [InlineData("\"@Mixer\"")]
    [InlineData("\"My\\u200DHeap\"")]
    [InlineData("\"\\uD800\"")]
    [InlineData("\"class\"")]
    [InlineData("\"namespace.Mixer\"")]
    [InlineData("\"Audio.record\"")]
    [InlineData("\"partial.Mixer\"")]
    [InlineData("\"var\"")]
    [InlineData("\"dynamic\"")]
    [InlineData("\"nuint\"")]
    [InlineData("\"field\"")]
    [InlineData("\"extension\"")]
    [InlineData("\"_\"")]
    [InlineData("\"System\"")]
    [InlineData("\"System.Memory.Mixer\"")]
    [InlineData("\"HeapInternals\"")]
    [InlineData("\"Audio.KernelAccess\"")]
    [InlineData("\"Audio.LocalHeap\"")]
    [InlineData("\"Audio.HeapArena\"")]
    [InlineData("\"Rent\"")]
    [InlineData("\"Audio.Free\"")]
    [InlineData("\"Audio.ClrInterlocked\"")]
    public async Task A_text_that_cannot_name_a_class_is_refused(string name) =>
        await DiagnosticAssert.MatchesAsync(new TestProject($$"""[assembly: Emma.EmmaAllocator({|EMMA0002:{{name}}|})]"""), emitted: []);

    [Fact]
    public async Task A_name_longer_than_metadata_can_hold_with_what_lies_within_is_refused()
    {
        string name = new('x', 401);
        await DiagnosticAssert.MatchesAsync(new TestProject($$"""[assembly: Emma.EmmaAllocator({|EMMA0002:"{{name}}"|})]"""), emitted: []);
    }

    [Fact]
    public async Task A_refused_name_refuses_no_other_that_differs_in_case() =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject("""[assembly: Emma.EmmaAllocator({|EMMA0002:"Free"|}), Emma.EmmaAllocator("free")]"""),
            emitted: ["free"]);

    [Theory]
    [InlineData("Microsoft.Win32")]
    [InlineData("Microsoft.Win32.SafeHandles")]
    public async Task A_namespace_of_a_reference_is_refused(string name) =>
        await DiagnosticAssert.MatchesAsync(new TestProject($$"""[assembly: Emma.EmmaAllocator({|EMMA0004:"{{name}}"|})]"""), emitted: []);

    /// <summary>A compiler that finds an error in a declaration does not come to run analyzers: the alias must not be one.</summary>
    [Theory]
    [InlineData("Free", "Free")]
    [InlineData("Audio.Free", "Audio.Free")]
    [InlineData("Audio.LocalHeap", "Audio.LocalHeap")]
    [InlineData("KernelAccess", "KernelAccess")]
    [InlineData("Audio.HeapArena", "Audio.HeapArena")]
    [InlineData("HeapPooledMemory", "HeapPooledMemory")]
    [InlineData("Audio.HeapInternals", "Audio.HeapInternals")]
    [InlineData("Audio.ClrInterlocked", "Audio.ClrInterlocked")]
    [InlineData("class", "@class")]
    [InlineData("__arglist", "@__arglist")]
    [InlineData("Audio.record", "Audio.@record")]
    [InlineData("Audio.field", "Audio.field")]
    [InlineData("namespace.Mixer", "@namespace.Mixer")]
    [InlineData("System.Heap", "System.Heap")]
    [InlineData("System.SR", "System.SR")]
    [InlineData("System.Memory.Mixer", "System.Memory.Mixer")]
    public async Task A_refused_name_can_be_used_in_a_declaration_so_that_the_compiler_comes_to_report_the_error(
        string name, string written)
    {
        GeneratorOutput output = await DiagnosticAssert.MatchesAsync(
            new TestProject(
                $$"""
                global using NativeMemory = {{written}};
                [assembly: Emma.EmmaAllocator({|EMMA0002:"{{name}}"|})]
                """,
                """
                public class User
                {
                    public string Text = System.String.Empty;
                    public System.Memory<byte> Bytes = new byte[1];
                    public nint M(dynamic d) { var n = (nint)d; return n; }
                }
                """),
            emitted: []);

        AssertNoErrors(output);
    }

    [Fact]
    public async Task A_name_that_differs_in_case_only_can_be_used_in_a_declaration()
    {
        GeneratorOutput output = await DiagnosticAssert.MatchesAsync(
            new TestProject(
                """
                using First = Audio.Mixer;
                using Second = audio.Mixer;
                using Third = Audio.MIXER;
                [assembly: Emma.EmmaAllocator("Audio.Mixer")]
                [assembly: Emma.EmmaAllocator({|EMMA0003:"audio.Mixer"|})]
                [assembly: Emma.EmmaAllocator({|EMMA0003:"Audio.MIXER"|})]
                class User { First.KernelAccess a; Second.KernelAccess b; Third.KernelAccess c; }
                """),
            emitted: ["Audio.Mixer"]);

        AssertNoErrors(output);
    }

    [Theory]
    [InlineData("Audio", "Audio.Free")]
    [InlineData("Audio.Mixer", "Audio.Mixer.Deep.Free")]
    [InlineData("Free", "Free.class")]
    [InlineData("Free", "Free.Mixer")]
    [InlineData("Free", "Free")]
    [InlineData("Free", "free")]
    [InlineData("System.Heap", "System.heap", "system.Heap", "System.HEAP")]
    [InlineData("Audio.ClrInterlocked", "Audio.Mixer")]
    [InlineData("ClrInterlocked", "Mixer")]
    [InlineData("System.String")]
    [InlineData("System.String.Heap")]
    [InlineData("System")]
    [InlineData("System.IO")]
    [InlineData("var")]
    [InlineData("dynamic")]
    [InlineData("nint.nuint")]
    [InlineData("_")]
    [InlineData("Taken.Free")]
    [InlineData("Taken.Inner.class")]
    public void What_stands_in_for_a_refused_heap_is_no_further_error(params string[] names)
    {
        const string User =
            """
            using System;
            class Taken
            {
                string s = String.Empty;
                object M(object o) { _ = o; var v = (dynamic)o; nint n = v; return n + (nint)(nuint)3; }
            }
            """;
        string heaps = string.Concat(names.Select(name => $"[assembly: Emma.EmmaAllocator(\"{name}\")]\n"));

        GeneratorOutput output = new TestProject(User, heaps).Generate();

        AssertNoErrors(output);
    }

    [Fact]
    public async Task An_error_cannot_be_switched_off() =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject(
                """
                #pragma warning disable
                [assembly: Emma.EmmaAllocator("MyHeap"), Emma.EmmaAllocator({|EMMA0003:"MyHeap"|})]
                """),
            emitted: ["MyHeap"]);

    [Theory]
    [InlineData("MyHeap")]
    [InlineData("A.B.C.D.Mixer")]
    [InlineData("Systems.Mixer")]
    [InlineData("Audio.System")]
    [InlineData("Größe.Überlauf")]
    [InlineData("heap")]
    [InlineData("_heap")]
    [InlineData("Class")]
    [InlineData("Audio.Memory")]
    [InlineData("NativeMemory")]
    [InlineData("Allocator")]
    [InlineData("Native")]
    [InlineData("Emma.Mixer")]
    [InlineData("Mixer.Mixer")]
    [InlineData("Segments.ClrHeap")]
    public async Task A_text_that_can_name_a_class_is_accepted(string name) =>
        await DiagnosticAssert.MatchesAsync(new TestProject($"""[assembly: Emma.EmmaAllocator("{name}")]"""), emitted: [name]);

    [Theory]
    [InlineData("File", "System.IO.File")]
    [InlineData("Buffer", "System.Buffer")]
    [InlineData("Memory", "System.Memory<T>")]
    [InlineData("Task", "System.Threading.Tasks.Task")]
    public async Task A_heap_in_the_global_namespace_with_the_name_of_a_type_that_projects_import_is_pointed_out(string name, string type)
    {
        GeneratorOutput output = await DiagnosticAssert.MatchesAsync(
            new TestProject($$"""[assembly: Emma.EmmaAllocator({|EMMA0011:"{{name}}"|})]"""),
            emitted: [name]);

        Diagnostic information = Assert.Single(await output.AnalyzeAsync());
        Assert.Equal(DiagnosticSeverity.Info, information.Severity);
        Assert.Contains($"'{type}'", information.GetMessage(null), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_heap_in_a_namespace_or_with_the_name_of_a_type_of_the_projects_own_is_not_pointed_out() =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject(
                """
                [assembly: Emma.EmmaAllocator("Audio.File"), Emma.EmmaAllocator("Mixer")]
                namespace System { public class Mixer { } }
                """),
            emitted: ["Audio.File", "Mixer"]);

    [Fact]
    public async Task A_name_may_be_any_constant_even_one_made_of_the_class_that_does_not_exist_yet() =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject(
                """
                [assembly: Emma.EmmaAllocator(nameof(MyHeap))]
                [assembly: Emma.EmmaAllocator(Names.Second, BoundaryChecks = true)]
                [assembly: Emma.EmmaAllocator(BoundaryChecks = true, name: {|EMMA0002:"A" + "."|})]
                static class Names
                {
                    public const string Second = "Audio." + nameof(Second);
                }
                """),
            emitted: ["MyHeap", "Audio.Second"]);

    [Theory]
    [InlineData("[assembly: Emma.EmmaAllocator]")]
    [InlineData("[assembly: Emma.EmmaAllocator()]")]
    [InlineData("[assembly: Emma.EmmaAllocator(3)]")]
    [InlineData("[assembly: Emma.EmmaAllocator(typeof(int))]")]
    [InlineData("[assembly: Emma.EmmaAllocator(new[] { \"A\" })]")]
    [InlineData("[assembly: Emma.EmmaAllocator(\"A\", \"B\")]")]
    [InlineData("[assembly: Emma.EmmaAllocator(Missing)]")]
    [InlineData("[assembly: Emma.EmmaAllocator(BoundaryChecks = true)]")]
    [InlineData("[assembly: Emma.EmmaAllocator(")]
    [InlineData("[Emma.EmmaAllocator(\"A\")] class C { }")]
    [InlineData("[module: Emma.EmmaAllocator(\"A\")]")]
    public void What_the_compiler_refuses_itself_never_makes_the_generator_throw(string source)
    {
        GeneratorOutput output = new TestProject(source).Generate();

        Assert.Empty(output.HeapHintNames);
        Assert.Contains(output.Compilation.GetDiagnostics(), diagnostic => diagnostic.Severity == DiagnosticSeverity.Error);
    }

    [Theory]
    [InlineData("MemoryLimit = \"much\"")]
    [InlineData("MemoryLimit = Missing")]
    [InlineData("Unknown = 3")]
    public void An_option_that_the_compiler_refuses_never_makes_the_generator_throw(string option)
    {
        GeneratorOutput output = new TestProject($"""[assembly: Emma.EmmaAllocator("A", {option})]""").Generate();

        Assert.Contains(output.Compilation.GetDiagnostics(), diagnostic => diagnostic.Severity == DiagnosticSeverity.Error);
    }

    [Fact]
    public async Task Of_two_heaps_of_one_name_the_first_in_source_order_is_kept() =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject(
                """
                [assembly: Emma.EmmaAllocator("A.Mixer", MemoryLimit = 1L << 30)]
                [assembly: Emma.EmmaAllocator({|EMMA0003:"A.Mixer"|}, MemoryLimit = 2L << 30), Emma.EmmaAllocator("B.Mixer")]
                """,
                """
                [assembly: Emma.EmmaAllocator({|EMMA0003:"A.Mixer"|}, MemoryLimit = 3L << 30)]
                [assembly: Emma.EmmaAllocator({|EMMA0003:"B.Mixer"|}, MemoryLimit = 4L << 30)]
                """),
            emitted: ["A.Mixer", "B.Mixer"]);

    [Fact]
    public async Task Names_that_differ_in_case_only_are_refused_because_their_files_would_collide() =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject(
                """
                [assembly: Emma.EmmaAllocator("Audio.Mixer")]
                [assembly: Emma.EmmaAllocator({|EMMA0003:"audio.Mixer"|})]
                [assembly: Emma.EmmaAllocator({|EMMA0003:"Audio.MIXER"|})]
                """),
            emitted: ["Audio.Mixer"]);

    [Fact]
    public async Task A_heap_named_like_the_namespace_of_another_is_refused() =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject(
                """
                [assembly: Emma.EmmaAllocator({|EMMA0004:"A.B"|})]
                [assembly: Emma.EmmaAllocator("A.B.C")]
                [assembly: Emma.EmmaAllocator({|EMMA0004:"A"|})]
                [assembly: Emma.EmmaAllocator("A.Bc")]
                """),
            emitted: ["A.B.C", "A.Bc"]);

    [Theory]
    [InlineData("namespace Audio.Mixer { }")]
    [InlineData("namespace Audio.Mixer.Inner { class C { } }")]
    [InlineData("namespace Audio { class Mixer { } }")]
    [InlineData("namespace Audio { static class Mixer { } }")]
    [InlineData("namespace Audio { partial class Mixer { } }")]
    [InlineData("namespace Audio { partial struct Mixer { } }")]
    [InlineData("namespace Audio { partial record Mixer; }")]
    [InlineData("namespace Audio { partial interface Mixer { } }")]
    [InlineData("namespace Audio { enum Mixer { } }")]
    [InlineData("namespace Audio { delegate void Mixer(); }")]
    [InlineData("class Audio { static partial class Mixer { } }")]
    [InlineData("class Audio { }")]
    public async Task A_name_that_the_project_gives_to_something_else_is_refused(string declaration) =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject("""[assembly: Emma.EmmaAllocator({|EMMA0004:"Audio.Mixer"|})]""", declaration),
            emitted: []);

    [Theory]
    [InlineData("namespace Audio { static partial class Mixer { internal static int Count => 1; } }")]
    [InlineData("namespace Audio { public static partial class Mixer { } static partial class Mixer { } }")]
    [InlineData("namespace Audio { static partial class Mixer { } partial class Mixer { } }")]
    [InlineData("namespace Audio { class Mixer<T> { } }")]
    [InlineData("namespace Audio { class mixer { } }")]
    [InlineData("namespace Audio { file class Mixer { } }")]
    [InlineData("namespace Audio.Inner { class Mixer { } }")]
    [InlineData("class Audio<T> { class Mixer { } }")]
    [InlineData("namespace Other { class Audio { class Mixer { } } }")]
    public async Task What_can_stand_beside_the_heap_or_be_a_part_of_it_is_welcome(string declaration)
    {
        GeneratorOutput output = await DiagnosticAssert.MatchesAsync(
            new TestProject("""[assembly: Emma.EmmaAllocator("Audio.Mixer")]""", declaration),
            emitted: ["Audio.Mixer"]);

        Assert.DoesNotContain(output.Compilation.GetDiagnostics(), diagnostic => diagnostic.Severity == DiagnosticSeverity.Error);
    }

    [Fact]
    public async Task The_names_that_the_generator_itself_declares_are_taken() =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject(
                """
                [assembly: Emma.EmmaAllocator({|EMMA0004:"Emma"|})]
                [assembly: Emma.EmmaAllocator({|EMMA0004:"Emma.EmmaAllocatorAttribute"|})]
                [assembly: Emma.EmmaAllocator({|EMMA0004:"Microsoft"|})]
                """),
            emitted: []);

    [Fact]
    public async Task A_negative_memory_limit_is_refused_at_its_own_argument() =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject(
                """
                [assembly: Emma.EmmaAllocator("A", MemoryLimit = {|EMMA0005:-1|})]
                [assembly: Emma.EmmaAllocator("B", BoundaryChecks = true, MemoryLimit = {|EMMA0005:long.MinValue|}, Public = true)]
                [assembly: Emma.EmmaAllocator("C", MemoryLimit = long.MaxValue)]
                [assembly: Emma.EmmaAllocator("D", MemoryLimit = 0)]
                """),
            emitted: ["C", "D"]);

    [Fact]
    public async Task An_option_that_a_hardened_heap_overrules_is_pointed_out() =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject(
                """
                [assembly: Emma.EmmaAllocator("A", Hardened = true, ThreadCache = {|EMMA0010:true|})]
                [assembly: Emma.EmmaAllocator("B", ThreadCache = {|EMMA0010:false|}, Hardened = true)]
                [assembly: Emma.EmmaAllocator("C", Hardened = true, BoundaryChecks = {|EMMA0010:false|}, ThreadCache = {|EMMA0010:true|})]
                [assembly: Emma.EmmaAllocator("D", Hardened = true, BoundaryChecks = true)]
                [assembly: Emma.EmmaAllocator("E", Hardened = true)]
                [assembly: Emma.EmmaAllocator("F", Hardened = false, BoundaryChecks = false, ThreadCache = true)]
                """),
            emitted: ["A", "B", "C", "D", "E", "F"]);

    [Fact]
    public async Task A_refused_heap_does_not_keep_the_others_from_being_emitted() =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject(
                """
                [assembly: Emma.EmmaAllocator({|EMMA0002:"class"|}, MemoryLimit = {|EMMA0005:-5|})]
                [assembly: Emma.EmmaAllocator("Good")]
                [assembly: Emma.EmmaAllocator(3)]
                """,
                """
                [assembly: Emma.EmmaAllocator("AlsoGood")]
                """)
            {
                References = [.. Net100.References.All],
            },
            emitted: ["Good", "AlsoGood"]);

    private static void AssertNoErrors(GeneratorOutput output) =>
        Assert.DoesNotContain(output.Compilation.GetDiagnostics(), diagnostic => diagnostic.Severity == DiagnosticSeverity.Error);
}
