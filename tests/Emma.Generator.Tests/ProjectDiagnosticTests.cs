using System.Collections.Immutable;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests;

public class ProjectDiagnosticTests
{
    [Fact]
    public async Task With_unsafe_code_off_one_error_holds_the_line_to_add_and_nothing_is_emitted()
    {
        TestProject project = new("""[assembly: Emma.EmmaAllocator({|EMMA0001:"MyHeap"|})]""");
        project = project with { Options = project.Options.WithAllowUnsafe(false) };

        GeneratorOutput output = await DiagnosticAssert.MatchesAsync(project, emitted: []);

        Diagnostic error = Assert.Single(await output.AnalyzeAsync());
        Assert.Contains("<AllowUnsafeBlocks>true</AllowUnsafeBlocks>", error.GetMessage(null), StringComparison.Ordinal);
        Assert.DoesNotContain(output.Compilation.GetDiagnostics(), diagnostic => diagnostic.Id == "CS0227");
    }

    [Theory]
    [InlineData(LanguageVersion.CSharp7_3)]
    [InlineData(LanguageVersion.CSharp11)]
    public async Task Languages_older_than_12_are_refused(LanguageVersion language) =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject("""[assembly: Emma.EmmaAllocator({|EMMA0007:"MyHeap"|})]""")
            {
                Language = language,
                Options = new(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true),
            },
            emitted: []);

    [Theory]
    [InlineData(false, "AllocSpan, Callbacks")]
    [InlineData(true, "it has no Callbacks")]
    public async Task A_framework_older_than_net8_gets_a_class_over_Marshal_and_a_list_of_what_is_absent(bool hasSpans, string absent)
    {
        GeneratorOutput output = await DiagnosticAssert.MatchesAsync(
            new TestProject("""[assembly: Emma.EmmaAllocator({|EMMA0008:"MyHeap"|}, Hardened = true, ThreadCache = true)]""")
            {
                Language = LanguageVersion.CSharp9,
                References = hasSpans ? TestProject.NetStandardWithSpans : TestProject.NetStandard,
            },
            emitted: []);

        Assert.Contains("MyHeap/Forwarding.g.cs", output.HeapHintNames);
        Diagnostic information = Assert.Single(await output.AnalyzeAsync());
        Assert.Equal(DiagnosticSeverity.Info, information.Severity);
        Assert.Contains(absent, information.GetMessage(null), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(LanguageVersion.CSharp7_3)]
    [InlineData(LanguageVersion.CSharp8)]
    public async Task In_a_framework_older_than_net8_languages_older_than_9_are_refused(LanguageVersion language)
    {
        GeneratorOutput output = await DiagnosticAssert.MatchesAsync(
            new TestProject("""[assembly: Emma.EmmaAllocator({|EMMA0007:"MyHeap"|})]""")
            {
                Language = language,
                Options = new(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true),
                References = TestProject.NetStandard,
            },
            emitted: []);

        Assert.Equal(["MyHeap/Refused.g.cs"], output.HeapHintNames);
        Assert.Contains("needs C# 9.0 or later", Assert.Single(await output.AnalyzeAsync()).GetMessage(null), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{|EMMA0002:"a b"|}""")]
    [InlineData("""{|EMMA0004:"Microsoft.Win32"|}""")]
    [InlineData(""" "MyHeap", MemoryLimit = {|EMMA0005:-1|}""")]
    public async Task In_a_framework_older_than_net8_errors_are_reported_and_nothing_is_said_of_the_class(string arguments) =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject($"[assembly: Emma.EmmaAllocator({arguments})]") { References = TestProject.NetStandard },
            emitted: []);

    [Fact]
    public async Task A_polyfill_does_not_make_an_old_framework_new() =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject(
                """
                [assembly: Emma.EmmaAllocator({|EMMA0008:"MyHeap"|})]
                namespace System.Runtime.CompilerServices
                {
                    class InlineArrayAttribute : Attribute { }
                }
                """)
            {
                References = TestProject.NetStandard,
            },
            emitted: []);

    /// <summary>The SDK sets the platform to Windows for every framework before net5.0, and nothing is emitted there in any case.</summary>
    [Theory]
    [InlineData("TargetPlatformIdentifier", "Windows")]
    [InlineData("RuntimeIdentifier", "win-x64")]
    public async Task An_older_framework_is_not_said_to_be_another_platform(string property, string value) =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject("""[assembly: Emma.EmmaAllocator({|EMMA0008:"MyHeap"|})]""")
            {
                Options = new(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true),
                References = TestProject.NetStandard,
                BuildProperties = ImmutableDictionary<string, string>.Empty.Add(property, value),
            },
            emitted: []);

    [Theory]
    [InlineData("RuntimeIdentifier", "win-x86")]
    [InlineData("RuntimeIdentifier", "ios-arm64")]
    [InlineData("RuntimeIdentifier", "maccatalyst-arm64")]
    [InlineData("RuntimeIdentifier", "linux-arm")]
    [InlineData("RuntimeIdentifier", "linux-s390x")]
    [InlineData("RuntimeIdentifier", "linux-x86")]
    [InlineData("RuntimeIdentifier", "android-x64")]
    [InlineData("RuntimeIdentifier", "browser-wasm")]
    [InlineData("TargetPlatformIdentifier", "android")]
    [InlineData("TargetPlatformIdentifier", "maccatalyst")]
    public async Task A_build_that_cannot_be_for_a_supported_platform_is_warned_and_gets_the_heap(string property, string value) =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject("""[assembly: Emma.EmmaAllocator({|EMMA0006:"MyHeap"|})]""")
            {
                BuildProperties = ImmutableDictionary<string, string>.Empty.Add(property, value),
            },
            emitted: ["MyHeap"]);

    [Theory]
    [InlineData("RuntimeIdentifier", "")]
    [InlineData("RuntimeIdentifier", "any")]
    [InlineData("RuntimeIdentifier", "linux")]
    [InlineData("RuntimeIdentifier", "linux-x64")]
    [InlineData("RuntimeIdentifier", "linux-musl-x64")]
    [InlineData("RuntimeIdentifier", "linux-arm64")]
    [InlineData("RuntimeIdentifier", "linux-musl-arm64")]
    [InlineData("RuntimeIdentifier", "debian.12-x64")]
    [InlineData("RuntimeIdentifier", "unix-x64")]
    [InlineData("RuntimeIdentifier", "win")]
    [InlineData("RuntimeIdentifier", "win-x64")]
    [InlineData("RuntimeIdentifier", "win-arm64")]
    [InlineData("RuntimeIdentifier", "win10-x64")]
    [InlineData("RuntimeIdentifier", "osx")]
    [InlineData("RuntimeIdentifier", "osx-x64")]
    [InlineData("RuntimeIdentifier", "osx-arm64")]
    [InlineData("RuntimeIdentifier", "osx.13-x64")]
    [InlineData("TargetPlatformIdentifier", "")]
    [InlineData("TargetPlatformIdentifier", "Windows")]
    [InlineData("TargetPlatformIdentifier", "macos")]
    public async Task A_build_that_may_be_for_a_supported_platform_is_not_warned(string property, string value) =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject("""[assembly: Emma.EmmaAllocator("MyHeap")]""")
            {
                BuildProperties = ImmutableDictionary<string, string>.Empty.Add(property, value),
            },
            emitted: ["MyHeap"]);

    [Theory]
    [InlineData(Platform.X86, true)]
    [InlineData(Platform.Arm64, false)]
    [InlineData(Platform.Arm, true)]
    [InlineData(Platform.AnyCpu32BitPreferred, true)]
    [InlineData(Platform.X64, false)]
    [InlineData(Platform.AnyCpu, false)]
    public async Task A_platform_target_other_than_x64_and_arm64_is_warned(Platform platform, bool isWarned)
    {
        TestProject project = new(isWarned
            ? """[assembly: Emma.EmmaAllocator({|EMMA0006:"MyHeap"|})]"""
            : """[assembly: Emma.EmmaAllocator("MyHeap")]""");
        OutputKind kind = platform == Platform.AnyCpu32BitPreferred ? OutputKind.ConsoleApplication : OutputKind.DynamicallyLinkedLibrary;

        await DiagnosticAssert.MatchesAsync(
            project with { Options = project.Options.WithPlatform(platform).WithOutputKind(kind) },
            emitted: ["MyHeap"]);
    }

    /// <summary>A compiler that finds an error in a declaration does not come to run analyzers: uses of the heap must not be one.</summary>
    [Theory]
    [InlineData("MyHeap")]
    [InlineData("Audio.Mixer")]
    public void A_refused_heap_leaves_its_types_without_members_so_that_the_compiler_comes_to_report_the_error(string name)
    {
        TestProject project = new(
            $$"""
            global using NativeMemory = {{name}};
            using static {{name}};
            [assembly: Emma.EmmaAllocator("{{name}}", MemoryLimit = -1)]
            [assembly: System.Reflection.AssemblyDescription(nameof({{name}}))]
            static class User
            {
                static {{name}}.HeapStatistics M({{name}}.KernelAccess kernel, {{name}}.LocalHeap local) => default;
            }
            """);
        GeneratorOutput output = (project with { Options = project.Options.WithAllowUnsafe(false) }).Generate();

        Assert.Equal([$"{name}/Refused.g.cs"], output.HeapHintNames);
        Assert.DoesNotContain(output.Compilation.GetDiagnostics(), diagnostic => diagnostic.Severity >= DiagnosticSeverity.Warning);
        Assert.All(output.Compilation.GetTypeByMetadataName(name)!.GetMembers(), member => Assert.Equal(SymbolKind.NamedType, member.Kind));
    }

    [Fact]
    public void The_empty_class_of_a_refused_heap_compiles_in_CSharp_7_3() =>
        new TestProject("""[assembly: Emma.EmmaAllocator("Audio.mixer")]""")
        {
            Language = LanguageVersion.CSharp7_3,
            Options = new(OutputKind.DynamicallyLinkedLibrary, warningLevel: 9999),
            References = TestProject.NetStandard,
        }.Generate().AssertCompilesCleanly();
}
