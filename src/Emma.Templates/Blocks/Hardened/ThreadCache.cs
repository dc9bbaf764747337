namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;
using ClrWideVector = global::System.Runtime.Intrinsics.Vector256<ulong>;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The short ways of a hardened heap through a thread's cache.
        internal partial struct ThreadCache
        {
            // The largest block of those that the short paths are for: no loop, and no call whose caller has anything left to do.
            private const nuint FewBytes = 128;

            // The class of the smallest such blocks: they fill a wide vector.
            internal const int FirstFewClass = 2;

            internal const int FewClasses = (int)(FewBytes / SizeClasses.Granularity) - FirstFewClass + 1;

            // Allocates from the loaded magazine of a class, if it has a block that lies in the first window; 0: nothing has changed. The
            // cache has all that this needs, so that nothing is called, and little read that other threads write.
            // cache: The calling thread's.
            // sizeClass: The class.
            // blockSize: Bytes of its blocks.
            // size: Bytes asked for.
            // few: Whether the blocks are of 32 to 128 bytes; a constant.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nuint TryAllocate(ThreadCache* cache, nuint sizeClass, nuint blockSize, nuint size, bool few)
            {
                ulong* last = (ulong*)TopsOf(cache)[sizeClass] - 1;
                ulong moved = *last;
                if (moved == 0)
                    return 0;

                ulong* chosen = Choose(cache, last);
                nuint block = (nuint)(*chosen);
                nuint offset = unchecked(block - cache->_windowBase);
                if (offset >= cache->_markedBytes)
                    return 0;

                // The top first: should the thread end in between, a block is lost, and none is in the magazine twice.
                ClrVolatile.Write(ref TopsOf(cache)[sizeClass], (ulong)last);
                ClrVolatile.Write(ref *chosen, moved);
                byte* mark = cache->_marks + offset / SizeClasses.Granularity;
                if (!few)
                {
                    Prepare(block, blockSize, size, mark);
                    return block;
                }

                ClrVolatile.Write(ref *mark, LiveMarks.Busy);
                if (Zeros.Any(block, blockSize) != ClrWideVector.Zero)
                {
                    Corruption.UsedAfterFree(block, blockSize);
                    return 0;
                }

                Canary.Write(block, blockSize, size, mark);
                return block;
            }

            // The same for any size of a small block that is not 0.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static nuint TryAllocateMany(ThreadCache* cache, nuint size)
            {
                nuint sizeClass = (nuint)SizeClasses.Of(size + Canary.Bytes);
                return TryAllocate(cache, sizeClass, BlockSizes.Of(sizeClass), size, few: false);
            }

            // Makes a free block one of a size, and marks it live.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void Prepare(nuint block, nuint blockSize, nuint size, byte* mark)
            {
                ClrVolatile.Write(ref *mark, LiveMarks.Busy);
                Canary.RequireUntouched(block, blockSize);
                Canary.Write(block, blockSize, size, mark);
            }

            // Frees a live block of 32 to 128 bytes, if nothing is unusual; else FreeMany looks closer. Everything is read first: the
            // exchange that makes the block the caller's has the processor wait, for the stores before it and with the loads behind it.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static void Free(ThreadCache* cache, nuint block)
            {
                nuint offset = unchecked(block - cache->_windowBase);
                nuint page = offset >> Window.PageShift;
                if (page >= cache->_pages)
                {
                    ReleaseBlockSlowly((void*)block);
                    return;
                }

                BeginReading(cache, block);
                nuint pageClass = ClrVolatile.Read(ref cache->_pageMap[page]);
                byte* mark = cache->_marks + offset / SizeClasses.Granularity;
                nuint blockSize = pageClass * SizeClasses.Granularity;
                if (unchecked(pageClass - FirstFewClass) >= FewClasses
                    || offset % SizeClasses.Granularity != 0
                    || ClrVolatile.Read(ref *mark) != LiveMarks.Live
                    || !cache->Quarantine.IsSteady
                    || !Canary.IsAmidst(block, blockSize))
                {
                    FreeMany(cache, block, pageClass);
                    return;
                }

                ulong word = Canary.WordOf(block, blockSize);
                if (!Canary.IsIntact(block, blockSize, word, few: true)
                    || !Canary.AreNeighboursIntact(block, blockSize, mark)
                    || !Canary.TryOwn(block, blockSize, word))
                {
                    FreeMany(cache, block, pageClass);
                    return;
                }

                EndReading(cache);
                ClrVolatile.Write(ref *mark, LiveMarks.Busy);
                Zeros.ClearFew(block, blockSize);
                ClrVolatile.Write(ref *mark, 0);
                ulong oldest = cache->Quarantine.Replace(block, pageClass);
                ulong* top = (ulong*)TopsOf(cache)[Quarantine.ClassIn(oldest)];
                if (*top == Magazine.Full)
                {
                    GiveSlowly(cache, (int)Quarantine.ClassIn(oldest), Quarantine.BlockIn(oldest));
                    return;
                }

                *top = Quarantine.BlockIn(oldest);
                TopsOf(cache)[Quarantine.ClassIn(oldest)] = (ulong)(top + 1);
            }

            // The same for all blocks that lie in the first window; what is none of them, or looks wrong, goes the slow way. The caller has
            // said that it reads.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static void FreeMany(ThreadCache* cache, nuint block, nuint pageClass)
            {
                nuint blockSize = BlockSizes.Of(pageClass);
                byte* mark = cache->_marks + unchecked(block - cache->_windowBase) / SizeClasses.Granularity;
                if (blockSize == 0 || block % SizeClasses.Granularity != 0 || ClrVolatile.Read(ref *mark) != LiveMarks.Live)
                {
                    EndReading(cache);
                    ReleaseBlockSlowly((void*)block);
                    return;
                }

                ulong word = Canary.WordOf(block, blockSize);
                bool isIntact = Canary.IsIntact(block, blockSize, word, few: false)
                    && (Canary.IsAmidst(block, blockSize)
                        ? Canary.AreNeighboursIntact(block, blockSize, mark)
                        : Canary.AreNeighboursIntactAtEnds(block, blockSize, mark));
                bool owned = isIntact && Canary.TryOwn(block, blockSize, word);
                EndReading(cache);
                if (!owned)
                {
                    ReleaseBlockSlowly((void*)block);
                    return;
                }

                Retire(block, blockSize, mark);
                cache->Quarantine.Hold(cache, block, pageClass);
            }

            // Makes a block that the caller owns a free one, all zeros.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void Retire(nuint block, nuint blockSize, byte* mark)
            {
                ClrVolatile.Write(ref *mark, LiveMarks.Busy);
                Zeros.Clear(block, blockSize);
                ClrVolatile.Write(ref *mark, 0);
            }
        }
    }
}
