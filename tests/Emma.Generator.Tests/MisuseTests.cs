using System.Collections.Immutable;
using Emma.Generator.Misuse;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Emma.Generator.Tests;

/// <summary>What the analyzer of misuse says of methods, where it is certain, and where it keeps silent because it is not.</summary>
public class MisuseTests
{
    private static readonly CSharpCompilation s_heaps = new TestProject(StubHeaps.Source).Compile();

    [Theory]
    [InlineData("{|EMMA1002:Mixer.Alloc|}(8);")]
    [InlineData("{|EMMA1002:Mixer.Alloc<int>|}(8);")]
    [InlineData("{|EMMA1002:Mixer.Local.Alloc|}(8);")]
    [InlineData("{|EMMA1002:Mixer.Realloc|}(p, 8);")]
    [InlineData("{|EMMA1002:Mixer.TryRealloc|}(p, 8);")]
    [InlineData("{|EMMA1002:Mixer.Rent<byte>|}(8);")]
    [InlineData("{|EMMA1002:Mixer.CreateArena|}();")]
    [InlineData("{|EMMA1002:Mixer.CreateSequenceWriter|}();")]
    [InlineData("if (n > 0) {|EMMA1002:Mixer.AllocSpan<byte>|}(n);")]
    [InlineData("try { {|EMMA1002:Mixer.Alloc|}(8); } finally { }")]
    [InlineData("try { } catch { {|EMMA1002:Mixer.Alloc|}(8); }")]
    [InlineData("System.Action a = () => { Use(null); {|EMMA1002:Mixer.Alloc|}(8); }; a();")]
    [InlineData("_ = Mixer.Realloc(p, 8);")]
    [InlineData("Mixer.Free(Mixer.Alloc(8));")]
    [InlineData("try { Mixer.Alloc(8); } catch (System.OutOfMemoryException) { }")]
    [InlineData("System.Action a = () => Mixer.Alloc(8); a();")]
    [InlineData("System.Action a = () => { Mixer.Alloc(8); }; a();")]
    [InlineData("System.Runtime.InteropServices.NativeMemory.Alloc(8); Mixer.Free(p);")]
    [InlineData("arena.Alloc(8);")]
    public async Task Result_that_is_dropped(string body) => await MatchesAsync(body);

    [Theory]
    [InlineData("NativeMemory.Free({|EMMA1003:Mixer.Alloc(8)|});")]
    [InlineData("Mixer.Free({|EMMA1003:NativeMemory.Alloc(8)|});")]
    [InlineData("void* q = Mixer.Alloc(8); NativeMemory.Free({|EMMA1003:q|});")]
    [InlineData("byte* q = (byte*)Mixer.Alloc(8); void* r = q; Video.Frames.Free({|EMMA1003:r|});")]
    [InlineData("nint q = (nint)Mixer.Alloc(8); Marshal.FreeHGlobal({|EMMA1003:q|});")]
    [InlineData("System.IntPtr q = (System.IntPtr)Mixer.Alloc(8); Marshal.FreeCoTaskMem({|EMMA1003:q|});")]
    [InlineData("nint q = Marshal.AllocHGlobal(8); Mixer.Free((void*){|EMMA1003:q|});")]
    [InlineData("nint q = Marshal.StringToHGlobalAnsi(\"\"); Mixer.Free((void*){|EMMA1003:q|});")]
    [InlineData("nint q = Mixer.AllocHGlobal(8); Marshal.FreeHGlobal({|EMMA1003:q|});")]
    [InlineData("void* q = NativeMemory.Alloc(8); if (Mixer.Owns(q)) Mixer.Free(q); else NativeMemory.Free(q);")]
    [InlineData("void* q = NativeMemory.Realloc(p, 8); q = Mixer.Realloc({|EMMA1003:q|}, 16); Mixer.Free(q);")]
    [InlineData("void* q = Mixer.Local.Alloc(8); Video.Frames.Free({|EMMA1003:q|});")]
    [InlineData("void* q = n > 0 ? Mixer.Alloc(8) : Mixer.Alloc(16); Use(q);")]
    [InlineData("void* q = n > 0 ? Mixer.Alloc(8) : NativeMemory.Alloc(16); if (n > 0) Mixer.Free(q); else NativeMemory.Free(q);")]
    [InlineData("void* q = Mixer.Local.Alloc(8); Mixer.Free(q); q = Mixer.Alloc(8); Mixer.Local.Free(q);")]
    [InlineData("void* q = Mixer.Alloc(8); Change(ref q); NativeMemory.Free(q);")]
    [InlineData("void* q = Mixer.Alloc(8); Use(&q); NativeMemory.Free(q);")]
    [InlineData("nint q = (nint)Mixer.Alloc(8); System.Action a = () => q = 0; a(); Marshal.FreeHGlobal(q);")]
    [InlineData("nint q = Marshal.AllocHGlobal(8); Marshal.FreeCoTaskMem(q); Mixer.Free(p);")]
    [InlineData("nint q = (nint)Mixer.Alloc(8); (q, nint r) = (0, q); NativeMemory.Free((void*)q); Use((void*)r);")]
    [InlineData("byte* q = (byte*)Mixer.Alloc(8); q += 8; NativeMemory.Free(q);")]
    [InlineData("byte* q = (byte*)Mixer.Alloc(8); q++; NativeMemory.Free(q);")]
    public async Task Block_of_another_allocator(string body) => await MatchesAsync(body);

