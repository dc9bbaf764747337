using Basic.Reference.Assemblies;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests;

/// <summary>Emitted heaps, compiled and run in load contexts of their own.</summary>
public class RunningTests
{
    public static TheoryData<LanguageVersion> Languages => [.. TestProject.Languages];

    [Theory]
    [MemberData(nameof(Languages))]
    public void A_heap_compiles_cleanly_and_works_in_every_language_version_for_net8(LanguageVersion language) =>
        AssertWorks(HeapWith("") with { Language = language });

    [Theory]
    [MemberData(nameof(Languages))]
    public void A_heap_compiles_cleanly_and_works_in_every_language_version_for_net10(LanguageVersion language) =>
        AssertWorks(HeapWith("") with { Language = language, References = [.. Net100.References.All] });

    [Fact]
    public void The_languages_of_the_two_test_projects_are_CSharp_12_to_14_together()
    {
        string[] languages = [.. TestProject.Languages.Select(language => language.ToDisplayString())];
        Assert.Equal(typeof(CSharpCompilation).Assembly.GetName().Version!.Major >= 5 ? ["12.0", "13.0", "14.0"] : ["12.0", "13.0"], languages);
    }

    [Theory]
    [InlineData(OptimizationLevel.Debug)]
    [InlineData(OptimizationLevel.Release)]
    public void Checked_arithmetic_does_not_break_a_heap(OptimizationLevel optimization) =>
        AssertWorks(With(HeapWith(""), options => options.WithOverflowChecks(true).WithOptimizationLevel(optimization)));

    [Fact]
    public void A_heap_with_every_option_works() =>
        AssertWorks(HeapWith(", BoundaryChecks = true, MemoryLimit = 1L << 32, Public = true, ThreadCache = false"));

    [Fact]
    public void A_heap_with_boundary_checks_works_under_checked_arithmetic() =>
        AssertWorks(With(HeapWith(", BoundaryChecks = true"), options => options.WithOverflowChecks(true)));

    [Fact]
    public void A_memory_limit_holds()
    {
        const string Source =
            """
            [assembly: Emma.EmmaAllocator("Audio.Mixer", MemoryLimit = 16 << 20)]
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
        using PluginAssembly assembly = new(new TestProject(Source).Generate().Emit());

        Assert.Equal(true, assembly.Call("Limited", "Run"));
    }

    [Fact]
    public void Two_heaps_in_one_assembly_are_two_complete_and_independent_copies()
    {
        const string Source =
            """
            [assembly: Emma.EmmaAllocator("Audio.Mixer")]
            [assembly: Emma.EmmaAllocator("Audio.Decoder", BoundaryChecks = true)]
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
