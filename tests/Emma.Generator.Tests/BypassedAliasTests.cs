using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Tests;

/// <summary>Where a heap stands for NativeMemory, each call that reaches the base library's class is warned of, and nothing else.</summary>
public class BypassedAliasTests
{
    private const string Heap = """[assembly: Emma.EmmaAllocator("Audio.Mixer")]""";
    private const string GlobalAlias = "global using NativeMemory = Audio.Mixer;\n" + Heap;

    [Fact]
    public async Task A_file_with_the_import_inside_its_namespace() =>
        await MatchesAsync(
            GlobalAlias,
            """
            namespace Player
            {
                using System.Runtime.InteropServices;
                static unsafe class C
                {
                    static void M()
                    {
                        void* a = {|EMMA1001:NativeMemory.Alloc|}(8);
                        a = {|EMMA1001:NativeMemory.Realloc|}(a, 16);
                        {|EMMA1001:NativeMemory.Free|}(a);
                        a = {|EMMA1001:NativeMemory.AllocZeroed|}(8, 2);
                        void* b = {|EMMA1001:NativeMemory.AlignedAlloc|}(8, 64);
                        b = {|EMMA1001:NativeMemory.AlignedRealloc|}(b, 16, 64);
                        {|EMMA1001:NativeMemory.AlignedFree|}(b);
                    }
                }
            }
            """);

    [Fact]
    public async Task A_file_with_a_file_scoped_namespace_and_the_import_below_it() =>
        await MatchesAsync(
            GlobalAlias,
            """
            namespace Player;
            using System.Runtime.InteropServices;
            static unsafe class C { static void M(void* p) => {|EMMA1001:NativeMemory.Free|}(p); }
            """);

    [Theory]
    [InlineData("System.Runtime.InteropServices")]
    [InlineData("System.Runtime.InteropServices.Extensions")]
    public async Task Code_in_the_base_librarys_namespace_or_below_it(string name) =>
        await MatchesAsync(
            GlobalAlias,
            $$"""namespace {{name}} { static unsafe class C { static void M(void* p) => {|EMMA1001:NativeMemory.Free|}(p); } }""");

    [Fact]
    public async Task A_qualified_call_another_alias_and_an_import_of_the_members() =>
        await MatchesAsync(
            GlobalAlias,
            """
            using System.Runtime;
            using Real = System.Runtime.InteropServices.NativeMemory;
            using static System.Runtime.InteropServices.NativeMemory;
            static unsafe class C
            {
                static void M(void* p)
                {
                    {|EMMA1001:System.Runtime.InteropServices.NativeMemory.Free|}(p);
                    {|EMMA1001:global::System.Runtime.InteropServices.NativeMemory.Free|}(p);
                    {|EMMA1001:Real.Free|}(p);
                    {|EMMA1001:Free|}(p);
                }
            }
            """);

    [Fact]
    public async Task A_method_that_is_passed_on_instead_of_called() =>
        await MatchesAsync(
            GlobalAlias,
            """
            using Real = System.Runtime.InteropServices.NativeMemory;
            unsafe delegate void Freeing(void* p);
            static unsafe class C
            {
                static Freeing s_free = {|EMMA1001:Real.Free|};
                static delegate*<void*, void> M() => &{|EMMA1001:Real.Free|};
            }
            """);

    /// <summary>The blocks of one file are another one's, so the warning is not confined to the file with the alias.</summary>
    [Theory]
    [InlineData("using NativeMemory = Audio.Mixer; class Aliased { }")]
    [InlineData("namespace Audio { using NativeMemory = Mixer; class Aliased { } }")]
    [InlineData("using Audio; namespace Player { using NativeMemory = Mixer; class Aliased { } }")]
    [InlineData("using NativeMemory = global::Audio.Mixer; class Aliased { }")]
    public async Task A_file_without_the_alias_in_an_assembly_where_another_file_has_it(string aliased) =>
        await MatchesAsync(
            Heap,
            aliased,
            """
            using System.Runtime.InteropServices;
            static unsafe class C { static void M(void* p) => {|EMMA1001:NativeMemory.Free|}(p); }
            """);

