namespace Emma.Templates;

using ClrLayoutKind = global::System.Runtime.InteropServices.LayoutKind;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrStructLayout = global::System.Runtime.InteropServices.StructLayoutAttribute;
using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The cache of freed mappings. All of its words are under the lock.
        internal partial struct LargeBlocks
        {
            private const int MaxCached = 16;

            // The same under a limit, where blocks of 32 KiB may have mappings: enough for a program that frees a hundred of them at once.
            private const int MaxCachedUnderLimit = 256;

            // A cached mapping may exceed what is asked for by 1/8; what is more is cut off.
            private const int SlackShift = 3;

            // The root does not move.
            private ulong* Cached => (ulong*)ClrUnsafe.AsPointer(ref _cached.First);

            private static int MostCached => Policy.IsLimited ? MaxCachedUnderLimit : MaxCached;

            // Bytes of the cache.
            internal readonly nuint CachedBytes
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => (nuint)ClrVolatile.Read(in _cachedBytes) + BytesFreedLast;
            }

            // Unmaps what the cache holds. The caller holds the lock of giving back.
            // Returns: bytes given back.
            internal nuint EmptyCache()
            {
                nuint given = 0;
                while (TryUnmapOldest(out nuint bytes))
                    given += bytes;
                return given;
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private void Enter()
            {
                if (_lock.AcquireInlined())
                    Recover();
            }

            // Finds the cached mappings again after a thread died while it changed the cache. Lost until Destroy is one that it had in
            // hand.
            private void Recover()
            {
                int count = 0;
                nuint bytes = 0;
                SlotWalk walk = Space->Walk();
                for (nuint address = walk.Next(SlotKind.Cached); address != 0; address = walk.Next(SlotKind.Cached))
                {
                    if (count == MaxCachedUnderLimit)
                        break;
                    Cached[count++] = address;
                    bytes += Space->LengthAt(address);
                }

                ClrVolatile.Write(ref _cachedCount, count);
                ClrVolatile.Write(ref _cachedBytes, (long)bytes);
            }

            private void Cache(nuint address, nuint length)
            {
                while (!TryCache(address, length))
                {
                    Giving->Acquire();
                    TryUnmapOldest(out nuint _);
                    Giving->Release();
                }
            }

            private bool TryCache(nuint address, nuint length)
            {
                Enter();
                nuint most = Bytes > 4 * MaxCachedBytes ? 2 * MaxCachedBytes : MaxCachedBytes;
                bool room = _cachedCount < MostCached && (nuint)_cachedBytes + length <= most;
                if (room)
                {
                    Space->Publish(address, length, SlotKind.Cached);
                    Cached[_cachedCount] = address;
                    ClrVolatile.Write(ref _cachedCount, _cachedCount + 1);
                    ClrVolatile.Write(ref _cachedBytes, _cachedBytes + (long)length);
                }

                _lock.Release();
                return room;
            }

            // Unmaps the mapping that is longest in the cache. The caller holds the lock of giving back.
            // given: Bytes given back.
            // Returns: whether the cache had any.
            private bool TryUnmapOldest(out nuint given)
            {
                Enter();
                nuint oldest = _cachedCount == 0 ? 0 : Uncache(0);
                _lock.Release();
                given = oldest == 0 ? 0 : Space->Unmap(oldest, Space->LengthAt(oldest));
                return oldest != 0;
            }

            // Takes a mapping from the cache and makes it about as long as is asked for; 0: there is none that will do.
            // length: Bytes that are asked for, then those that the mapping has.
            // alignment: A power of two.
            // givingIsHeld: Whether the caller holds the lock of giving back: whoever finds no room waits by it for what is cut off here.
            // usedBytes: So many bytes of it may hold what its last user left; those behind them are zeros.
            private nuint TakeCached(ref nuint length, nuint alignment, bool givingIsHeld, out nuint usedBytes)
            {
                usedBytes = 0;
                if (ClrVolatile.Read(ref _cachedCount) == 0)
                    return 0;

                if (!givingIsHeld)
                    Giving->Acquire();
                nuint address = UncacheNearest(length, alignment, out usedBytes);
                if (address != 0)
                {
                    if (usedBytes < length)
                        address = Grow(address, usedBytes, length, alignment);
                    else if (usedBytes - length <= length >> SlackShift || !TryCut(address, usedBytes, length))
                        length = usedBytes;
                }

                if (!givingIsHeld)
                    Giving->Release();
                return address;
            }

            // Takes the shortest cached mapping that is long enough, or else the longest, unless its pages would be a small part; it is
            // Busy. Of several alike it is the one freed last, whose pages are in the processor's caches.
            private nuint UncacheNearest(nuint length, nuint alignment, out nuint foundLength)
            {
                nuint worthwhile = length >> SlackShift;
                // What is too long is cut off: not nearly all of a mapping for the sake of a few pages.
                nuint most = length > Threshold ? nuint.MaxValue : length << SlackShift;
                nuint found = 0;
                int foundAt = 0;
                foundLength = 0;
                Enter();
                for (int i = _cachedCount - 1; i >= 0 && foundLength != length; i--)
                {
                    nuint candidate = (nuint)Cached[i];
                    nuint candidateLength = Space->LengthAt(candidate);
                    bool nearer = foundLength < length
                        ? candidateLength > foundLength
                        : candidateLength >= length && candidateLength < foundLength;
                    if (nearer && candidateLength >= worthwhile && candidateLength <= most && (candidate & (alignment - 1)) == 0)
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

            // Lengthens a mapping that is the caller's, where it lies or elsewhere. If that is refused, it is unmapped, and 0 returned.
            private static nuint Grow(nuint address, nuint oldLength, nuint length, nuint alignment)
            {
                ref AddressSpace space = ref *Space;
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

            // Cuts a mapping that is the caller's, and keeps what follows in slots of its own, if that is much. False: the kernel refuses,
            // and nothing changed.
            private bool TryCut(nuint address, nuint oldLength, nuint length)
            {
                ref AddressSpace space = ref *Space;
                nuint restOffset = AlignUp(length, Window.SlotSize);
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

            // Removes a mapping from the cache; it is the caller's, and Busy.
            private nuint Uncache(int index)
            {
                nuint address = (nuint)Cached[index];
                nuint length = Space->TryOwn(address, SlotKind.Cached);
                Assert(length != 0);
                ClrVolatile.Write(ref _cachedCount, _cachedCount - 1);
                for (int i = index; i < _cachedCount; i++)
                    Cached[i] = Cached[i + 1];
                ClrVolatile.Write(ref _cachedBytes, _cachedBytes - (long)length);
                return address;
            }

            // So many words as an array. A buffer of the language's own costs an assembly 150 bytes more.
            [ClrStructLayout(ClrLayoutKind.Sequential, Size = MaxCachedUnderLimit * sizeof(ulong))]
            private struct CachedMappings
            {
                internal ulong First;
            }
        }
    }
}