    [Theory]
    [InlineData("Mixer.Free(p); Mixer.Free({|EMMA1004:p|});")]
    [InlineData("void* q = Mixer.Alloc(8); Mixer.Free(q); Use(null); Mixer.AlignedFree({|EMMA1004:q|});")]
    [InlineData("void* q = p; Mixer.Free(p); Mixer.Free({|EMMA1004:p|}); Use(q);")]
    [InlineData("void* q = Mixer.Alloc(8); void* r = q; Mixer.Free(q); Mixer.Free({|EMMA1004:r|});")]
    [InlineData("Mixer.Free(p); if (n > 0) Mixer.Free({|EMMA1004:p|});")]
    [InlineData("System.Span<byte> s = Mixer.AllocSpan<byte>(8); Mixer.Free(s); Mixer.Free({|EMMA1004:s|});")]
    [InlineData("Mixer.Free(p); NativeMemory.Free({|EMMA1004:p|});")]
    [InlineData("while (n-- > 0) { void* q = Mixer.Alloc(8); Mixer.Free(q); Mixer.Free({|EMMA1004:q|}); }")]
    [InlineData("System.Action a = () => { void* q = Mixer.Alloc(8); Mixer.Free(q); Mixer.Free({|EMMA1004:q|}); }; a();")]
    [InlineData("void Local(void* q) { Mixer.Free(q); Mixer.Free({|EMMA1004:q|}); } Local(p);")]
    [InlineData("Mixer.Free(p); p = null; Mixer.Free(p); Mixer.Free(p);")]
    [InlineData("Mixer.Free(p); p = Mixer.Alloc(8); Mixer.Free(p);")]
    [InlineData("if (n > 0) Mixer.Free(p); if (n <= 0) Mixer.Free(p);")]
    [InlineData("if (n > 0) { Mixer.Free(p); return; } Mixer.Free(p);")]
    [InlineData("try { Mixer.Free(p); } finally { if (n > 0) Mixer.Free(p); }")]
    [InlineData("try { Mixer.Free(p); } catch { Mixer.Free(p); }")]
    [InlineData("foreach (nint q in new nint[n]) Mixer.Free((void*)q);")]
    [InlineData("void* last = null; while (n-- > 0) { void* q = Mixer.Alloc(8); Mixer.Free(last); last = q; } Mixer.Free(last);")]
    [InlineData("void* last = p; while (n-- > 0) { void* q = Mixer.Alloc(8); Mixer.Free(last); last = q; } Mixer.Free(last);")]
    [InlineData("Mixer.Free(p); Change(ref p); Mixer.Free(p);")]
    [InlineData("Mixer.Free(s_field); Mixer.Free(s_field);")]
    [InlineData("void* q = Mixer.TryRealloc(p, 8); if (q == null) Mixer.Free(p); else Mixer.Free(q);")]
    [InlineData("void* q = Mixer.Realloc(p, 8); if (q != p) Use(q); Mixer.Free(p);")]
    [InlineData("void* q = Mixer.Realloc(p, 8); Mixer.Free({|EMMA1004:p|}); Mixer.Free(q);")]
    [InlineData("object o = (nint)p; if (o is nint q) Mixer.Free((void*)q); if (o is nint r) Mixer.Free((void*)r);")]
    [InlineData("NativeMemory.Free(p); NativeMemory.Free(p); Mixer.Free(Mixer.Alloc(1));")]
    public async Task Block_that_is_freed_twice(string body) => await MatchesAsync(body);

