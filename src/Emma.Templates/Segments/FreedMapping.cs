namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The mapping freed last, in front of the cache, so that a program that frees a large block and asks for one of its length again
        // takes no lock. Not under a limit, where whatever is free must be in sight.
        // Invariants: the word holds the mapping's address and, in the bits of a slot, how many pages of 4 KiB it has; 0: none. Its slot
        // is Busy and its first page has no class, so that it is refused like any that is free; it counts as a live block to whoever reads
        // the counters themselves. Whoever changes the word from a mapping to another value owns that. What a thread had in hand when it
        // died is lost until Destroy.
        internal partial struct LargeBlocks
        {
            // Bytes of the longest mapping that is kept there.
            private const nuint MostFreedLast = MaxCachedBytes / 4;

            private readonly nuint BytesFreedLast
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => LengthIn(ClrVolatile.Read(in _freedLast));
            }

            // Keeps a mapping that the caller owns in the place of the last. False: it is not kept there.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private bool TryKeepFreed(nuint address, nuint length)
            {
                if (IsHardened || length > MostFreedLast || Policy.IsLimited)
                    return false;

                PageMap.SetHead(address, PageMap.None);
                Retire(ClrInterlocked.Exchange(ref _freedLast, address | (length / AddressSpace.SmallestPage)));
                return true;
            }

            // The mapping freed last, if it is about as long as is asked for. Else it joins the cache, where it may be cut or grown.
            // length: Bytes.
            // alignment: A power of two.
            // givingIsHeld: Whether the caller holds the lock of giving back; else it holds none.
            // Returns: a live block, whose bytes may hold anything; 0: it will not do.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private nuint TakeFreedLast(nuint length, nuint alignment, bool givingIsHeld)
            {
                nuint seen = ClrVolatile.Read(ref _freedLast);
                if (seen == 0)
                    return 0;

                nuint address = MappingIn(seen);
                nuint found = LengthIn(seen);
                bool fits = found >= length && found - length <= length >> SlackShift && (address & (alignment - 1)) == 0;
                if ((!fits && givingIsHeld) || ClrInterlocked.CompareExchange(ref _freedLast, 0, seen) != seen)
                    return 0;

                if (!fits)
                {
                    Retire(seen);
                    return 0;
                }

                PageMap.SetHead(address, PageMap.Large);
                Disown(address, found);
                ClrInterlocked.Increment(ref _everAllocated);
                return address;
            }

            // Unmaps the mapping freed last. The caller holds the lock of giving back.
            // Returns: bytes given back.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal nuint UnmapFreedLast()
            {
                nuint seen = ClrInterlocked.Exchange(ref _freedLast, 0);
                if (seen == 0)
                    return 0;

                Unregister(MappingIn(seen), LengthIn(seen));
                return Space->Unmap(MappingIn(seen), LengthIn(seen));
            }

            private void Retire(nuint seen)
            {
                if (seen == 0)
                    return;

                Unregister(MappingIn(seen), LengthIn(seen));
                Cache(MappingIn(seen), LengthIn(seen));
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static nuint MappingIn(nuint word) => word & ~(Window.SlotSize - 1);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static nuint LengthIn(nuint word) => (word & (Window.SlotSize - 1)) * AddressSpace.SmallestPage;
        }
    }
}
