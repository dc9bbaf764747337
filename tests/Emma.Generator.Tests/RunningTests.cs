using Basic.Reference.Assemblies;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests;

/// <summary>Emitted heaps, compiled and run in load contexts of their own.</summary>
public class RunningTests
{
    /// <summary>The four forms of a heap: with and without thread caches, and each of them with and without boundary checks.</summary>
    public static TheoryData<string> Forms =>
        ["", ", BoundaryChecks = true", ", ThreadCache = false", ", ThreadCache = false, BoundaryChecks = true"];

    public static MatrixTheoryData<LanguageVersion, string> LanguagesAndForms => new(TestProject.Languages, Forms.Select(form => form.Data));

    [Theory]
    [MemberData(nameof(LanguagesAndForms))]
    public void A_heap_compiles_cleanly_and_works_in_every_language_version_for_net8(LanguageVersion language, string form) =>
        AssertWorks(HeapWith(form) with { Language = language });

    [Theory]
    [MemberData(nameof(LanguagesAndForms))]
    public void A_heap_compiles_cleanly_and_works_in_every_language_version_for_net10(LanguageVersion language, string form) =>
        AssertWorks(HeapWith(form) with { Language = language, References = [.. Net100.References.All] });

    [Theory]
    [MemberData(nameof(Forms))]
    public void Threads_keep_free_blocks_for_themselves_only_in_the_form_with_thread_caches(string form)
    {
        string source =
            $$"""
            [assembly: Emma.EmmaAllocator("Audio.Mixer"{{form}})]
            static unsafe class Caches
            {
                public static object Run()
                {
                    Audio.Mixer.Free(Audio.Mixer.Alloc(100));
                    var statistics = Audio.Mixer.GetStatistics();
                    Audio.Mixer.Destroy();
                    return $"{statistics.ThreadCaches} {statistics.CachedBytes != 0}";
                }
            }
            """;
        using PluginAssembly assembly = new(new TestProject(source).Generate().Emit());

        Assert.Equal(form.Contains("ThreadCache = false", StringComparison.Ordinal) ? "0 False" : "1 True", assembly.Call("Caches", "Run"));
    }

    [Fact]
    public void The_languages_of_the_two_test_projects_are_CSharp_12_to_14_together()
    {
        string[] languages = [.. TestProject.Languages.Select(language => language.ToDisplayString())];
        Assert.Equal(typeof(CSharpCompilation).Assembly.GetName().Version!.Major >= 5 ? ["12.0", "13.0", "14.0"] : ["12.0", "13.0"], languages);
    }

    public static MatrixTheoryData<OptimizationLevel, string> OptimizationsAndForms =>
        new([OptimizationLevel.Debug, OptimizationLevel.Release], Forms.Select(form => form.Data));

    [Theory]
    [MemberData(nameof(OptimizationsAndForms))]
    public void Checked_arithmetic_does_not_break_a_heap(OptimizationLevel optimization, string form) =>
        AssertWorks(With(HeapWith(form), options => options.WithOverflowChecks(true).WithOptimizationLevel(optimization)));

    [Fact]
    public void A_heap_with_every_option_works() =>
        AssertWorks(HeapWith(", BoundaryChecks = true, MemoryLimit = 1L << 32, Public = true, ThreadCache = false"));

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_memory_limit_holds(string form)
    {
        string source =
            $$"""
            [assembly: Emma.EmmaAllocator("Audio.Mixer", MemoryLimit = 16 << 20{{form}})]
            static unsafe class Limited
            {
                public static object Run()
                {
                    void* block = Audio.Mixer.Alloc(1000);
                    bool isRefused = Audio.Mixer.TryAlloc(32 << 20) == null;
                    Audio.Mixer.Free(block);
                    Audio.Mixer.Destroy();
                    return isRefused;
                }
            }
            """;
        using PluginAssembly assembly = new(new TestProject(source).Generate().Emit());

        Assert.Equal(true, assembly.Call("Limited", "Run"));
    }

