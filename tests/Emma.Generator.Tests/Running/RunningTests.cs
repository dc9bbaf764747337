using Basic.Reference.Assemblies;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests;

/// <summary>Emitted heaps, compiled and run in load contexts of their own.</summary>
public class RunningTests
{
    /// <summary>The forms of a heap: with and without thread caches, each of them with and without boundary checks, and hardened.</summary>
    public static TheoryData<string> Forms =>
    [
        ", BoundaryChecks = false",
        ", BoundaryChecks = true",
        ", ThreadCache = false, BoundaryChecks = false",
        ", ThreadCache = false, BoundaryChecks = true",
        ", Hardened = true",
    ];

    /// <summary>One form, and the one with every option.</summary>
    public static TheoryData<string> SomeForms => new(Forms.Select(form => form.Data).Where((_, i) => Length.IsLong || i is 0 or 4));

    public static MatrixTheoryData<LanguageVersion, string> LanguagesAndForms =>
        new(TestProject.Languages, Forms.Select(form => form.Data));

    public static MatrixTheoryData<LanguageVersion, string> LanguagesAndSomeForms =>
        new(TestProject.Languages, SomeForms.Select(form => form.Data));

    [Theory]
    [MemberData(nameof(LanguagesAndSomeForms))]
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

    /// <summary>No constant: an assembly that uses another's public heap would keep what it was compiled with.</summary>
    [Fact]
    public void A_heap_says_which_generator_wrote_it_as_its_assembly_does()
    {
        const string source =
            """
            [assembly: Emma.EmmaAllocator("Audio.Mixer")]
            static class Versions
            {
                public static object Run()
                {
                    var metadata = System.Reflection.CustomAttributeExtensions
                        .GetCustomAttribute<System.Reflection.AssemblyMetadataAttribute>(typeof(Versions).Assembly)!;
                    string forHosts = metadata.Value!.Split("; ")[1];
                    bool isConstant = typeof(Audio.Mixer).GetField("GeneratorVersion") != null;
                    return $"{Audio.Mixer.GeneratorVersion} {forHosts} {isConstant}";
                }
            }
            """;
        using PluginAssembly assembly = new(new TestProject(source).Generate().Emit());

        string version = typeof(EmmaGenerator).Assembly.GetName().Version!.ToString();
        Assert.Equal($"{version} {version} False", assembly.Call("Versions", "Run"));
    }

    /// <summary>
    /// A forked child must not compile: once a heap has been prepared, none of its methods may have to be.
    /// </summary>
    [Theory]
    [MemberData(nameof(OptimizationsAndForms))]
    public void A_heap_that_was_prepared_is_compiled(OptimizationLevel optimization, string form)
    {
        string source =
            $$"""
            using System;
            using System.Linq;
            using System.Reflection;
            using System.Runtime;
            using System.Runtime.CompilerServices;
            [assembly: Emma.EmmaAllocator("Audio.Mixer"{{form}})]
           
            static class Late
            {
                const BindingFlags All = BindingFlags.DeclaredOnly | BindingFlags.Static | BindingFlags.Instance
                    | BindingFlags.Public | BindingFlags.NonPublic;
                public static string Run()
                {
                    Audio.Mixer.Prepare();
                    return CompileAll(typeof(Audio.Mixer));
                }

                static string CompileAll(Type type)
                {
                    string late = Compile(type);
                    // But for what another system needs.
                    foreach (Type part in type.GetNestedTypes(All).Where(part => part.Name is not ("WindowsKernel" or "DarwinKernel")))
                        late += CompileAll(part);
                    return late;
                }

                static string Compile(Type type)
                {
                    string late = "";
                    foreach (MethodBase method in ((MethodBase[])type.GetMethods(All)).Concat(type.GetConstructors(All)))
                    {
                        long compiled = JitInfo.GetCompiledMethodCount(currentThread: true);
                        // What is to be put into the heap's own methods is not needed by itself where that is done.
                        bool isInlined = {{(optimization == OptimizationLevel.Release ? "true" : "false")}} && !method.IsPublic
                            && (method.MethodImplementationFlags & MethodImplAttributes.AggressiveInlining) != 0;
                        if (!isInlined && !method.ContainsGenericParameters && !method.IsAbstract)
                            RuntimeHelpers.PrepareMethod(method.MethodHandle);
                        if (JitInfo.GetCompiledMethodCount(currentThread: true) != compiled)
                            late += $"{type.Name}.{method.Name} ";
                    }

                    return late;
                }
            }
            """;
        TestProject project = With(new TestProject(source), options => options.WithOptimizationLevel(optimization));
        using PluginAssembly assembly = new(project.Generate().Emit());

        Assert.Equal("", assembly.Call("Late", "Run"));
    }

