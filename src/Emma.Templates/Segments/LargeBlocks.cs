namespace Emma.Templates;

using ClrException = global::System.Exception;
using ClrFile = global::System.IO.File;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrLayoutKind = global::System.Runtime.InteropServices.LayoutKind;
using ClrMath = global::System.Math;
using ClrNativeMemory = global::System.Runtime.InteropServices.NativeMemory;
using ClrStructLayout = global::System.Runtime.InteropServices.StructLayoutAttribute;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        /// <summary>
        /// Blocks with a mapping of their own: larger than half a segment, or aligned to more than a page run can be. A block's size is the
        /// mapped length in its slot word. Freed mappings wait in a small cache, oldest first out, because the kernel takes milliseconds to
        /// map, fill and unmap what a program often asks for again at once. One that is too long is cut in two, and one that is too short grows: its pages are
        /// what it is kept for, and a program whose sizes vary seldom finds one that fits.
        /// </summary>
        /// <remarks>
        /// Whoever changes a slot from Large to Busy owns the block, so that of two frees one is refused. The lock covers the cache alone.
        /// </remarks>
        internal struct LargeBlocks
        {
            /// <summary>Half a segment: above it a page run would waste too much of one.</summary>
            internal const nuint Threshold = Segment.Size / 2;

            /// <summary>
            /// The most bytes the cache keeps mapped: a few frames or buffers of the usual sizes, not a program's peak; twice as many where four times as many are live,
            /// because what is live then rises and falls by more.
            /// </summary>
            internal const nuint MaxCachedBytes = (nuint)64 << 20;

            /// <summary>
            /// A block of this size or more, if the cache may keep it, is mapped with huge pages where the kernel has any: faults cost more than what they clear. A
            /// larger one may be meant to be used sparsely, and each byte touched would cost 2 MiB.
            /// </summary>
            private const nuint HugePagesFrom = (nuint)4 << 20;

            private const int MaxCached = 16;

            /// <summary>A cached mapping may exceed what is asked for by 1/8; what is more is cut off.</summary>
            private const int SlackShift = 3;

            private Lock _lock;
            private int _cachedCount;
            private long _cachedBytes;
            private long _count;
            private long _bytes;
            private long _everAllocated;
            private CachedMappings _cached;

            private ulong* Cached
            {
                get
                {
                    // The root does not move.
                    fixed (ulong* first = &_cached.First)
                        return first;
                }
            }

            internal readonly long Count => ClrVolatile.Read(in _count);

            /// <summary>Blocks ever allocated.</summary>
            internal readonly long EverAllocated => ClrVolatile.Read(in _everAllocated);

            /// <summary>Bytes of the live blocks.</summary>
            internal readonly nuint Bytes => (nuint)ClrVolatile.Read(in _bytes);

            /// <summary>Bytes of the cache.</summary>
            internal readonly nuint CachedBytes => (nuint)ClrVolatile.Read(in _cachedBytes);

            internal static nuint LengthFor(nuint size) => AddressSpace.AlignUp(size, AddressSpace.OsPageSize);

            /// <summary>Allocates a block of at least a size, zeroed if asked to; 0 if the limit or the kernel refuses.</summary>
            /// <param name="size">Bytes.</param>
            /// <param name="alignment">A power of two.</param>
            /// <param name="zeroed">Whether it must be all zeros.</param>
            /// <param name="givingIsHeld">Whether the caller holds the lock of giving back; else it holds none.</param>
            internal nuint Allocate(nuint size, nuint alignment, bool zeroed, bool givingIsHeld)
            {
                if (size > AddressSpace.MaxBytes || alignment > AddressSpace.MaxBytes)
                    return 0;

                nuint length = LengthFor(size);
                nuint address = TakeCached(ref length, alignment, givingIsHeld, out nuint usedBytes);
                if (address != 0)
                {
                    if (zeroed)
                        ClrNativeMemory.Clear((void*)address, ClrMath.Min(usedBytes, size));
                }
                else
                {
                    address = HeapState.Root->Space.Map(length, alignment, SlotKind.Busy);
                    if (address == 0)
                        return 0;
                    if (length <= MaxCachedBytes)
                        AdviseHugePages(address, 0, length);
                }

                Register(address, length);
                return address;
            }

            /// <summary>Frees a block: in a hardened heap its pages are gone at once. False: no live block begins there.</summary>
            internal bool TryFree(nuint address)
            {
                nuint length = HeapState.Root->Space.TryOwn(address, SlotKind.Large);
                if (length == 0)
                    return false;

                Unregister(address, length);
                if (IsHardened || length > MaxCachedBytes)
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

                return TryGrowInPlace(address, oldLength, WithSlack(length)) || TryGrowInPlace(address, oldLength, length);
            }

            /// <summary>Grows a block by moving its pages, not its bytes, to a place with room. 0: the kernel or the limit refuses.</summary>
            internal nuint TryMove(nuint address, nuint size, nuint alignment)
            {
                nuint oldLength = HeapState.Root->Space.LengthAt(address);
                nuint length = LengthFor(size);
                if (length <= oldLength)
                    return 0;

                nuint target = TryMoveTo(address, oldLength, WithSlack(length), alignment);
                return target != 0 ? target : TryMoveTo(address, oldLength, length, alignment);
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

            /// <summary>A block that grows once grows again, as a rule: it gets an eighth more, addresses until it is used. Bytes.</summary>
            private static nuint WithSlack(nuint length) => LengthFor(length + (length >> SlackShift));

            private bool TryGrowInPlace(nuint address, nuint oldLength, nuint length)
            {
                ref AddressSpace space = ref HeapState.Root->Space;
                if (!space.TryCharge(length - oldLength))
                    return false;

                if (TryExtend(address, oldLength, length))
                {
                    // Counted before it shows: should the thread end here, whoever frees the block does not take away more than was counted.
                    ClrInterlocked.Add(ref _bytes, (long)(length - oldLength));
                    SetTail(address, oldLength, length, PageMap.LargeTail);
                    space.Publish(address, length, SlotKind.Large);
                    return true;
                }

                space.Uncharge(length - oldLength);
                return false;
            }

            private nuint TryMoveTo(nuint address, nuint oldLength, nuint length, nuint alignment)
            {
                ref AddressSpace space = ref HeapState.Root->Space;
                if (!space.TryCharge(length - oldLength))
                    return 0;

                nuint target = TryMovePages(address, oldLength, length, alignment);
                if (target == 0)
                {
                    space.Uncharge(length - oldLength);
                    return 0;
                }

                space.Publish(address, oldLength, SlotKind.Busy);
                Unregister(address, oldLength);
                space.FreeSlots(address, oldLength);
                Register(target, length);
                return target;
            }

            /// <summary>Has a mapping that has become longer backed by huge pages, or no longer: it takes the advice along when it grows or moves.</summary>
            private static void AdviseHugePages(nuint address, nuint oldLength, nuint length)
            {
                // Always the whole mapping, or it would be two to mremap.
                if (oldLength <= MaxCachedBytes && length > MaxCachedBytes)
                    Syscalls.Madvise(address, length, Syscalls.MadvNoHugePage);
                else if (!IsHardened && oldLength < HugePagesFrom && length >= HugePagesFrom)
                    Syscalls.Madvise(address, length, Syscalls.MadvHugePage);
            }

            /// <summary>Lengthens a mapping where it lies, its bytes charged already. False: the kernel refuses, or what lies behind is taken.</summary>
            private static bool TryExtend(nuint address, nuint oldLength, nuint length)
            {
                ref AddressSpace space = ref HeapState.Root->Space;
                if (!space.TryClaimBehind(address, oldLength, length))
                    return false;
                if (Syscalls.Mremap(address, oldLength, length, 0, 0) == (nint)address)
                {
                    AdviseHugePages(address, oldLength, length);
                    return true;
                }

                space.ReleaseBehind(address, oldLength, length);
                return false;
            }

            /// <summary>Moves a mapping's pages to a longer one at free slots, its bytes charged already. The old place's slots are the caller's to free.</summary>
            /// <returns>The new place, Busy; 0: the kernel refuses.</returns>
            private static nuint TryMovePages(nuint address, nuint oldLength, nuint length, nuint alignment)
            {
                // An inaccessible mapping proves the place to be ours before MREMAP_FIXED replaces whatever lies there.
                nuint target = HeapState.Root->Space.MapUncharged(length, alignment, Syscalls.ProtNone);
                if (target == 0)
                    return 0;

                const int moveThere = Syscalls.MremapMayMove | Syscalls.MremapFixed;
                if (Syscalls.Mremap(address, oldLength, length, moveThere, target) == (nint)target)
                {
                    AdviseHugePages(target, oldLength, length);
                    return target;
                }

                GiveUpTarget(target, length);
                return 0;
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

            private void Enter()
            {
                if (_lock.Acquire())
                    Recover();
            }

            /// <summary>Finds the cached mappings again after a thread died while it changed the cache. Lost until Destroy is one that it had in hand.</summary>
            private void Recover()
            {
                int count = 0;
                nuint bytes = 0;
                SlotWalk walk = HeapState.Root->Space.Walk();
                for (nuint address = walk.Next(SlotKind.Cached); address != 0 && count < MaxCached; address = walk.Next(SlotKind.Cached))
                {
                    Cached[count++] = address;
                    bytes += HeapState.Root->Space.LengthAt(address);
                }

                ClrVolatile.Write(ref _cachedCount, count);
                ClrVolatile.Write(ref _cachedBytes, (long)bytes);
            }

            private void Register(nuint address, nuint length)
            {
                PageMap.Set(address, length, PageMap.Large, PageMap.LargeTail);
                HeapState.Root->Space.Publish(address, length, SlotKind.Large);
                ClrInterlocked.Increment(ref _count);
                ClrInterlocked.Increment(ref _everAllocated);
                ClrInterlocked.Add(ref _bytes, (long)length);
            }

            private void Unregister(nuint address, nuint length)
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
                Enter();
                nuint most = Bytes > 4 * MaxCachedBytes ? 2 * MaxCachedBytes : MaxCachedBytes;
                bool room = _cachedCount < MaxCached && (nuint)_cachedBytes + length <= most;
                if (room)
                {
                    HeapState.Root->Space.Publish(address, length, SlotKind.Cached);
                    Cached[_cachedCount] = address;
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
                Enter();
                nuint oldest = _cachedCount == 0 ? 0 : Uncache(0);
                _lock.Release();
                return oldest == 0 ? null : HeapState.Root->Space.Unmap(oldest, HeapState.Root->Space.LengthAt(oldest));
            }

            /// <summary>Takes a mapping from the cache and makes it about as long as is asked for; 0: there is none that will do.</summary>
            /// <param name="length">Bytes that are asked for, then those that the mapping has.</param>
            /// <param name="alignment">A power of two.</param>
            /// <param name="givingIsHeld">Whether the caller holds the lock of giving back: whoever finds no room waits by it for what is cut off here.</param>
            /// <param name="usedBytes">So many bytes of it may hold what its last user left; those behind them are zeros.</param>
            private nuint TakeCached(ref nuint length, nuint alignment, bool givingIsHeld, out nuint usedBytes)
            {
                usedBytes = 0;
                if (ClrVolatile.Read(ref _cachedCount) == 0)
                    return 0;

                if (!givingIsHeld)
                    HeapState.Root->Giving.Acquire();
                nuint address = UncacheNearest(length, alignment, out usedBytes);
                if (address != 0)
                {
                    if (usedBytes < length)
                        address = Grow(address, usedBytes, length, alignment);
                    else if (usedBytes - length <= length >> SlackShift || !TryCut(address, usedBytes, length))
                        length = usedBytes;
                }

                if (!givingIsHeld)
                    HeapState.Root->Giving.Release();
                return address;
            }

            /// <summary>Takes the shortest cached mapping that is long enough, or else the longest, unless its pages would be a small part; it is Busy.</summary>
            private nuint UncacheNearest(nuint length, nuint alignment, out nuint foundLength)
            {
                nuint worthwhile = length >> SlackShift;
                nuint found = 0;
                int foundAt = 0;
                foundLength = 0;
                Enter();
                for (int i = 0; i < _cachedCount; i++)
                {
                    nuint candidate = (nuint)Cached[i];
                    nuint candidateLength = HeapState.Root->Space.LengthAt(candidate);
                    bool nearer = foundLength < length ? candidateLength > foundLength : candidateLength >= length && candidateLength < foundLength;
                    if (nearer && candidateLength >= worthwhile && (candidate & (alignment - 1)) == 0)
                    {
                        found = candidate;
                        foundLength = candidateLength;
                        foundAt = i;
                    }
                }

                if (found != 0)
                    Uncache(foundAt);
                _lock.Release();
                return found;
            }

            /// <summary>Lengthens a mapping that is the caller's, where it lies or elsewhere. If that is refused, it is unmapped, and 0 returned.</summary>
            private static nuint Grow(nuint address, nuint oldLength, nuint length, nuint alignment)
            {
                ref AddressSpace space = ref HeapState.Root->Space;
                if (space.TryCharge(length - oldLength))
                {
                    if (TryExtend(address, oldLength, length))
                        return address;

                    nuint target = TryMovePages(address, oldLength, length, alignment);
                    if (target != 0)
                    {
                        space.FreeSlots(address, oldLength);
                        return target;
                    }

                    space.Uncharge(length - oldLength);
                }

                space.Unmap(address, oldLength);
                return 0;
            }

            /// <summary>
            /// Cuts a mapping that is the caller's, and keeps what follows in slots of its own, if that is much. False: the kernel refuses, and nothing changed.
            /// </summary>
            private bool TryCut(nuint address, nuint oldLength, nuint length)
            {
                ref AddressSpace space = ref HeapState.Root->Space;
                nuint restOffset = AddressSpace.AlignUp(length, Window.SlotSize);
                if (restOffset + Threshold > oldLength)
                {
                    if (!space.TryUnmapTail(address, oldLength, length))
                        return false;

                    space.Publish(address, length, SlotKind.Busy);
                    return true;
                }

                if (!space.TryUnmapWithin(address + length, restOffset - length))
                    return false;

                // The rest has its head before the mapping lets go of it: should the thread end between the two, Destroy unmaps both.
                nuint rest = address + restOffset;
                nuint restLength = oldLength - restOffset;
                space.Publish(rest, restLength, SlotKind.Busy);
                space.Publish(address, length, SlotKind.Busy);
                if (!TryCache(rest, restLength))
                    space.Unmap(rest, restLength);
                return true;
            }

            /// <summary>Removes a mapping from the cache; it is the caller's, and Busy.</summary>
            private nuint Uncache(int index)
            {
                nuint address = (nuint)Cached[index];
                nuint length = HeapState.Root->Space.TryOwn(address, SlotKind.Cached);
                Assert(length != 0);
                ClrVolatile.Write(ref _cachedCount, _cachedCount - 1);
                for (int i = index; i < _cachedCount; i++)
                    Cached[i] = Cached[i + 1];
                ClrVolatile.Write(ref _cachedBytes, _cachedBytes - (long)length);
                return address;
            }

            /// <summary>So many words as an array. A buffer of the language's own costs an assembly 150 bytes more.</summary>
            [ClrStructLayout(ClrLayoutKind.Sequential, Size = MaxCached * sizeof(ulong))]
            private struct CachedMappings
            {
                internal ulong First;
            }
        }
    }
}