    [Theory]
    [InlineData("byte* q = (byte*)p; Mixer.Free(q); *{|EMMA1005:q|} = 1;")]
    [InlineData("byte* q = (byte*)Mixer.Alloc(8); Mixer.Free(q); n = {|EMMA1005:q|}[0];")]
    [InlineData("Node* q = Mixer.Alloc<Node>(); Mixer.Free(q); n = {|EMMA1005:q|}->Value;")]
    [InlineData("Node* q = Mixer.Alloc<Node>(); Mixer.Free(q); {|EMMA1005:q|}->Value++;")]
    [InlineData("Node* q = Mixer.Alloc<Node>(); Mixer.Free(q); q = {|EMMA1005:q|}->Next; Use(q);")]
    [InlineData("System.Span<byte> s = Mixer.AllocSpan<byte>(8); Mixer.Free(s); {|EMMA1005:s|}[0] = 1;")]
    [InlineData("System.Span<byte> s = Mixer.AllocSpan<byte>(8); Mixer.Free(s); {|EMMA1005:s|}.Clear();")]
    [InlineData("Mixer.Free(p); Mixer.Clear({|EMMA1005:p|}, 8);")]
    [InlineData("Mixer.Free(p); NativeMemory.Copy(s_field, {|EMMA1005:p|}, 8);")]
    [InlineData("Mixer.Free(p); p = Mixer.Realloc({|EMMA1005:p|}, 8);")]
    [InlineData("byte* q = (byte*)Mixer.Realloc(p, 8); *(byte*){|EMMA1005:p|} = *q; Mixer.Free(q);")]
    [InlineData("Node* q = (Node*)p; while (q != null) { Node* next = q->Next; Mixer.Free(q); q = next; }")]
    [InlineData("Node* q = Mixer.Alloc<Node>(); Mixer.Free(q); int* r = &q->Value; Use(r);")]
    [InlineData("byte* q = (byte*)Mixer.Alloc(8); Mixer.Free(q); byte* r = &q[1]; Use(r); n = (int)q; Use(q + 1);")]
    [InlineData("Mixer.Free(p); System.Console.WriteLine((nint)p); Use(p); if (Mixer.Owns(p)) return;")]
    [InlineData("byte* q = (byte*)p; if (n > 0) Mixer.Free(q); if (n <= 0) *q = 1;")]
    [InlineData("byte* q = (byte*)Mixer.Realloc(p, 8); if (q == p) *(byte*)p = 1; Mixer.Free(q);")]
    [InlineData("byte* q = (byte*)Mixer.TryRealloc(p, 8); if (q == null) *(byte*)p = 1; Mixer.Free(q);")]
    [InlineData("System.Span<byte> s = Mixer.AllocSpan<byte>(8); Mixer.Free(s); n = s.Length; s = default; s.Clear();")]
    [InlineData("byte* q = (byte*)p; Mixer.Free(q); string s = nameof(p); n = sizeof(Node); Use(s.Length == 0 ? q : null);")]
    public async Task Block_that_is_used_when_it_is_freed(string body) => await MatchesAsync(body);