    /// <summary>
    /// Members that users add to the class are compiled with it; what they need and cannot have is their callers' affair.
    /// </summary>
    [Theory]
    [InlineData("internal static int UseMissing() => Missing.Number();")]
    [InlineData("sealed class Derived : Base { internal int Number() => 1; }")]
    [InlineData("internal struct Holder { internal Value Held; internal void Set() => Held = default; }")]
    public void A_member_of_the_users_that_needs_a_missing_assembly_keeps_the_heap_from_nothing(string member)
    {
        const string needed =
            "public static class Missing { public static int Number() => 1; } public class Base { } " +
            "public struct Value { public int Number; }";
        TestProject library = new(needed) { AssemblyName = "Library" };
        string source =
            $$"""
            using System.Runtime.Loader;
            [assembly: Emma.EmmaAllocator("Audio.Mixer")]
            namespace Audio { static partial class Mixer { {{member}} } }
            static unsafe class Resolver
            {
                static int s_depth, s_deepest;

                public static object Run()
                {
                    AssemblyLoadContext.GetLoadContext(typeof(Resolver).Assembly)!.Resolving += (_, _) =>
                    {
                        s_deepest = System.Math.Max(s_deepest, ++s_depth);
                        if (s_depth < 10)
                            Audio.Mixer.Free(Audio.Mixer.Alloc(100));
                        s_depth--;
                        return null;
                    };
                    Audio.Mixer.Free(Audio.Mixer.Alloc(100));
                    Audio.Mixer.Destroy();
                    return s_deepest;
                }
            }
            """;
        TestProject project = new(source);
        project = project with { References = [.. project.References, library.Compile().ToMetadataReference()] };
        using PluginAssembly assembly = new(project.Generate().Emit());

        Assert.InRange((int)assembly.Call("Resolver", "Run")!, 0, 2);
    }

    public static MatrixTheoryData<OptimizationLevel, string> OptimizationsAndForms => new(
        Length.IsLong ? [OptimizationLevel.Debug, OptimizationLevel.Release] : [OptimizationLevel.Release],
        Forms.Select(form => form.Data));

    /// <summary>The tests of the templates have their arithmetic checked, too, so that one form of a heap does here.</summary>
    public static MatrixTheoryData<OptimizationLevel, string> OptimizationsAndSomeForms => new(
        OptimizationsAndForms.Select(pair => pair.Data.Item1).Distinct(),
        Forms.Select(form => form.Data).Where((_, i) => Length.IsLong || i == 0));

    [Theory]
    [MemberData(nameof(OptimizationsAndSomeForms))]
    public void Checked_arithmetic_does_not_break_a_heap(OptimizationLevel optimization, string form) =>
        AssertWorks(With(HeapWith(form), options => options.WithOverflowChecks(true).WithOptimizationLevel(optimization)));

    [Theory]
    [InlineData(OptimizationLevel.Debug, "", true)]
    [InlineData(OptimizationLevel.Debug, ", ThreadCache = false", true)]
    [InlineData(OptimizationLevel.Debug, ", BoundaryChecks = false", false)]
    [InlineData(OptimizationLevel.Release, "", false)]
    [InlineData(OptimizationLevel.Release, ", BoundaryChecks = true", true)]
    public void A_pointer_into_a_block_is_refused_in_a_debug_build_unless_the_attribute_says_otherwise(
        OptimizationLevel optimization, string options, bool isRefused)
    {
        string source =
            $$"""
            [assembly: Emma.EmmaAllocator("Audio.Mixer"{{options}})]
            static unsafe class Inner
            {
                public static object Run()
                {
                    void* block = Audio.Mixer.Alloc(100);
                    try
                    {
                        Audio.Mixer.Free((byte*)block + 16);
                        return false;
                    }
                    catch (System.ArgumentException)
                    {
                        Audio.Mixer.Free(block);
                        return true;
                    }
                    finally
                    {
                        Audio.Mixer.Destroy();
                    }
                }
            }
            """;
        using PluginAssembly assembly =
            new(With(new TestProject(source), project => project.WithOptimizationLevel(optimization)).Generate().Emit());

        Assert.Equal(isRefused, assembly.Call("Inner", "Run"));
    }

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

    /// <summary>A limit that suffices for a debug build suffices for the release build, and the other way round.</summary>
    [Fact]
    public void Checks_that_are_on_by_default_take_nothing_from_a_limit()
    {
        const string source =
            """
            [assembly: Emma.EmmaAllocator("Audio.Mixer", MemoryLimit = 24 << 20)]
            static unsafe class Limits
            {
                public static object Run()
                {
                    string counts = "";
                    foreach (int size in new[] { 16, 1000, 30_000, 100_000, 3 << 20 })
                    {
                        int count = 0;
                        while (Audio.Mixer.TryAlloc((nuint)size) != null)
                            count++;
                        counts += $"{count} ";
                        if (Audio.Mixer.GetStatistics().MappedBytes > 24 << 20)
                            counts += "too many ";
                        Audio.Mixer.Destroy();
                    }

                    return counts;
                }

                public static object Describe() => Audio.Mixer.GetStatistics().ToString();
            }
            """;
        TestProject project = new(source);
        using PluginAssembly debug =
            new(With(project, options => options.WithOptimizationLevel(OptimizationLevel.Debug)).Generate().Emit());
        using PluginAssembly release =
            new(With(project, options => options.WithOptimizationLevel(OptimizationLevel.Release)).Generate().Emit());

        Assert.Equal(release.Call("Limits", "Run"), debug.Call("Limits", "Run"));
        const string notice = "BoundaryChecks by default (debug build)";
        Assert.Contains(notice, (string)debug.Call("Limits", "Describe")!, StringComparison.Ordinal);
        Assert.DoesNotContain(notice, (string)release.Call("Limits", "Describe")!, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_heaps_in_one_assembly_are_two_complete_and_independent_copies()
    {
        const string Source =
            """
            [assembly: Emma.EmmaAllocator("Audio.Mixer", BoundaryChecks = false)]
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
                        return HeapInternals.HeapName;
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
