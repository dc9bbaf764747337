namespace Emma.Templates;

using ClrArgumentException = global::System.ArgumentException;
using ClrArgumentOutOfRangeException = global::System.ArgumentOutOfRangeException;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrInvalidOperationException = global::System.InvalidOperationException;
using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrNativeMemory = global::System.Runtime.InteropServices.NativeMemory;
using ClrObjectDisposedException = global::System.ObjectDisposedException;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// Blocks that are freed all at once, from <c>CreateArena</c>: one behind the other in chunks of this heap. An allocation is an
    /// addition; there is nothing to free one by one.
    /// </summary>
    /// <remarks>
    /// Only one thread at a time may use it; with <c>BoundaryChecks</c> two at once are refused, and memory that was given up is filled
    /// with <c>0xDD</c>. No finalizer: dispose it. <c>Free</c> of the heap refuses what lies in a chunk of more than 32 KiB, with
    /// <c>BoundaryChecks</c> in any.
    /// </remarks>
    public sealed class HeapArena : global::System.IDisposable
    {
        internal const nuint DefaultChunkBytes = 64 << 10;

        // Chunks double up to this: what a last one wastes is bounded, and a heap serves them without a mapping of their own.
        private const nuint MaxChunkBytes = 1 << 20;
        private const nuint MinChunkBytes = 256;

        // A chunk is left with at most this part of it unused; what does not fit before gets a chunk of its own.
        private const nuint WasteShare = 4;

        private const nuint Granularity = HeapInternals.SizeClasses.Granularity;

        // Where the next block begins, and where the chunk ends: both multiples of 16, and 0 without a chunk.
        private nuint _next;
        private nuint _end;

        // Chunks in the order of their use; those behind the current one wait to be used again.
        private HeapInternals.ArenaChunk* _first;
        private HeapInternals.ArenaChunk* _current;

        // Chunks of one block each, the latest first.
        private HeapInternals.ArenaChunk* _alone;

        // Bytes of the chunk to be made next; 0: disposed.
        private nuint _chunkBytes;
        private long _lastNumber;

        // How often Reset was called: marks of before hold no more.
        private long _resets;
        private readonly int _era;

        // In a heap that checks: whether a thread is at work.
        private int _busy;

        internal HeapArena(nuint chunkBytes)
        {
            _chunkBytes = ClrMath.Max(chunkBytes, MinChunkBytes);
            _era = HeapInternals.Era;
            HeapInternals.Loaned->Add(HeapInternals.Loans.Arenas, 1);
        }

        /// <summary>A position in an arena that <c>Rewind</c> goes back to.</summary>
        public readonly struct Checkpoint
        {
            internal readonly HeapArena? Arena;
            internal readonly nuint Next;
            internal readonly long Number;
            internal readonly long LastNumber;
            internal readonly long Resets;

            internal Checkpoint(HeapArena arena, nuint next, long number, long lastNumber, long resets)
            {
                Arena = arena;
                Next = next;
                Number = number;
                LastNumber = lastNumber;
                Resets = resets;
            }
        }

        /// <summary>Allocates a block. Its contents are undefined.</summary>
        /// <param name="byteCount">Bytes; 0 gives a unique block too.</param>
        /// <returns>The block, at a multiple of 16; never null. It goes with <c>Reset</c>, <c>Rewind</c> or <c>Dispose</c>.</returns>
        /// <exception cref="global::System.ObjectDisposedException">The arena was disposed, or the heap destroyed.</exception>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the arena is
        /// unchanged.</exception>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        public void* Alloc(nuint byteCount)
        {
            nuint block = _next;
            if (!HeapInternals.ChecksBoundaries && unchecked(byteCount - 1 < _end - block))
            {
                _next = unchecked(block + ((byteCount + (Granularity - 1)) & ~(Granularity - 1)));
                return (void*)block;
            }

            return AllocSlowly(byteCount, Granularity);
        }

        /// <summary>Allocates a block at a multiple of an alignment. Its contents are undefined.</summary>
        /// <param name="byteCount">Bytes; 0 gives a unique block too.</param>
        /// <param name="alignment">Bytes; a power of two.</param>
        /// <returns>The block; never null. It goes with <c>Reset</c>, <c>Rewind</c> or <c>Dispose</c>.</returns>
        /// <exception cref="global::System.ArgumentException"><paramref name="alignment"/> is not a power of two.</exception>
        /// <exception cref="global::System.ObjectDisposedException">The arena was disposed, or the heap destroyed.</exception>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the arena is
        /// unchanged.</exception>
        public void* Alloc(nuint byteCount, nuint alignment)
        {
            HeapInternals.RequireAlignment(alignment);
            return alignment <= Granularity ? Alloc(byteCount) : AllocSlowly(byteCount, alignment);
        }

        /// <summary>Allocates a block of zeros.</summary>
        /// <param name="byteCount">Bytes that are zero; 0 gives a unique block too.</param>
        /// <returns>The block, at a multiple of 16; never null. It goes with <c>Reset</c>, <c>Rewind</c> or <c>Dispose</c>.</returns>
        /// <exception cref="global::System.ObjectDisposedException">The arena was disposed, or the heap destroyed.</exception>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the arena is
        /// unchanged.</exception>
        public void* AllocZeroed(nuint byteCount)
        {
            void* block = Alloc(byteCount);
            ClrNativeMemory.Clear(block, byteCount);
            return block;
        }

        /// <summary>Allocates a block for elements of a type. Their contents are undefined.</summary>
        /// <typeparam name="T">An unmanaged type.</typeparam>
        /// <param name="count">Elements; 0 gives a unique block too.</param>
        /// <returns>The first element, at a multiple of 16; never null.</returns>
        /// <exception cref="global::System.ObjectDisposedException">The arena was disposed, or the heap destroyed.</exception>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the arena is
        /// unchanged.</exception>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        public T* Alloc<T>(nuint count = 1)
            where T : unmanaged => (T*)Alloc(HeapInternals.Product(count, (nuint)sizeof(T)));

        /// <summary>Allocates a block for elements of a type, all of them zero.</summary>
        /// <typeparam name="T">An unmanaged type.</typeparam>
        /// <param name="count">Elements; 0 gives a unique block too.</param>
        /// <returns>The first element, at a multiple of 16; never null.</returns>
        /// <exception cref="global::System.ObjectDisposedException">The arena was disposed, or the heap destroyed.</exception>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the arena is
        /// unchanged.</exception>
        public T* AllocZeroed<T>(nuint count = 1)
            where T : unmanaged => (T*)AllocZeroed(HeapInternals.Product(count, (nuint)sizeof(T)));

        /// <summary>Allocates a block for elements of a type and returns it as a span. Their contents are undefined.</summary>
        /// <typeparam name="T">An unmanaged type.</typeparam>
        /// <param name="length">Elements.</param>
        /// <returns>The elements, which go with <c>Reset</c>, <c>Rewind</c> or <c>Dispose</c>.</returns>
        /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="length"/> is negative.</exception>
        /// <exception cref="global::System.ObjectDisposedException">The arena was disposed, or the heap destroyed.</exception>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the arena is
        /// unchanged.</exception>
        public global::System.Span<T> AllocSpan<T>(int length)
            where T : unmanaged
        {
            ClrArgumentOutOfRangeException.ThrowIfNegative(length);
            return new global::System.Span<T>(Alloc<T>((nuint)length), length);
        }

        /// <summary>Allocates a block for elements of a type, all of them zero, and returns it as a span.</summary>
        /// <typeparam name="T">An unmanaged type.</typeparam>
        /// <param name="length">Elements.</param>
        /// <returns>The elements, which go with <c>Reset</c>, <c>Rewind</c> or <c>Dispose</c>.</returns>
        /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="length"/> is negative.</exception>
        /// <exception cref="global::System.ObjectDisposedException">The arena was disposed, or the heap destroyed.</exception>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the arena is
        /// unchanged.</exception>
        public global::System.Span<T> AllocZeroedSpan<T>(int length)
            where T : unmanaged
        {
            global::System.Span<T> span = AllocSpan<T>(length);
            span.Clear();
            return span;
        }

        /// <summary>Notes how much is allocated, for <c>Rewind</c>.</summary>
        /// <returns>The position. It holds until <c>Reset</c>, or <c>Rewind</c> to an earlier one.</returns>
        /// <exception cref="global::System.ObjectDisposedException">The arena was disposed, or the heap destroyed.</exception>
        public Checkpoint Mark()
        {
            RequireLive();
            return new Checkpoint(this, _next, NumberOf(_current), _lastNumber, _resets);
        }

        /// <summary>Frees what was allocated since a mark, all at once. Chunks are kept, but for those of single large blocks.</summary>
        /// <param name="mark">A position of this arena.</param>
        /// <exception cref="global::System.ArgumentException"><paramref name="mark"/> is of another arena, or of before <c>Reset</c>, or
        /// what it stands behind was given up and is not allocated again: nothing has changed.</exception>
        /// <exception cref="global::System.ObjectDisposedException">The arena was disposed, or the heap destroyed.</exception>
        public void Rewind(Checkpoint mark)
        {
            Enter();
            try
            {
                RequireLive();
                long current = NumberOf(_current);
                if (mark.Arena != this
                    || mark.Resets != _resets
                    || mark.Number > current
                    || (mark.Number == current && mark.Next > _next))
                {
                    throw new ClrArgumentException(
                        $"{HeapInternals.HeapName}: the mark is none of this arena, or was given up.", nameof(mark));
                }

                RewindTo(mark);
            }
            finally
            {
                Leave();
            }
        }

        /// <summary>
        /// Frees all blocks at once, in time that depends on the number of chunks. Chunks are kept, but for those of single large blocks.
        /// </summary>
        /// <exception cref="global::System.ObjectDisposedException">The arena was disposed, or the heap destroyed.</exception>
        public void Reset()
        {
            Enter();
            try
            {
                RequireLive();
                RewindTo(default);
                _resets++;
            }
            finally
            {
                Leave();
            }
        }

        /// <summary>
        /// Frees all blocks and the chunks. A second call does nothing, and so does one after <c>Destroy</c> of the heap.
        /// </summary>
        public void Dispose()
        {
            Enter();
            try
            {
                if (_chunkBytes == 0)
                    return;

                bool isLive = _era == HeapInternals.Era;
                if (isLive)
                    RewindTo(default);
                HeapInternals.ArenaChunk* chunk = isLive ? _first : null;
                _next = 0;
                _end = 0;
                _first = null;
                _current = null;
                _alone = null;
                _chunkBytes = 0;
                if (!isLive)
                    return;

                HeapInternals.Loaned->Add(HeapInternals.Loans.Arenas, -1);
                while (chunk != null)
                {
                    HeapInternals.ArenaChunk* next = chunk->Next;
                    HeapInternals.ArenaChunk.Destroy(chunk);
                    chunk = next;
                }
            }
            finally
            {
                Leave();
            }
        }

        private static long NumberOf(HeapInternals.ArenaChunk* chunk) => chunk == null ? 0 : chunk->Number;

        // Everything but what fits where the last block ends, and in a heap that checks that too.
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        private void* AllocSlowly(nuint byteCount, nuint alignment)
        {
            if (byteCount > HeapInternals.AddressSpace.MaxBytes || alignment > HeapInternals.AddressSpace.MaxBytes)
                HeapInternals.FailAllocation(null, byteCount, alignment, zeroed: false, throws: true);

            nuint bytes = HeapInternals.AlignUp(ClrMath.Max(byteCount, 1), Granularity);
            // As much as the block takes wherever its chunk begins.
            nuint most = bytes + alignment - Granularity;
            void* block = TryAllocSlowly(bytes, most, alignment);
            return block != null ? block : AllocAfterFailure(most, alignment);
        }

        // Null: there is no room.
        private void* TryAllocSlowly(nuint bytes, nuint most, nuint alignment)
        {
            Enter();
            try
            {
                RequireLive();
                nuint block = HeapInternals.AlignUp(_next, alignment);
                if (block + bytes > _end || _end == 0)
                {
                    if (!TryMoveOn(most))
                    {
                        nuint length = HeapInternals.ArenaChunk.HeaderBytes + most;
                        return AllocAlone(HeapInternals.ArenaChunk.TryCreate(length, _lastNumber + 1), alignment);
                    }

                    block = HeapInternals.AlignUp(_next, alignment);
                }

                _next = block + bytes;
                HeapInternals.Assert(_next <= _end);
                return (void*)block;
            }
            finally
            {
                Leave();
            }
        }

        // Asks the handler, which may use the arena, reset it or dispose it.
        private void* AllocAfterFailure(nuint most, nuint alignment)
        {
            nuint length = HeapInternals.ArenaChunk.HeaderBytes + most;
            void* memory = HeapInternals.FailAllocation(null, length, Granularity, zeroed: false, throws: true);
            Enter();
            try
            {
                if (!IsLive)
                    HeapInternals.ReleaseBlock(memory);
                RequireLive();
                return AllocAlone(HeapInternals.ArenaChunk.Begin(memory, length, _lastNumber + 1), alignment);
            }
            finally
            {
                Leave();
            }
        }

        // Goes to the next chunk, or makes it, if that has room for so many bytes and not too much of this one is wasted.
        private bool TryMoveOn(nuint bytes)
        {
            HeapInternals.ArenaChunk* next = _current == null ? _first : _current->Next;
            nuint room = (next == null ? _chunkBytes : next->End) - HeapInternals.ArenaChunk.HeaderBytes;
            if (bytes > (room & ~(Granularity - 1)) || (_current != null && _end - _next > _current->Bytes / WasteShare))
                return false;

            if (next == null)
            {
                next = HeapInternals.ArenaChunk.TryCreate(_chunkBytes, _lastNumber + 1);
                if (next == null)
                    return false;

                _lastNumber++;
                _chunkBytes = ClrMath.Max(_chunkBytes, ClrMath.Min(2 * _chunkBytes, MaxChunkBytes));
                if (_current == null)
                    _first = next;
                else
                    _current->Next = next;
            }

            UseFrom(next, (nuint)next + HeapInternals.ArenaChunk.HeaderBytes);
            return true;
        }

        private void UseFrom(HeapInternals.ArenaChunk* chunk, nuint next)
        {
            _current = chunk;
            _next = next;
            _end = chunk == null ? 0 : (nuint)chunk + chunk->End;
        }

        // A block in a chunk of its own, null if there is none; what is left of the current one serves on.
        private void* AllocAlone(HeapInternals.ArenaChunk* chunk, nuint alignment)
        {
            if (chunk == null)
                return null;

            _lastNumber++;
            chunk->Next = _alone;
            _alone = chunk;
            return (void*)HeapInternals.AlignUp((nuint)chunk + HeapInternals.ArenaChunk.HeaderBytes, alignment);
        }

        // Gives up what lies behind a position; the default one is the beginning.
        private void RewindTo(Checkpoint mark)
        {
            while (_alone != null && _alone->Number > mark.LastNumber)
            {
                HeapInternals.ArenaChunk* chunk = _alone;
                _alone = chunk->Next;
                Poison((nuint)chunk + HeapInternals.ArenaChunk.HeaderBytes, (nuint)chunk + chunk->Bytes);
                HeapInternals.ArenaChunk.Destroy(chunk);
            }

            HeapInternals.ArenaChunk* target = null;
            for (HeapInternals.ArenaChunk* chunk = _current == null ? null : _first; chunk != null; chunk = chunk->Next)
            {
                bool isTarget = chunk->Number == mark.Number;
                if (isTarget)
                    target = chunk;
                if (chunk->Number >= mark.Number)
                {
                    Poison(
                        isTarget ? mark.Next : (nuint)chunk + HeapInternals.ArenaChunk.HeaderBytes,
                        chunk == _current ? _next : (nuint)chunk + chunk->End);
                }

                if (chunk == _current)
                    break;
            }

            UseFrom(target, mark.Next);
        }

        private static void Poison(nuint start, nuint end)
        {
            if (HeapInternals.ChecksBoundaries && end != start)
                ClrNativeMemory.Fill((void*)start, end - start, HeapInternals.ArenaChunk.Poison);
        }

        private bool IsLive => _chunkBytes != 0 && _era == HeapInternals.Era;

        private void RequireLive()
        {
            if (!IsLive)
            {
                throw new ClrObjectDisposedException(
                    nameof(HeapArena), $"{HeapInternals.HeapName}: the arena was disposed, or the heap destroyed.");
            }
        }

        private void Enter()
        {
            if (HeapInternals.ChecksBoundaries && ClrInterlocked.Exchange(ref _busy, 1) != 0)
                throw new ClrInvalidOperationException($"{HeapInternals.HeapName}: two threads use an arena at once.");
        }

        private void Leave()
        {
            if (HeapInternals.ChecksBoundaries && _busy != 0)
                ClrVolatile.Write(ref _busy, 0);
        }
    }
}