    [Theory]
    [InlineData("byte* q = stackalloc byte[8]; Mixer.Free({|EMMA1006:q|});")]
    [InlineData("System.Span<byte> s = stackalloc byte[8]; Mixer.Free({|EMMA1006:s|});")]
    [InlineData("System.Span<byte> s = stackalloc byte[] { 1, 2 }; Mixer.Free({|EMMA1006:s|});")]
    [InlineData("Mixer.Free({|EMMA1006:&n|});")]
    [InlineData("Node node = default; int* q = &node.Value; Mixer.Free({|EMMA1006:q|});")]
    [InlineData("fixed (byte* q = new byte[8]) Mixer.Free({|EMMA1006:q|});")]
    [InlineData("byte[] array = new byte[8]; fixed (byte* q = &array[0]) Mixer.Free({|EMMA1006:q|});")]
    [InlineData("fixed (char* q = \"text\") Mixer.Free({|EMMA1006:q|});")]
    [InlineData("fixed (int* q = &s_number) Mixer.Free({|EMMA1006:q|});")]
    [InlineData("byte* q = stackalloc byte[8]; p = Mixer.Realloc({|EMMA1006:q|}, 16);")]
    [InlineData("void* q = arena.Alloc(8); Mixer.Free({|EMMA1006:q|});")]
    [InlineData("fixed (byte* q = Mixer.AllocSpan<byte>(8)) Mixer.Free(q);")]
    [InlineData("ref int r = ref *Mixer.Alloc<int>(); fixed (int* q = &r) Mixer.Free(q);")]
    [InlineData("Node* q = Mixer.Alloc<Node>(); Mixer.Free(&q->Value);")]
    [InlineData("System.Span<byte> s = n > 64 ? Mixer.AllocSpan<byte>(n) : stackalloc byte[64]; if (n > 64) Mixer.Free(s);")]
    [InlineData("byte* q = stackalloc byte[64]; if (n > 64) q = (byte*)Mixer.Alloc(8); if (n > 64) Mixer.Free(q);")]
    [InlineData("byte* q = stackalloc byte[8]; NativeMemory.Free(q); Mixer.Free(p);")]
    public async Task What_no_allocator_gave(string body) => await MatchesAsync(body);

    [Theory]
    [InlineData("byte* q = (byte*){|EMMA1007:Mixer.Alloc|}(8); q[0] = 1; n = q[0];")]
    [InlineData("System.Span<byte> s = {|EMMA1007:Mixer.AllocSpan<byte>|}(8); s.Fill(1); s[0] = 1; foreach (byte b in s) n += b;")]
    [InlineData("System.Span<byte> s = {|EMMA1007:Mixer.AllocSpan<byte>|}(8); n = s[^1];")]
    [InlineData("void* q; q = {|EMMA1007:Mixer.Alloc|}(8); Mixer.Clear(q, 8); n = (int)Mixer.UsableSize(q);")]
    [InlineData("void* q = {|EMMA1007:Mixer.TryAlloc|}(8); if (q == null) return;")]
    [InlineData("System.Buffers.IMemoryOwner<byte> q = {|EMMA1007:Mixer.Rent<byte>|}(8); n = q.Memory.Length;")]
    [InlineData("Mixer.HeapArena q = {|EMMA1007:Mixer.CreateArena|}(); q.Reset();")]
    [InlineData("using System.Buffers.IMemoryOwner<byte> q = Mixer.Rent<byte>(8); n = q.Memory.Length;")]
    [InlineData("using (Mixer.HeapArena q = Mixer.CreateArena()) q.Reset();")]
    [InlineData("Mixer.HeapArena q = Mixer.CreateArena(); try { q.Reset(); } finally { q.Dispose(); }")]
    [InlineData("void* q = arena.Alloc(8); *(byte*)q = 1;")]
    [InlineData("void* q = Mixer.Alloc(8); Use(q);")]
    [InlineData("void* q = Mixer.Alloc(8); s_field = q;")]
    [InlineData("byte* q = (byte*)Mixer.Alloc(8); byte* r = q + 8; Use(r);")]
    [InlineData("byte* q = (byte*)Mixer.Alloc(8); ref byte r = ref q[0]; Use(null);")]
    [InlineData("System.Span<byte> s = Mixer.AllocSpan<byte>(8); System.Span<byte> t = s.Slice(1);")]
    [InlineData("System.Span<byte> s = Mixer.AllocSpan<byte>(8); System.Span<byte> t = s[1..];")]
    [InlineData("nint q = (nint)Mixer.Alloc(8); System.Action a = () => Use((void*)q); a();")]
    [InlineData("void* q = Mixer.Alloc(8); Mixer.Free(q);")]
    [InlineData("byte* q = (byte*)Mixer.Alloc(8); while (true) q[0]++;")]
    [InlineData("void* q = Mixer.Alloc(8); nint r = (nint)q; s_nint = r;")]
    [InlineData("void* q = Mixer.Alloc(8); long r = (long)q; s_nint = (nint)r;")]
    [InlineData("void* q = Mixer.Alloc(8); var t = ((nint)q, 1); s_nint = t.Item1;")]
    [InlineData("byte* q = (byte*)NativeMemory.Alloc(8); q[0] = 1; Mixer.Free(p);")]
    public async Task Block_that_is_never_freed(string body) => await MatchesAsync(body);

