namespace Emma.Templates;

using ClrException = global::System.Exception;
using ClrFile = global::System.IO.File;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrNativeMemory = global::System.Runtime.InteropServices.NativeMemory;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// Blocks with a mapping of their own: larger than half a segment, or aligned to more than a page run can be. A block's size is the
    /// mapped length in its slot word. Freed mappings wait in a small cache, oldest first out, because the kernel takes milliseconds to
    /// map, fill and unmap what a program often asks for again at once.
    /// </summary>
    /// <remarks>
    /// Whoever changes a slot from Large to Busy owns the block, so that of two frees one is refused. The lock covers the cache alone.
    /// </remarks>
    private struct LargeBlocks
    {
        /// <summary>Half a segment: above it a page run would waste too much of one.</summary>
        internal const nuint Threshold = Segment.Size / 2;

        /// <summary>The most bytes the cache keeps mapped: a few frames or buffers of the usual sizes, not a program's peak.</summary>
        internal const nuint MaxCachedBytes = (nuint)64 << 20;

        private const int MaxCached = 16;

        /// <summary>A cached mapping may exceed what is asked for by 1/8; what is more goes back to the kernel.</summary>
        private const int SlackShift = 3;

        private Lock _lock;
        private int _cachedCount;
        private long _cachedBytes;
        private long _count;
        private long _bytes;
        private long _everAllocated;
        private fixed ulong _cached[MaxCached];

        internal readonly long Count => ClrVolatile.Read(in _count);

        /// <summary>Blocks ever allocated.</summary>
        internal readonly long EverAllocated => ClrVolatile.Read(in _everAllocated);

        /// <summary>Bytes of the live blocks.</summary>
        internal readonly nuint Bytes => (nuint)ClrVolatile.Read(in _bytes);

        /// <summary>Bytes of the cache.</summary>
        internal readonly nuint CachedBytes => (nuint)ClrVolatile.Read(in _cachedBytes);

        internal static nuint LengthFor(nuint size) => AddressSpace.AlignUp(size, AddressSpace.OsPageSize);

        /// <summary>Allocates a block of at least a size, zeroed if asked to; 0 if the limit or the kernel refuses.</summary>
        internal nuint Allocate(nuint size, nuint alignment, bool zeroed)
        {
            if (size > AddressSpace.MaxBytes || alignment > AddressSpace.MaxBytes)
                return 0;

            nuint length = LengthFor(size);
            nuint address = TakeCached(ref length, alignment);
            if (address != 0)
            {
                if (zeroed)
                    ClrNativeMemory.Clear((void*)address, size);
            }
            else
            {
                address = HeapState.Root->Space.Map(length, alignment, SlotKind.Busy);
                if (address == 0)
                    return 0;
            }

            Enter(address, length);
            return address;
        }

        /// <summary>Frees a block. False: no live block begins there.</summary>
        internal bool TryFree(nuint address)
        {
            nuint length = HeapState.Root->Space.TryOwn(address, SlotKind.Large);
            if (length == 0)
                return false;

            Leave(address, length);
            if (length > MaxCachedBytes)
                HeapState.Root->Space.Unmap(address, length);
            else
                Cache(address, length);
            return true;
        }

        /// <summary>Resizes a block where it lies. False: it must move.</summary>
        internal bool TryResizeInPlace(nuint address, nuint size)
        {
            ref AddressSpace space = ref HeapState.Root->Space;
            nuint oldLength = space.LengthAt(address);
            nuint length = LengthFor(size);
            if (length <= oldLength)
            {
                if (oldLength - length > length >> SlackShift)
                    Shrink(address, oldLength, length);
                return true;
            }

            if (!space.TryCharge(length - oldLength))
                return false;

            if (space.TryClaimBehind(address, oldLength, length))
            {
                if (Syscalls.Mremap(address, oldLength, length, 0, 0) == (nint)address)
                {
                    SetTail(address, oldLength, length, PageMap.LargeTail);
                    space.Publish(address, length, SlotKind.Large);
                    ClrInterlocked.Add(ref _bytes, (long)(length - oldLength));
                    return true;
                }

                space.ReleaseBehind(address, oldLength, length);
            }

            space.Uncharge(length - oldLength);
            return false;
        }

        /// <summary>Grows a block by moving its pages, not its bytes, to a place with room. 0: the kernel or the limit refuses.</summary>
        internal nuint TryMove(nuint address, nuint size, nuint alignment)
        {
            ref AddressSpace space = ref HeapState.Root->Space;
            nuint oldLength = space.LengthAt(address);
            nuint length = LengthFor(size);
            if (length <= oldLength || !space.TryCharge(length - oldLength))
                return 0;

            // An inaccessible mapping proves the place to be ours before MREMAP_FIXED replaces whatever lies there.
            nuint target = space.MapUncharged(length, alignment, Syscalls.ProtNone);
            if (target != 0)
            {
                const int moveThere = Syscalls.MremapMayMove | Syscalls.MremapFixed;
                if (Syscalls.Mremap(address, oldLength, length, moveThere, target) == (nint)target)
                {
                    space.Publish(address, oldLength, SlotKind.Busy);
                    Leave(address, oldLength);
                    space.FreeSlots(address, oldLength);
                    Enter(target, length);
                    return target;
                }

                GiveUpTarget(target, length);
            }

            space.Uncharge(length - oldLength);
            return 0;
        }

        /// <summary>Unmaps what the cache holds. The caller holds the lock of giving back.</summary>
        /// <returns>Bytes given back.</returns>
        internal nuint EmptyCache()
        {
            nuint given = 0;
            while (UnmapOldest() is nuint bytes)
                given += bytes;
            return given;
        }

        /// <summary>Forgets every block: their memory is gone.</summary>
        internal void Reset()
        {
            _cachedCount = 0;
            _cachedBytes = 0;
            _count = 0;
            _bytes = 0;
        }

        /// <summary>
        /// After a failed MREMAP_FIXED the inaccessible target may be there still, or be gone and have another thread's mapping in its place. The
        /// place is used again only if it is known to be free or the target's own; else it is abandoned: addresses, not memory.
        /// </summary>
        private static void GiveUpTarget(nuint target, nuint length)
        {
            ref AddressSpace space = ref HeapState.Root->Space;
            nint again = Syscalls.Mmap(target, length, Syscalls.ProtNone, Syscalls.MapAtFreeAddress);
            if (again > 0 && again != (nint)target)
                Syscalls.Munmap((nuint)again, length);

            bool ours = again == (nint)target || IsInaccessible(target, length);
            if (ours && Syscalls.Munmap(target, length) == 0)
                space.FreeSlots(target, length);
            else
                space.Publish(target, length, SlotKind.Abandoned);
        }

        /// <summary>Whether a mapping of exactly this range, inaccessible as a target is, stands in the process's list.</summary>
        private static bool IsInaccessible(nuint address, nuint length)
        {
            try
            {
                string wanted = $"{address:x}-{address + length:x} ---p ";
                foreach (string mapping in ClrFile.ReadLines("/proc/self/maps"))
                {
                    if (mapping.StartsWith(wanted, global::System.StringComparison.Ordinal))
                        return true;
                }
            }
            catch (ClrException)
            {
                // No /proc, or no descriptor: it cannot be told.
            }

            return false;
        }

        private void Enter(nuint address, nuint length)
        {
            PageMap.Set(address, length, PageMap.Large, PageMap.LargeTail);
            HeapState.Root->Space.Publish(address, length, SlotKind.Large);
            ClrInterlocked.Increment(ref _count);
            ClrInterlocked.Increment(ref _everAllocated);
            ClrInterlocked.Add(ref _bytes, (long)length);
        }

        private void Leave(nuint address, nuint length)
        {
            PageMap.Set(address, length, PageMap.None, PageMap.None);
            ClrInterlocked.Decrement(ref _count);
            ClrInterlocked.Add(ref _bytes, -(long)length);
        }

        /// <summary>Gives the kernel the tail of a block. If it refuses, the block stays as long as it was.</summary>
        private void Shrink(nuint address, nuint oldLength, nuint length)
        {
            // The class bytes go first: with the slots, they may be another block's at once.
            SetTail(address, length, oldLength, PageMap.None);
            if (HeapState.Root->Space.TryUnmapTail(address, oldLength, length))
            {
                HeapState.Root->Space.Publish(address, length, SlotKind.Large);
                ClrInterlocked.Add(ref _bytes, -(long)(oldLength - length));
            }
            else
            {
                SetTail(address, length, oldLength, PageMap.LargeTail);
            }
        }

        /// <summary>Sets the class of the pages that a block has at the longer of two lengths and not at the shorter.</summary>
        private static void SetTail(nuint address, nuint shorter, nuint longer, int pageClass)
        {
            nuint begin = address + AddressSpace.AlignUp(shorter, Segment.PageSize);
            nuint end = address + AddressSpace.AlignUp(longer, Segment.PageSize);
            if (begin < end)
                PageMap.Set(begin, end - begin, pageClass, pageClass);
        }

        private void Cache(nuint address, nuint length)
        {
            while (!TryCache(address, length))
            {
                HeapState.Root->Giving.Acquire();
                UnmapOldest();
                HeapState.Root->Giving.Release();
            }
        }

        private bool TryCache(nuint address, nuint length)
        {
            _lock.Acquire();
            bool room = _cachedCount < MaxCached && (nuint)_cachedBytes + length <= MaxCachedBytes;
            if (room)
            {
                HeapState.Root->Space.Publish(address, length, SlotKind.Cached);
                _cached[_cachedCount] = address;
                ClrVolatile.Write(ref _cachedCount, _cachedCount + 1);
                ClrVolatile.Write(ref _cachedBytes, _cachedBytes + (long)length);
            }

            _lock.Release();
            return room;
        }

        /// <summary>Unmaps the mapping that is longest in the cache. The caller holds the lock of giving back.</summary>
        /// <returns>Bytes given back, or null if the cache is empty.</returns>
        private nuint? UnmapOldest()
        {
            _lock.Acquire();
            nuint oldest = _cachedCount == 0 ? 0 : Uncache(0);
            _lock.Release();
            return oldest == 0 ? null : HeapState.Root->Space.Unmap(oldest, HeapState.Root->Space.LengthAt(oldest));
        }

        /// <summary>Takes the smallest cached mapping that fits; cuts it if it is much too large.</summary>
        private nuint TakeCached(ref nuint length, nuint alignment)
        {
            if (ClrVolatile.Read(ref _cachedCount) == 0)
                return 0;

            ref AddressSpace space = ref HeapState.Root->Space;
            nuint best = 0;
            nuint bestLength = 0;
            int bestIndex = 0;
            _lock.Acquire();
            for (int i = 0; i < _cachedCount; i++)
            {
                nuint candidate = (nuint)_cached[i];
                nuint candidateLength = space.LengthAt(candidate);
                if (candidateLength >= length && (candidate & (alignment - 1)) == 0 && (best == 0 || candidateLength < bestLength))
                {
                    best = candidate;
                    bestLength = candidateLength;
                    bestIndex = i;
                }
            }

            if (best != 0)
                Uncache(bestIndex);
            _lock.Release();
            if (best == 0)
                return 0;

            if (bestLength - length <= length >> SlackShift || !space.TryUnmapTail(best, bestLength, length))
                length = bestLength;
            else
                space.Publish(best, length, SlotKind.Busy);
            return best;
        }

        /// <summary>Removes a mapping from the cache; it is the caller's, and Busy.</summary>
        private nuint Uncache(int index)
        {
            nuint address = (nuint)_cached[index];
            nuint length = HeapState.Root->Space.TryOwn(address, SlotKind.Cached);
            Assert(length != 0);
            ClrVolatile.Write(ref _cachedCount, _cachedCount - 1);
            for (int i = index; i < _cachedCount; i++)
                _cached[i] = _cached[i + 1];
            ClrVolatile.Write(ref _cachedBytes, _cachedBytes - (long)length);
            return address;
        }
    }
}
