using Emma.CodeFixes;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests;

/// <summary>What an editor offers at a diagnostic, and that the project compiles without it afterwards.</summary>
public class CodeFixTests
{
    private const string Heap = """[assembly: Emma.EmmaAllocator("Audio.Mixer")]""";

    [Fact]
    public async Task Calls_that_bypass_the_alias_are_qualified_with_the_heap_all_at_once()
    {
        using CodeFixing fixing = new(
            new TestProject(
                "global using NativeMemory = Audio.Mixer;\n" + Heap,
                """
                using Real = System.Runtime.InteropServices.NativeMemory;
                using static System.Runtime.InteropServices.NativeMemory;
                static unsafe class C
                {
                    static void* M(void* p)
                    {
                        /* first */ Real.Free(p); // kept
                        Free(System.Runtime.InteropServices.NativeMemory.Realloc(p, 8));
                        delegate*<void*, void> f = &Real.Free;
                        return AlignedAlloc(8, 16);
                    }
                }
                """),
            generates: true);

        await fixing.FixAllAsync(new HeapCallFix(), "EMMA1001");

        string text = await fixing.TextAsync(1);
        Assert.Contains("/* first */ Audio.Mixer.Free(p); // kept", text, StringComparison.Ordinal);
        Assert.Contains("Audio.Mixer.Free(Audio.Mixer.Realloc(p, 8));", text, StringComparison.Ordinal);
        Assert.Contains("= &Audio.Mixer.Free;", text, StringComparison.Ordinal);
        Assert.Contains("return Audio.Mixer.AlignedAlloc(8, 16);", text, StringComparison.Ordinal);
        Assert.Empty(await fixing.DiagnosticsAsync());
        await fixing.AssertCompilesAsync();
    }

    [Fact]
    public async Task Calls_of_NativeMemory_go_to_the_heap_all_at_once()
    {
        using CodeFixing fixing = new(
            Stubbed(
                """
                using System.Runtime.InteropServices;
                static unsafe class C { static void M() => NativeMemory.Free(NativeMemory.Alloc(8)); }
                """,
                """
                namespace Player.Audio
                {
                    using System.Runtime.InteropServices;
                    static unsafe class D { static void M(void* p) { NativeMemory.Clear(p, 8); NativeMemory.Free(p); } }
                }
                """),
            generates: false);

        await fixing.FixAllAsync(new HeapCallFix(), "EMMA1009");

        Assert.Contains("=> Audio.Mixer.Free(Audio.Mixer.Alloc(8));", await fixing.TextAsync(0), StringComparison.Ordinal);
        // There, Audio is another namespace
        Assert.Contains(
            "NativeMemory.Clear(p, 8); global::Audio.Mixer.Free(p);", await fixing.TextAsync(1), StringComparison.Ordinal);
        Assert.Empty(await fixing.DiagnosticsAsync());
        await fixing.AssertCompilesAsync();
    }

    [Fact]
    public async Task Of_several_heaps_each_is_offered()
    {
        using CodeFixing fixing = new(
            Stubbed(
                "static unsafe class C { static void M(void* p) => System.Runtime.InteropServices.NativeMemory.Free(p); }"),
            generates: false);

        CodeAction[] offers = await fixing.OffersAsync(new HeapCallFix(), (await fixing.DiagnosticsAsync()).Single());

        Assert.Equal(["Use 'Audio.Mixer'", "Use 'Video.Frames'"], offers.Select(offer => offer.Title));
    }