    [Theory]
    [InlineData("void* q = Mixer.Alloc(8); Mixer.Destroy(); Mixer.Free({|EMMA1008:q|});")]
    [InlineData("byte* q = (byte*)Mixer.Alloc(8); Mixer.Destroy(); {|EMMA1008:q|}[0] = 1;")]
    [InlineData("System.Span<byte> s = Mixer.AllocSpan<byte>(8); Mixer.Destroy(); {|EMMA1008:s|}.Clear();")]
    [InlineData("byte* q = (byte*)arena.Alloc(8); arena.Reset(); {|EMMA1008:q|}[0] = 1;")]
    [InlineData("byte* q = (byte*)arena.Alloc(8); Mixer.Destroy(); {|EMMA1008:q|}[0] = 1;")]
    [InlineData("byte* q = (byte*)arena.Alloc(8); arena.Dispose(); {|EMMA1008:q|}[0] = 1;")]
    [InlineData("byte* q = (byte*)Mixer.Alloc(8); arena.Reset(); q[0] = 1; Mixer.Free(q);")]
    [InlineData("byte* q = (byte*)arena.Alloc(8); arena = Mixer.CreateArena(); arena.Reset(); q[0] = 1;")]
    [InlineData("Mixer.HeapArena.Checkpoint mark = arena.Mark(); byte* q = (byte*)arena.Alloc(8); arena.Rewind(mark); q[0] = 1;")]
    [InlineData("void* q = Mixer.Alloc(8); Video.Frames.Destroy(); Mixer.Free(q);")]
    [InlineData("void* q = Mixer.Alloc(8); if (n > 0) Mixer.Destroy(); if (n <= 0) Mixer.Free(q);")]
    [InlineData("void* q = Mixer.Alloc(8); Mixer.Destroy(); q = Mixer.Alloc(8); Mixer.Free(q);")]
    public async Task Block_that_went_with_its_heap(string body) => await MatchesAsync(body);

    /// <summary>The caller of a public heap may free all its blocks at once, as may anyone where something is destroyed.</summary>
    [Fact]
    public async Task Block_that_is_never_freed_where_all_may_be() =>
        await MatchesSourceAsync(
            Method("byte* q = (byte*)Mixer.Alloc(8); q[0] = 1;") + "class D { static void N() => Audio.Mixer.Destroy(); }");

    [Fact]
    public async Task Programs_may_keep_what_they_have_until_they_end() =>
        await MatchesSourceAsync(
            "static unsafe class P { static void Main() { byte* q = (byte*)Audio.Mixer.Alloc(8); q[0] = 1; } }",
            isProgram: true);

    [Theory]
    [InlineData("nint P { get { void* q = Audio.Mixer.Alloc(8); Audio.Mixer.Free(q); Audio.Mixer.Free({|EMMA1004:q|}); return 0; } }")]
    [InlineData("static nint P { set { Audio.Mixer.FreeHGlobal(value); Audio.Mixer.FreeHGlobal({|EMMA1004:value|}); } }")]
    [InlineData("C(void* p) { Audio.Mixer.Free(p); Audio.Mixer.Free({|EMMA1004:p|}); }")]
    [InlineData("~C() { void* p = Audio.Mixer.Alloc(8); Audio.Mixer.Free(p); Audio.Mixer.Free({|EMMA1004:p|}); }")]
    [InlineData("static nint P => M((nint)Audio.Mixer.Alloc(8)); static nint M(nint p) => p;")]
    [InlineData("static void M() => System.Runtime.InteropServices.NativeMemory.Free({|EMMA1003:Audio.Mixer.Alloc(8)|});")]
    [InlineData("System.Action f = () => { void* p = Audio.Mixer.Alloc(8); Audio.Mixer.Free(p); Audio.Mixer.Free({|EMMA1004:p|}); };")]
    public async Task Every_kind_of_member(string member) => await MatchesSourceAsync($"unsafe class C {{ {member} }}");

