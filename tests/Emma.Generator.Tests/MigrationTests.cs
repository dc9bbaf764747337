using Emma.Generator.Migration;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Emma.Generator.Tests;

/// <summary>Which calls of the base library are shown as ones that a heap of the assembly could take.</summary>
public class MigrationTests
{
    private static readonly CSharpCompilation s_heaps = new TestProject(StubHeaps.Source, StubHeaps.Marker, StubHeaps.Requests).Compile();

    [Fact]
    public async Task Calls_of_NativeMemory_that_allocate_and_free() =>
        await MatchesAsync(
            """
            NativeMemory.Clear(p, 8);
            p = {|EMMA1009:NativeMemory.Realloc|}(p, 16);
            {|EMMA1009:System.Runtime.InteropServices.NativeMemory.Free|}(p);
            Mixer.Free(Mixer.Alloc(1));
            _ = nameof(NativeMemory.Free);
            """);

    [Fact]
    public async Task Calls_of_Marshal_but_not_those_whose_blocks_others_free() =>
        await MatchesAsync(
            """
            s_block = {|EMMA1010:Marshal.AllocHGlobal|}(8);
            {|EMMA1010:Marshal.FreeHGlobal|}(s_block);
            Marshal.FreeCoTaskMem(Marshal.AllocCoTaskMem(8));
            Marshal.FreeHGlobal(Marshal.StringToHGlobalAnsi(""));
            """.Replace("Marshal.FreeHGlobal(M", "{|EMMA1010:Marshal.FreeHGlobal|}(M", StringComparison.Ordinal));

    [Fact]
    public async Task Assembly_without_a_heap_is_not_bothered()
    {
        CSharpCompilation compilation = new TestProject(
            "static unsafe class C { static void M(void* p) => System.Runtime.InteropServices.NativeMemory.Free(p); }").Compile();

        Assert.Empty(await AnalyzeAsync(compilation));
    }

    [Theory]
    [InlineData("nint q = Marshal.AllocHGlobal(8); Marshal.FreeHGlobal(q);", "AF")]
    [InlineData("nint q = 0; q = Marshal.AllocHGlobal(8); Marshal.FreeHGlobal((nint)(void*)q);", "AF")]
    [InlineData("nint q = Marshal.AllocHGlobal(8); q = Marshal.ReAllocHGlobal(q, 16); Marshal.FreeHGlobal(q);", "ARF")]
    [InlineData("s_own = Marshal.AllocHGlobal(8); Marshal.FreeHGlobal(s_own); s_own = System.IntPtr.Zero;", "AF")]
    [InlineData("byte* q = (byte*)Marshal.AllocHGlobal(8); Marshal.FreeHGlobal((nint)q);", "AF")]
    [InlineData("nint q = Marshal.AllocHGlobal(8); s_block = q;", "")]
    [InlineData("nint q = n; Marshal.FreeHGlobal(q);", "")]
    [InlineData("nint q = Marshal.AllocHGlobal(8); q = n; Marshal.FreeHGlobal(q);", "")]
    [InlineData("nint q = Marshal.AllocHGlobal(8); q++; Marshal.FreeHGlobal(q);", "")]
    [InlineData("nint q = Marshal.AllocHGlobal(8); Change(ref q); Marshal.FreeHGlobal(q);", "")]
    [InlineData("nint q = n > 0 ? Marshal.AllocHGlobal(8) : 0; Marshal.FreeHGlobal(q);", "")]
    [InlineData("s_block = Marshal.AllocHGlobal(8); Marshal.FreeHGlobal(s_block);", "")]
    [InlineData("Marshal.FreeHGlobal(n);", "")]
    [InlineData("Marshal.FreeHGlobal(Marshal.StringToHGlobalAnsi(\"\"));", "")]
    public async Task Blocks_that_are_allocated_and_freed_within_sight_are_told_from_others(string body, string paired)
    {
        Diagnostic[] found = await AnalyzeAsync(Compile(Markup.Parse(Method(body)).Source));

        Assert.Equal(paired, string.Concat(found
            .Where(diagnostic => diagnostic.Properties.ContainsKey("paired"))
            .Select(diagnostic => diagnostic.GetMessage(null)["'Marshal.".Length])));
        Assert.Equal(CountOfCalls(body), found.Length);
    }

    private static int CountOfCalls(string body) => body.Split("HGlobal(").Length - 1;

    private static string Method(string body) =>
        $$"""
        using System.Runtime.InteropServices;
        using Audio;
        static unsafe class C
        {
            internal static nint s_block;
            private static nint s_own;
            static void Change(ref nint p) { }
            static void M(void* p, nint n) { {{body}} }
        }
        """;

    private static CSharpCompilation Compile(string source) =>
        s_heaps.AddSyntaxTrees(CSharpSyntaxTree.ParseText(source, new TestProject().ParseOptions));

    private static async Task MatchesAsync(string body)
    {
        Markup markup = Markup.Parse(Method(body));
        Diagnostic[] found = await AnalyzeAsync(Compile(markup.Source));

        Assert.Equal(
            markup.Expected,
            found.Select(diagnostic => (diagnostic.Id, diagnostic.Location.SourceSpan.Start, diagnostic.Location.SourceSpan.End)));
        Assert.All(found, diagnostic => Assert.Equal(DiagnosticSeverity.Info, diagnostic.Severity));
    }

    private static async Task<Diagnostic[]> AnalyzeAsync(CSharpCompilation compilation)
    {
        Assert.DoesNotContain(compilation.GetDiagnostics(), diagnostic => diagnostic.Severity == DiagnosticSeverity.Error);
        return
        [
            .. (await compilation.WithAnalyzers([new MigrationAnalyzer()], new AnalyzerOptions([])).GetAnalyzerDiagnosticsAsync())
                .OrderBy(diagnostic => diagnostic.Location.SourceSpan.Start),
        ];
    }
}
