using Basic.Reference.Assemblies;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Tests;

/// <summary>What a project gets from a heap that forbids unsafe code: the heap lies in a library that it uses.</summary>
public class SafeProjectTests
{
    private const string User =
        """
        using System;
        using System.Buffers;

        static class User
        {
            public static object Run()
            {
                Span<int> span = MyHeap.AllocSpan<int>(10);
                span.Fill(1);
                MyHeap.Free(span);
                using (IMemoryOwner<int> owner = MyHeap.Rent<int>(10))
                    owner.Memory.Span.Fill(2);
                using (MyHeap.HeapPooledMemory<int> owner = MyHeap.RentPooled<int>(10))
                    owner.Span.Fill(3);
                using (IMemoryOwner<byte> owner = MyHeap.Pool.Rent())
                    owner.Memory.Span.Fill(4);
                using MyHeap.HeapBufferWriter writer = MyHeap.CreateBufferWriter();
                writer.Write("abc"u8);
                writer.AsStream().CopyTo(System.IO.Stream.Null);
                using MyHeap.HeapSequenceWriter sequence = MyHeap.CreateSequenceWriter();
                sequence.Write(writer.WrittenSpan);
                using MyHeap.HeapArena arena = MyHeap.CreateArena();
                MyHeap.HeapArena.Checkpoint mark = arena.Mark();
                arena.AllocSpan<long>(100).Fill(5);
                arena.Rewind(mark);
                using (MyHeap.HeapScopedArena scoped = MyHeap.ScopedArena(stackalloc byte[100]))
                {
                    scoped.AllocSpan<byte>(50).Fill(6);
                    scoped.AllocSpan<byte>(100).Fill(7);
                }

                nint block = MyHeap.ReAllocHGlobal(MyHeap.AllocHGlobal(10), 100);
                MyHeap.FreeHGlobal(block);
                return sequence.WrittenCount;
            }
        }
        """;

    [Theory]
    [InlineData("")]
    [InlineData(", Hardened = true")]
    public void All_that_takes_and_gives_spans_and_memory_works_in_a_project_without_unsafe_code(string form)
    {
        byte[] library = new TestProject($"""[assembly: Emma.EmmaAllocator("MyHeap", Public = true{form})]""")
        {
            AssemblyName = "Library",
            References = [.. Net100.References.All],
        }.Generate().Emit();
        TestProject user = new(User)
        {
            References = [.. Net100.References.All, MetadataReference.CreateFromImage(library)],
        };
        user = user with { Options = user.Options.WithAllowUnsafe(false) };
        using PluginAssembly assembly = new(user.Generate().Emit(), library);

        Assert.Equal(3L, assembly.Call("User", "Run"));
    }
}
