namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrLayoutKind = global::System.Runtime.InteropServices.LayoutKind;
using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrNativeMemory = global::System.Runtime.InteropServices.NativeMemory;
using ClrStructLayout = global::System.Runtime.InteropServices.StructLayoutAttribute;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Blocks with a mapping of their own: larger than half a segment, aligned to more than a page run can be, or, under a limit, of a
        // size that pages of 64 KiB would waste too much on. A block's size is the mapped length in its slot word. Freed mappings wait in a
        // small cache, oldest first out, because the kernel takes milliseconds to map, fill and unmap what a program often asks for again
        // at once. One that is too long is cut in two, and one that is too short grows: its pages are what it is kept for, and a program
        // whose sizes vary seldom finds one that fits.
        // Whoever changes a slot from Large to Busy owns the block, so that of two frees one is refused. The lock covers the cache alone.
        [ClrStructLayout(ClrLayoutKind.Sequential, Size = Root.CacheLine + MaxCachedUnderLimit * sizeof(ulong))]
        internal partial struct LargeBlocks
        {
            // Half a segment: above it a page run would waste too much of one.
            internal const nuint Threshold = Segment.Size / 2;

            // The largest alignment that a page run can have.
            internal const nuint MaxRunAlignment = Segment.Size / 2;

            // The most bytes the cache keeps mapped: a few frames or buffers of the usual sizes, not a program's peak; twice as many where
            // four times as many are live, because what is live then rises and falls by more.
            internal const nuint MaxCachedBytes = (nuint)64 << 20;

            // Under a limit, a block of which a page run would waste more than an eighth gets a mapping of its own.
            private const int WasteShift = 3;

            // But not one so small that a limit buys more than so many of them: a process has 65 530 mappings as a rule (vm.max_map_count),
            // and its other parts need some.
            private const nuint MaxSmallMappings = 8192;

            // The mapping freed last, which counts below as a live block still (FreedMapping).
            private nuint _freedLast;

            private Lock _lock;
            private int _cachedCount;
            private long _cachedBytes;
            private long _count;
            private long _bytes;
            private long _everAllocated;
            private CachedMappings _cached;

            internal readonly long Count
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => ClrMath.Max(ClrVolatile.Read(in _count) - (ClrVolatile.Read(in _freedLast) == 0 ? 0 : 1), 0);
            }

            // Blocks ever allocated.
            internal readonly long EverAllocated => ClrVolatile.Read(in _everAllocated);

            // Bytes of the live blocks.
            internal readonly nuint Bytes
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => (nuint)ClrMath.Max(ClrVolatile.Read(in _bytes) - (long)BytesFreedLast, 0);
            }

            // Whether blocks of a size above that of small ones, at multiples of an alignment, have mappings of their own.
            internal static bool Takes(nuint size, nuint alignment) =>
                !FitsPages(size, alignment) || (Policy.IsLimited && IsWastedOnPages(size));

            // Whether such a block may be a page run.
            internal static bool FitsPages(nuint size, nuint alignment) =>
                !IsHardened && size <= Threshold && alignment <= MaxRunAlignment;

            private static bool IsWastedOnPages(nuint size)
            {
                nuint length = LengthFor(size);
                return AlignUp(size, Segment.PageSize) - length > length >> WasteShift
                    && (nuint)Policy.Limit / MaxSmallMappings <= length;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nuint LengthFor(nuint size) => AlignUp(size, Heap->KernelPage);

            // Allocates a block of at least a size, zeroed if asked to; 0 if the limit or the kernel refuses.
            // size: Bytes.
            // alignment: A power of two.
            // zeroed: Whether it must be all zeros.
            // givingIsHeld: Whether the caller holds the lock of giving back; else it holds none.
            internal nuint Allocate(nuint size, nuint alignment, bool zeroed, bool givingIsHeld)
            {
                if (size > AddressSpace.MaxBytes || alignment > AddressSpace.MaxBytes)
                    return 0;

                nuint length = LengthFor(size);
                nuint address = TakeFreedLast(length, alignment, givingIsHeld);
                if (address != 0)
                {
                    if (zeroed)
                        ClrNativeMemory.Clear((void*)address, size);
                    return address;
                }

                address = TakeCached(ref length, alignment, givingIsHeld, out nuint usedBytes);
                if (address != 0)
                {
                    if (zeroed)
                        ClrNativeMemory.Clear((void*)address, ClrMath.Min(usedBytes, size));
                }
                else
                {
                    address = Space->Map(length, alignment, SlotKind.Busy);
                    if (address == 0)
                        return 0;
                    if (length <= MaxCachedBytes)
                        AdviseHugePages(address, 0, length);
                }

                Register(address, length);
                return address;
            }

            // Frees a block: in a hardened heap its pages are gone at once. False: no live block begins there.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal bool TryFree(nuint address)
            {
                nuint length = TryOwn(address);
                if (length == 0)
                    return false;

                FreeOwned(address, length);
                return true;
            }

            // Makes a live block the caller's alone, for as long as it is resized: nobody frees it meanwhile.
            // Returns: its length; 0: no live block begins there.
            internal readonly nuint TryOwn(nuint address) => Space->TryOwn(address, SlotKind.Large);

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal readonly void Disown(nuint address, nuint length) => Space->Publish(address, length, SlotKind.Large);

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal void FreeOwned(nuint address, nuint length)
            {
                if (TryKeepFreed(address, length))
                    return;

                Unregister(address, length);
                if (IsHardened || length > MaxCachedBytes || Space->IsOverLimit)
                    Space->Unmap(address, length);
                else
                    Cache(address, length);
            }

            // Resizes a block that the caller owns where it lies, and disowns it. False: it must move, and is the caller's still.
            internal bool TryResizeInPlace(nuint address, nuint oldLength, nuint size)
            {
                nuint length = LengthFor(size);
                if (length <= oldLength)
                {
                    if (oldLength - length > length >> SlackShift)
                        Shrink(address, oldLength, length);
                    else
                        Disown(address, oldLength);
                    return true;
                }

                return TryGrowInPlace(address, oldLength, WithSlack(length)) || TryGrowInPlace(address, oldLength, length);
            }

            // Grows a block that the caller owns by moving its pages, not its bytes, to a place with room, and disowns it there. 0: the
            // kernel or the limit refuses, and it is the caller's still.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal nuint TryMove(nuint address, nuint oldLength, nuint size, nuint alignment)
            {
                nuint length = LengthFor(size);
                if (length <= oldLength)
                    return 0;

                nuint target = TryMoveTo(address, oldLength, WithSlack(length), alignment);
                return target != 0 ? target : TryMoveTo(address, oldLength, length, alignment);
            }

            // Forgets every block: their memory is gone.
            internal void Reset()
            {
                _cachedCount = 0;
                _cachedBytes = 0;
                _freedLast = 0;
                _count = 0;
                _bytes = 0;
            }

            // A block that grows once grows again, as a rule: it gets up to an eighth more, addresses until it is used. Not a page above
            // that, or the next call, which asks for a little more, would find it too long. Bytes.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static nuint WithSlack(nuint length) => length + ((length >> SlackShift) & ~(Heap->KernelPage - 1));

            private bool TryGrowInPlace(nuint address, nuint oldLength, nuint length)
            {
                ref AddressSpace space = ref *Space;
                if (!space.TryCharge(length - oldLength))
                    return false;

                if (TryExtend(address, oldLength, length))
                {
                    space.NotePeak();
                    // Counted before it shows: should the thread end here, whoever frees the block does not take away more than was
                    // counted.
                    ClrInterlocked.Add(ref _bytes, (long)(length - oldLength));
                    SetTail(address, oldLength, length, PageMap.LargeTail);
                    Disown(address, length);
                    return true;
                }

                space.Uncharge(length - oldLength);
                return false;
            }

            private nuint TryMoveTo(nuint address, nuint oldLength, nuint length, nuint alignment)
            {
                ref AddressSpace space = ref *Space;
                if (!space.TryCharge(length - oldLength))
                    return 0;

                nuint target = TryMovePages(address, oldLength, length, alignment);
                if (target == 0)
                {
                    space.Uncharge(length - oldLength);
                    return 0;
                }

                Unregister(address, oldLength);
                space.FreeSlots(address, oldLength);
                Register(target, length);
                return target;
            }

            private void Register(nuint address, nuint length)
            {
                PageMap.Set(address, length, PageMap.Large, PageMap.LargeTail);
                Space->NotePeak();
                Space->Publish(address, length, SlotKind.Large);
                ClrInterlocked.Increment(ref _count);
                ClrInterlocked.Increment(ref _everAllocated);
                ClrInterlocked.Add(ref _bytes, (long)length);
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private void Unregister(nuint address, nuint length)
            {
                PageMap.Set(address, length, PageMap.None, PageMap.None);
                ClrInterlocked.Decrement(ref _count);
                ClrInterlocked.Add(ref _bytes, -(long)length);
            }

            // Gives the kernel the tail of a block. If it refuses, the block stays as long as it was.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void Shrink(nuint address, nuint oldLength, nuint length)
            {
                // The class bytes go first: with the slots, they may be another block's at once.
                SetTail(address, length, oldLength, PageMap.None);
                if (Space->TryUnmapTail(address, oldLength, length))
                {
                    ClrInterlocked.Add(ref _bytes, -(long)(oldLength - length));
                    Disown(address, length);
                }
                else
                {
                    SetTail(address, length, oldLength, PageMap.LargeTail);
                    Disown(address, oldLength);
                }
            }

            // Sets the class of the pages that a block has at the longer of two lengths and not at the shorter.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static void SetTail(nuint address, nuint shorter, nuint longer, int pageClass)
            {
                nuint begin = address + AlignUp(shorter, Segment.PageSize);
                nuint end = address + AlignUp(longer, Segment.PageSize);
                if (begin < end)
                    PageMap.Set(begin, end - begin, pageClass, pageClass);
            }
        }
    }
}