    [Fact]
    public async Task Code_without_unsafe_is_followed_across_what_it_awaits() =>
        await MatchesSourceAsync(
            """
            class C
            {
                static async System.Threading.Tasks.Task M()
                {
                    nint p = Audio.Mixer.AllocHGlobal(8);
                    await System.Threading.Tasks.Task.Yield();
                    Audio.Mixer.FreeHGlobal(p);
                    Audio.Mixer.FreeHGlobal({|EMMA1004:p|});
                }
            }
            """);

    [Fact]
    public void Methods_of_emitted_heaps_that_give_and_take_blocks_are_known()
    {
        GeneratorOutput output = new TestProject("""[assembly: Emma.EmmaAllocator("MyHeap")]""").Generate();
        IMethodSymbol[] methods =
        [
            .. PublicSurface.Of(output).OfType<IMethodSymbol>().Where(method => method.ContainingType.Name is "MyHeap" or "LocalHeap"),
        ];
        IMethodSymbol[] giving = [.. methods.Where(method => method.ReturnType.ToString() is "void*" or "T*" or "System.Span<T>")];
        IMethodSymbol[] freeing = [.. methods.Where(method => method.Name.EndsWith("Free", StringComparison.Ordinal))];

        Assert.True(giving.Length >= 18 && freeing.Length >= 4);
        Assert.All(giving, method => Assert.True(AllocatorCall.Allocates(method), PublicSurface.Declaration(method)));
        Assert.All(freeing, method => Assert.True(AllocatorCall.IsOfHeap(method), PublicSurface.Declaration(method)));
    }

    [Fact]
    public async Task Top_level_statements() =>
        await MatchesSourceAsync(
            "unsafe { void* p = Audio.Mixer.Alloc(8); Audio.Mixer.Free(p); Audio.Mixer.Free({|EMMA1004:p|}); }", isProgram: true);

    /// <summary>A heap's class is partial: what its users have added means what it means.</summary>
    [Fact]
    public async Task Overloads_of_the_users_own_are_no_methods_of_the_heap() =>
        await MatchesSourceAsync(
            """
            namespace Audio
            {
                unsafe struct Voice { }
                static unsafe partial class Mixer
                {
                    public static Voice* Alloc(string name) => null;
                    public static void Free(Voice* voice) { }
                    public static void Destroy(Voice* voice) { }
                }
                static unsafe class C
                {
                    static void M(Voice* voice)
                    {
                        Mixer.Alloc("a");
                        Mixer.Free(voice);
                        Mixer.Free(voice);
                        void* p = Mixer.Alloc(8);
                        Mixer.Destroy(voice);
                        Mixer.Free(p);
                    }
                }
            }
            """);

    private static string Method(string body) =>
        $$"""
        using System.Runtime.InteropServices;
        using Audio;
        unsafe struct Node { public int Value; public Node* Next; }
        static unsafe class C
        {
            static void* s_field;
            static nint s_nint;
            static int s_number;
            static void Use(void* p) { }
            static void Change(ref void* p) { }
            static void M(void* p, int n, Mixer.HeapArena arena) { {{body}} }
        }
        """;

    private static Task MatchesAsync(string body) => MatchesSourceAsync(Method(body));

    private static async Task MatchesSourceAsync(string marked, bool isProgram = false)
    {
        Markup markup = Markup.Parse(marked);
        CSharpCompilation compilation = s_heaps
            .AddSyntaxTrees(CSharpSyntaxTree.ParseText(markup.Source, new TestProject().ParseOptions))
            .WithOptions(s_heaps.Options.WithOutputKind(isProgram ? OutputKind.ConsoleApplication : OutputKind.DynamicallyLinkedLibrary));
        Assert.Empty(compilation.GetDiagnostics().Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error));

        List<Exception> exceptions = [];
        ImmutableArray<Diagnostic> found = await compilation
            .WithAnalyzers([new MisuseAnalyzer()], new CompilationWithAnalyzersOptions(
                new AnalyzerOptions([]),
                (exception, _, _) => exceptions.Add(exception),
                concurrentAnalysis: false,
                logAnalyzerExecutionTime: false))
            .GetAnalyzerDiagnosticsAsync();

        Assert.Empty(exceptions);
        Assert.Equal(
            markup.Expected,
            found.Select(diagnostic => (diagnostic.Id, diagnostic.Location.SourceSpan.Start, diagnostic.Location.SourceSpan.End))
                .OrderBy(mark => mark.Start).ThenBy(mark => mark.Id, StringComparer.Ordinal));
    }
}
