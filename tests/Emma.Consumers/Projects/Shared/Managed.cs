using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Consumer.Memory;

// Memory for .NET code, arenas and C callbacks, where the program is compiled ahead and what seems unused is left out.
internal static unsafe partial class Workout
{
    // obstack, a growing text of the C library that asks where its memory comes from.
    private const int ObstackBytes = 128;

    static partial void CheckManaged()
    {
        CheckOwners();
        CheckWriters();
        CheckArenas();
        CheckCallbacks();
        WorkoutHeap.HeapStatistics left = WorkoutHeap.GetStatistics();
        Expect(left.LiveOwners + left.LivePins + left.LiveArenas + left.LiveBlocks == 0, $"something is left: {left}");

        IMemoryOwner<int> stale = WorkoutHeap.Rent<int>(100);
        WorkoutHeap.HeapPooledMemory<long> stalePooled = WorkoutHeap.RentPooled<long>(100);
        WorkoutHeap.HeapArena staleArena = WorkoutHeap.CreateArena();
        staleArena.Alloc(100);
        WorkoutHeap.Destroy();
        Expect(Throws<ObjectDisposedException>(() => stale.Memory.ToString()), "an owner of before Destroy is not refused");
        Expect(Throws<ObjectDisposedException>(() => stalePooled.Memory.ToString()), "a pooled owner of before Destroy is not refused");
        Expect(Throws<ObjectDisposedException>(() => staleArena.Alloc(100_000)), "an arena of before Destroy is not refused");
        stale.Dispose();
        stalePooled.Dispose();
        staleArena.Dispose();
    }

    private static void CheckOwners()
    {
        using (IMemoryOwner<Guid> owner = WorkoutHeap.RentZeroed<Guid>(1000))
        using (WorkoutHeap.HeapPooledMemory<double> pooled = WorkoutHeap.RentPooled<double>(1000))
        using (IMemoryOwner<byte> buffer = WorkoutHeap.Pool.Rent(5000))
        using (MemoryHandle pin = owner.Memory.Pin())
        {
            Expect(owner.Memory.Length == 1000 && owner.Memory.Span[999] == default, "an owner has other elements than were asked for");
            pooled.Span.Fill(0.5);
            Expect(pooled.Memory.Span[999] == 0.5, "a pooled owner's elements have changed");
            buffer.Memory.Span.Fill(1);
            Expect(WorkoutHeap.Owns(pin.Pointer), "pinned memory is not the heap's");
            Expect(WorkoutHeap.GetStatistics().LivePins == 1, "a pin is not counted");
        }
    }

    private static void CheckWriters()
    {
        using WorkoutHeap.HeapBufferWriter writer = WorkoutHeap.CreateBufferWriter();
        using (Utf8JsonWriter json = new(writer))
        {
            json.WriteStartArray();
            for (int i = 0; i < 20_000; i++)
                json.WriteNumberValue(i);
            json.WriteEndArray();
        }

        using JsonDocument document = JsonDocument.Parse(writer.WrittenMemory);
        Expect(document.RootElement.GetArrayLength() == 20_000, "JSON is not what was written");
        using (StreamWriter text = new(writer.AsStream()))
        {
            text.BaseStream.Seek(0, SeekOrigin.End);
            text.Write("the end");
        }

        Expect(writer.WrittenSpan.EndsWith("the end"u8), "a stream did not write to its writer");

        using WorkoutHeap.HeapSequenceWriter sequence = WorkoutHeap.CreateSequenceWriter();
        for (int i = 0; i < 300; i++)
        {
            sequence.GetSpan(1000)[..1000].Fill((byte)i);
            sequence.Advance(1000);
        }

        ReadOnlySequence<byte> written = sequence.WrittenSequence;
        Expect(written.Length == 300_000 && !written.IsSingleSegment, "a sequence is not what was written");
    }

    private static void CheckArenas()
    {
        using WorkoutHeap.HeapArena arena = WorkoutHeap.CreateArena();
        long sum = 0;
        for (int round = 0; round < 3; round++)
        {
            WorkoutHeap.HeapArena.Checkpoint mark = arena.Mark();
            for (int i = 0; i < 10_000; i++)
                sum += arena.AllocZeroedSpan<long>(10)[9];
            arena.Rewind(mark);
            arena.Alloc(3 << 20);
            arena.Reset();
        }

        WorkoutHeap.HeapScopedArena scoped = WorkoutHeap.ScopedArena(stackalloc byte[256]);
        for (int i = 0; i < 100; i++)
            sum += scoped.AllocZeroedSpan<int>(10)[9];
        scoped.Dispose();
        Expect(sum == 0, "zeroed elements of an arena are not zero");
    }

    private static void CheckCallbacks()
    {
        byte* text = stackalloc byte[ObstackBytes];
        ObstackBegin(text, 4096, 16, WorkoutHeap.Callbacks.Malloc, WorkoutHeap.Callbacks.Free);
        fixed (byte* line = "a line of text\n\0"u8)
        {
            for (int i = 0; i < 10_000; i++)
                ObstackAppend(text, line);
        }

        WorkoutHeap.HeapStatistics during = WorkoutHeap.GetStatistics();
        Expect(during.InUseBytes >= 150_000 && during.HasCallbacks, $"C's text is not in the heap: {during}");
        ObstackEnd(text, null);

        byte* block = (byte*)WorkoutHeap.Callbacks.Calloc(10, 10);
        block = (byte*)WorkoutHeap.Callbacks.Realloc(block, 100_000);
        Expect(block[99] == 0 && WorkoutHeap.Callbacks.UsableSize(block) >= 100_000, "C's block is not what it has to be");
        WorkoutHeap.Free(block);
        Expect(WorkoutHeap.Callbacks.Malloc(nuint.MaxValue / 2) == null, "C got more than there is");
        Expect(WorkoutHeap.Callbacks.AlignedAlloc(3, 100) == null, "C got an alignment of 3");
        block = (byte*)WorkoutHeap.Callbacks.LuaAlloc(null, WorkoutHeap.Callbacks.ZlibAlloc(null, 10, 10), 100, 0);
        Expect(block == null, "a block that Lua frees is still there");
        WorkoutHeap.Callbacks.Sqlite.Free(WorkoutHeap.Callbacks.Sqlite.Malloc(100));

        // A thread that .NET has not made.
        nuint thread;
        void* made;
        _ = CreateThread(&thread, null, WorkoutHeap.Callbacks.Malloc, (void*)100);
        _ = Join(thread, &made);
        Expect(WorkoutHeap.UsableSize(made) >= 100, "a thread of C's got no block");
        WorkoutHeap.Free(made);
    }

    [LibraryImport("libc", EntryPoint = "_obstack_begin")]
    private static partial int ObstackBegin(
        byte* obstack,
        nint chunk,
        nint alignment,
        delegate* unmanaged[Cdecl]<nuint, void*> malloc,
        delegate* unmanaged[Cdecl]<void*, void> free);

    [LibraryImport("libc", EntryPoint = "obstack_printf")]
    private static partial int ObstackAppend(byte* obstack, byte* format);

    [LibraryImport("libc", EntryPoint = "obstack_free")]
    private static partial void ObstackEnd(byte* obstack, void* until);

    [LibraryImport("libc", EntryPoint = "pthread_create")]
    private static partial int CreateThread(
        nuint* thread, void* attributes, delegate* unmanaged[Cdecl]<nuint, void*> start, void* argument);

    [LibraryImport("libc", EntryPoint = "pthread_join")]
    private static partial int Join(nuint thread, void** result);
}