    [Fact]
    public async Task A_heap_that_is_named_NativeMemory_itself() =>
        await MatchesAsync(
            """[assembly: Emma.EmmaAllocator("NativeMemory")]""",
            """
            namespace Player
            {
                using System.Runtime.InteropServices;
                static unsafe class C
                {
                    static void M(void* p) => {|EMMA1001:NativeMemory.Free|}(p);
                    static void N(void* p) => global::NativeMemory.Free(p);
                }
            }
            """);

    [Fact]
    public async Task The_message_says_what_to_write_with_the_heap_that_the_file_means()
    {
        GeneratorOutput output = await MatchesAsync(
            """
            global using NativeMemory = Audio.Mixer;
            [assembly: Emma.EmmaAllocator("Audio.Mixer"), Emma.EmmaAllocator("Video.Frames")]
            """,
            "static unsafe class C { static void M(void* p) => {|EMMA1001:System.Runtime.InteropServices.NativeMemory.Free|}(p); }",
            """
            namespace Video
            {
                using NativeMemory = Video.Frames;
                static unsafe class D { static void* M() => {|EMMA1001:System.Runtime.InteropServices.NativeMemory.Alloc|}(1); }
            }
            """);

        Diagnostic[] warnings = [.. await output.AnalyzeAsync()];
        Assert.All(warnings, warning => Assert.Equal(DiagnosticSeverity.Warning, warning.Severity));
        Assert.EndsWith("write 'Audio.Mixer.Free'", warnings[0].GetMessage(null), StringComparison.Ordinal);
        Assert.EndsWith("write 'Video.Frames.Alloc'", warnings[1].GetMessage(null), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Calls_of_the_heap_are_not_warned_of() =>
        await MatchesAsync(
            GlobalAlias,
            """
            using System.Runtime.InteropServices;
            namespace Player
            {
                static unsafe class C
                {
                    static void M()
                    {
                        NativeMemory.Free(NativeMemory.Alloc(8));
                        Audio.Mixer.Free(Audio.Mixer.Alloc(8));
                        Audio.Mixer.LocalHeap local = NativeMemory.Local;
                        local.Free(local.Alloc(8));
                        GCHandle.Alloc(new object()).Free();
                    }
                }
            }
            """);

    [Fact]
    public async Task What_neither_allocates_nor_frees_is_not_warned_of() =>
        await MatchesAsync(
            GlobalAlias,
            """
            using Real = System.Runtime.InteropServices.NativeMemory;
            /// <summary>As <see cref="System.Runtime.InteropServices.NativeMemory.Free"/>.</summary>
            static unsafe class C
            {
                const string Name = nameof(Real.Free) + nameof(Real.Alloc);
                static void M(void* p)
                {
                    Real.Clear(p, 8);
                    Real.Fill(p, 8, 1);
                    Real.Copy(p, p, 8);
                }
            }
            """);

    /// <summary>Such as what the marshalling generator writes for strings of native code.</summary>
    [Fact]
    public async Task Generated_code_is_not_warned_of() =>
        await MatchesAsync(
            GlobalAlias,
            """
            // <auto-generated/>
            static unsafe class C { static void M(void* p) => System.Runtime.InteropServices.NativeMemory.Free(p); }
            """);

    [Theory]
    [InlineData(Heap)]
    [InlineData("using Memory = Audio.Mixer;\n" + Heap)]
    [InlineData("global using NativeMemory = System.Runtime.InteropServices.NativeMemory;\n" + Heap)]
    [InlineData("class C1 { } namespace Player { using NativeMemory = C1; }")]
    [InlineData("global using NativeMemory = Missing;\n" + Heap)]
    [InlineData("""[assembly: Emma.EmmaAllocator("Audio.NativeMemory")]""")]
    public async Task An_assembly_whose_NativeMemory_is_no_heap_is_not_warned(string heaps) =>
        await MatchesAsync(
            heaps,
            """static unsafe class C { static void M(void* p) => System.Runtime.InteropServices.NativeMemory.Free(p); }""");

    private static async Task<GeneratorOutput> MatchesAsync(params string[] sources)
    {
        string[] emitted = [.. new[] { "Audio.Mixer", "Video.Frames", "NativeMemory", "Audio.NativeMemory" }
            .Where(name => sources[0].Contains($"\"{name}\"", StringComparison.Ordinal))];
        return await DiagnosticAssert.MatchesAsync(new TestProject(sources), emitted);
    }
}