    [Fact]
    public async Task Blocks_of_Marshal_go_to_the_heap_with_their_frees_and_the_others_one_by_one_with_a_comment()
    {
        using CodeFixing fixing = new(
            Stubbed(
                """
                using System.Runtime.InteropServices;

                sealed class Buffer
                {
                    private nint _block = Marshal.AllocHGlobal(64);

                    public void Grow(int size)
                    {
                        _block = Marshal.ReAllocHGlobal(_block, (nint)size);
                    }

                    public void Drop(nint other)
                    {
                        Marshal.FreeHGlobal(_block);
                        Marshal.FreeHGlobal(other);
                    }
                }
                """),
            generates: false);

        await fixing.FixAllAsync(new HeapCallFix(), "EMMA1010");

        string text = await fixing.TextAsync(0);
        Assert.Contains("_block = Audio.Mixer.AllocHGlobal(64);", text, StringComparison.Ordinal);
        Assert.Contains("_block = Audio.Mixer.ReAllocHGlobal(_block, (nint)size);", text, StringComparison.Ordinal);
        Assert.Contains("Audio.Mixer.FreeHGlobal(_block);", text, StringComparison.Ordinal);

        Diagnostic left = (await fixing.DiagnosticsAsync()).Single();
        Assert.Empty(await fixing.OffersAsync(new HeapCallFix(), left));
        Assert.Null(new UnpairedCallFix().GetFixAllProvider());
        await fixing.ApplyAsync((await fixing.OffersAsync(new UnpairedCallFix(), left))[0]);
        Assert.Contains(
            """
                    // Every allocation and every free of this block has to be one of Audio.Mixer.
                    Audio.Mixer.FreeHGlobal(other);
            """,
            (await fixing.TextAsync(0)).ReplaceLineEndings("\n"),
            StringComparison.Ordinal);
        Assert.Empty(await fixing.DiagnosticsAsync());
        await fixing.AssertCompilesAsync();
    }

    [Fact]
    public async Task Unsafe_code_is_allowed_where_the_editor_can_do_so()
    {
        TestProject project = new(Heap, StubHeaps.Marker)
        {
            Options = new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: false),
        };
        using CodeFixing fixing = new(project, generates: false);
        Diagnostic error = (await fixing.DiagnosticsAsync()).Single();

        await fixing.ApplyAsync((await fixing.OffersAsync(new UnsafeCodeFix(), error)).Single());

        Assert.Equal("EMMA0001", error.Id);
        Assert.True(((CSharpCompilationOptions)fixing.Project.CompilationOptions!).AllowUnsafe);
        Assert.Empty(await fixing.DiagnosticsAsync());
        await fixing.AssertCompilesAsync();
    }

    [Theory]
    [InlineData("""[assembly: Emma.EmmaAllocator("A.Heap"), Emma.EmmaAllocator("A.heap")]""", "EMMA0003", "A.heap2")]
    [InlineData("""[assembly: Emma.EmmaAllocator("A"), Emma.EmmaAllocator("A2"), Emma.EmmaAllocator("A")]""", "EMMA0003", "A3")]
    [InlineData("""[assembly: Emma.EmmaAllocator("A")] namespace A { class B { } }""", "EMMA0004", "A.Heap")]
    [InlineData("""[assembly: Emma.EmmaAllocator("A")] namespace A { class Heap { } }""", "EMMA0004", "AHeap")]
    [InlineData("""[assembly: Emma.EmmaAllocator("A"), Emma.EmmaAllocator("A.Heap")]""", "EMMA0004", "AHeap")]
    [InlineData("""[assembly: Emma.EmmaAllocator("A.Frames")] namespace A { class Frames { } }""", "EMMA0004", "A.FramesHeap")]
    [InlineData("""[assembly: Emma.EmmaAllocator("Frames.Cache")] class Frames { }""", "EMMA0004", "FramesCacheHeap")]
    public async Task A_name_that_is_taken_is_exchanged_for_one_that_is_free(string source, string id, string name)
    {
        using CodeFixing fixing = new(new TestProject(source, StubHeaps.Marker), generates: false);
        Diagnostic error = (await fixing.DiagnosticsAsync()).Single();
        Assert.Equal(id, error.Id);

        CodeAction offer = (await fixing.OffersAsync(new HeapNameFix(), error)).Single();
        await fixing.ApplyAsync(offer);

        Assert.Equal($"Name the heap '{name}'", offer.Title);
        Assert.Contains($"\"{name}\"", await fixing.TextAsync(0), StringComparison.Ordinal);
        Assert.Empty(await fixing.DiagnosticsAsync());
        await fixing.AssertCompilesAsync();
    }

    private static TestProject Stubbed(params string[] sources) =>
        new([.. sources, StubHeaps.Source, StubHeaps.Marker, StubHeaps.Requests]);

    /// <summary>An editor finds them by this attribute.</summary>
    [Fact]
    public void Each_fix_is_exported_for_CSharp() =>
        Assert.All(
            typeof(HeapCallFix).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(CodeFixProvider))),
            type => Assert.Equal(
                [LanguageNames.CSharp],
                type.GetCustomAttributes(false).OfType<ExportCodeFixProviderAttribute>().Single().Languages));
}