    [Fact]
    public void Two_heaps_in_one_assembly_are_two_complete_and_independent_copies()
    {
        const string Source =
            """
            [assembly: Emma.EmmaAllocator("Audio.Mixer")]
            [assembly: Emma.EmmaAllocator("Audio.Decoder", ThreadCache = false, BoundaryChecks = true)]
            static unsafe class Two
            {
                public static object Run()
                {
                    void* first = Audio.Mixer.Alloc(100);
                    void* second = Audio.Decoder.Alloc(100);
                    if (Audio.Mixer.Owns(second) || Audio.Decoder.Owns(first) || !Audio.Mixer.Owns(first) || !Audio.Decoder.Owns(second))
                        return "one heap owns the other's block";
                    try
                    {
                        Audio.Decoder.Free(first);
                        return "one heap freed the other's block";
                    }
                    catch (System.ArgumentException exception)
                    {
                        if (!exception.Message.Contains("Audio.Decoder"))
                            return exception.Message;
                    }

                    Audio.Mixer.Destroy();
                    System.Runtime.InteropServices.NativeMemory.Fill(second, 100, 1);
                    Audio.Decoder.Free(second);
                    Audio.Decoder.Destroy();
                    return "ok";
                }
            }
            """;
        using PluginAssembly assembly = new(new TestProject(Source).Generate().Emit());

        Assert.Equal("ok", assembly.Call("Two", "Run"));
    }

    [Fact]
    public void The_users_part_may_make_the_heap_public_and_add_members()
    {
        const string Source =
            """
            [assembly: Emma.EmmaAllocator("Audio.Mixer")]
            namespace Audio
            {
                public static partial class Mixer
                {
                    /// <summary>Uses what is private.</summary>
                    public static unsafe string Run()
                    {
                        Free(Alloc(10));
                        Destroy();
                        return HeapName;
                    }
                }
            }
            """;
        using PluginAssembly assembly = new(new TestProject(Source).Generate().Emit());

        Assert.Equal("Audio.Mixer", assembly.Call("Audio.Mixer", "Run"));
    }

    [Fact]
    public void A_heap_whose_name_is_all_in_lower_case_gives_no_warning() =>
        new TestProject("""[assembly: Emma.EmmaAllocator("audio.mixer")]""").Generate().AssertCompilesCleanly();

    [Fact]
    public void A_heap_takes_the_place_of_NativeMemory_by_one_alias() =>
        new TestProject(
            """
            global using NativeMemory = MyHeap;
            [assembly: Emma.EmmaAllocator(nameof(MyHeap))]
            static unsafe class User
            {
                static void M()
                {
                    void* a = NativeMemory.Alloc(8);
                    a = NativeMemory.Realloc(a, 16);
                    NativeMemory.Clear(a, 16);
                    NativeMemory.Free(a);
                    void* b = NativeMemory.AlignedAlloc(8, 64);
                    b = NativeMemory.AlignedRealloc(b, 16, 64);
                    NativeMemory.Copy(b, b, 0);
                    NativeMemory.Fill(b, 16, 1);
                    NativeMemory.AlignedFree(b);
                    NativeMemory.Free(NativeMemory.Alloc(2, 8));
                    NativeMemory.Free(NativeMemory.AllocZeroed(8));
                    NativeMemory.Free(NativeMemory.AllocZeroed(2, 8));
                }
            }
            """).Generate().AssertCompilesCleanly();

    private static TestProject HeapWith(string options) =>
        new($"""[assembly: Emma.EmmaAllocator("Audio.Mixer"{options})]""", Workload.For("Audio.Mixer"));

    private static TestProject With(TestProject project, Func<CSharpCompilationOptions, CSharpCompilationOptions> change) =>
        project with { Options = change(project.Options) };

    private static void AssertWorks(TestProject project)
    {
        using PluginAssembly assembly = new(project.Generate().Emit());
        Assert.Equal("ok", assembly.Call("Workload", "Run"));
    }
}
