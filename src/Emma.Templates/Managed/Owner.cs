namespace Emma.Templates;

using ClrArgumentOutOfRangeException = global::System.ArgumentOutOfRangeException;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrInvalidOperationException = global::System.InvalidOperationException;
using ClrMemoryHandle = global::System.Buffers.MemoryHandle;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrObjectDisposedException = global::System.ObjectDisposedException;
using ClrVolatile = global::System.Threading.Volatile;

// Managed, the topmost layer: memory of the heap in the types that .NET code hands around. Nothing of it is compiled, and nothing
// allocated, before it is used.
//
// Basic design
//   An Owner stands between a block and everybody who has a Memory of it. One word says whether it was disposed, how often it is pinned
//   and, for owners that are used again, how often it was rented. Of all who dispose and unpin at once, one finds that it was disposed and
//   that no pin is left, and frees. There is no finalizer: an owner that is dropped keeps its block, as a dropped pointer does, and the
//   statistics say how many are out. Destroy begins another era of the heap: owners and arenas of before free nothing any more.
//
// Invariants
//   * An owner's state becomes "disposed, no pin" once for each use, and whoever brings it there frees the block.
//   * An owner lies in the pool only in that state; its token ascends from use to use.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // How often Destroy was called.
        internal static int Era => ClrVolatile.Read(ref State->Era);

        // A block that a Memory can lead to.
        internal sealed class Owner<T> : global::System.Buffers.MemoryManager<T>
            where T : unmanaged
        {
            // The state: pins in the lowest bits, then whether it was disposed, then the token: 0 for an owner that is used once, else how
            // often it was rented.
            private const int DisposedShift = 20;
            private const int TokenShift = DisposedShift + 1;
            private const long Disposed = 1L << DisposedShift;
            private const long PinMask = Disposed - 1;

            private T* _elements;
            private long _state = Disposed;
            private int _length;
            private int _era;

            internal long Token => ClrVolatile.Read(ref _state) >> TokenShift;

            internal int Length => _length;

            // Gets a block; the owner has none. If this throws, nothing is out.
            internal void Begin(int length, bool zeroed, long token)
            {
                nuint bytes = Product((nuint)length, (nuint)sizeof(T));
                Begin(zeroed ? AllocZeroed(bytes) : Alloc(bytes), length, token);
            }

            // The same for whoever does with less, so that nobody is asked to make room. False: there is none.
            internal bool TryBegin(int length)
            {
                void* block = AllocateBlock(Product((nuint)length, (nuint)sizeof(T)), zeroed: false);
                if (block == null)
                    return false;

                Begin(block, length, token: 0);
                return true;
            }

            // Begins without a block, which comes with the first resizing.
            internal void BeginEmpty() => Begin(null, 0, 0);

            private void Begin(void* block, int length, long token)
            {
                _elements = (T*)block;
                _length = length;
                _era = Era;
                Loaned->Add(Loans.Owners, 1);
                ClrVolatile.Write(ref _state, token << TokenShift);
            }

            // Ends one use of the owner, if it is that of a token and has not ended: the block goes with the last pin.
            internal void End(long token)
            {
                long state = ClrVolatile.Read(ref _state);
                while ((state & Disposed) == 0 && state >> TokenShift == token)
                {
                    long seen = ClrInterlocked.CompareExchange(ref _state, state | Disposed, state);
                    if (seen == state)
                    {
                        if ((state & PinMask) == 0)
                            GiveBack();
                        return;
                    }

                    state = seen;
                }
            }

            // Changes the length, and moves the elements if need be. Nobody else uses the owner meanwhile. If it throws, nothing changed.
            internal void Resize(int length)
            {
                RequireUnpinned();
                _elements = (T*)Realloc(_elements, Product((nuint)length, (nuint)sizeof(T)));
                _length = length;
            }

            // The same for whoever does with less, so that nobody is asked to make room. False: there is none.
            internal bool TryResize(int length)
            {
                RequireUnpinned();
                nuint bytes = Product((nuint)length, (nuint)sizeof(T));
                void* block = _elements == null
                    ? AllocateBlock(bytes, zeroed: false)
                    : ReallocateBlock(_elements, bytes, SizeClasses.Granularity);
                if (block == null)
                    return false;

                _elements = (T*)block;
                _length = length;
                return true;
            }

            private void RequireUnpinned()
            {
                RequireLive();
                if ((ClrVolatile.Read(ref _state) & PinMask) != 0)
                    throw new ClrInvalidOperationException($"{HeapName}: the memory is pinned, and would have to move to grow.");
            }

            // Refuses a use of the owner that is over, or another one's.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void RequireUse(long token)
            {
                if (Token != token)
                    ThrowDisposed();
                RequireLive();
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void RequireLive()
            {
                if ((ClrVolatile.Read(ref _state) & Disposed) != 0 || _era != Era)
                    ThrowDisposed();
            }

            public override global::System.Span<T> GetSpan()
            {
                RequireLive();
                return new global::System.Span<T>(_elements, _length);
            }

            public override ClrMemoryHandle Pin(int elementIndex = 0)
            {
                RequireLive();
                if (unchecked((uint)elementIndex) > (uint)_length)
                    throw new ClrArgumentOutOfRangeException(nameof(elementIndex));

                long state = ClrVolatile.Read(ref _state);
                while (true)
                {
                    if ((state & Disposed) != 0)
                        ThrowDisposed();
                    if ((state & PinMask) == PinMask)
                        throw new ClrInvalidOperationException($"{HeapName}: the memory is pinned {PinMask} times.");
                    long seen = ClrInterlocked.CompareExchange(ref _state, state + 1, state);
                    if (seen == state)
                        break;
                    state = seen;
                }

                Loaned->Add(Loans.Pins, 1);
                return new ClrMemoryHandle(_elements + elementIndex, default, this);
            }

            public override void Unpin()
            {
                long state = ClrVolatile.Read(ref _state);
                while (true)
                {
                    if ((state & PinMask) == 0)
                        throw new ClrInvalidOperationException($"{HeapName}: the memory is not pinned, or was unpinned twice.");
                    long seen = ClrInterlocked.CompareExchange(ref _state, state - 1, state);
                    if (seen == state)
                        break;
                    state = seen;
                }

                if (_era == Era)
                    Loaned->Add(Loans.Pins, -1);
                if ((state & (Disposed | PinMask)) == (Disposed | 1))
                    GiveBack();
            }

            // Only an owner that is used once is disposed by itself.
            protected override void Dispose(bool disposing) => End(0);

            // Whoever comes here is the only one who has the owner.
            private void GiveBack()
            {
                void* block = _elements;
                _elements = null;
                if (_era == Era)
                {
                    Loaned->Add(Loans.Owners, -1);
                    Free(block);
                }

                if (Token != 0)
                    OwnerPool<T>.Give(this);
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static void ThrowDisposed() => throw new ClrObjectDisposedException(
                "memory", $"{HeapName}: the memory's owner was disposed, or the heap destroyed.");
        }
    }
}
