namespace Emma.Templates;

using ClrException = global::System.Exception;
using ClrFile = global::System.IO.File;
using ClrFileAccess = global::System.IO.FileAccess;
using ClrFileMode = global::System.IO.FileMode;
using ClrFileShare = global::System.IO.FileShare;
using ClrMath = global::System.Math;
using ClrSafeFileHandle = global::Microsoft.Win32.SafeHandles.SafeFileHandle;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The beginning of a block that an arena hands out in pieces. It bears a signature, so that the refusal of a pointer to a piece can
        // say what it is.
        internal struct ArenaChunk
        {
            // What pieces begin behind: a multiple of the granularity.
            internal const nuint HeaderBytes = 32;

            // What the memory of pieces that were given up is filled with in a heap that checks.
            internal const byte Poison = 0xDD;

            private const ulong SignatureKey = 0x41_72_65_6E_61_43_68_6B;

            private ulong _signature;
            internal nuint Bytes;

            // The next of an arena's chunks in the order of their use, or the chunk of its own before this one.
            internal ArenaChunk* Next;

            // Ascends from chunk to chunk.
            internal long Number;

            internal readonly nuint End => Bytes & ~(SizeClasses.Granularity - 1);

            // Allocates a chunk; null: there is no room.
            internal static ArenaChunk* TryCreate(nuint bytes, long number)
            {
                void* block = AllocateBlock(bytes, zeroed: false);
                return block == null ? null : Begin(block, bytes, number);
            }

            // Makes a block a chunk.
            internal static ArenaChunk* Begin(void* block, nuint bytes, long number)
            {
                Assert((nuint)sizeof(ArenaChunk) <= HeaderBytes);
                ArenaChunk* chunk = (ArenaChunk*)block;
                chunk->Bytes = bytes;
                chunk->Next = null;
                chunk->Number = number;
                chunk->_signature = SignatureAt((nuint)chunk);
                return chunk;
            }

            // Frees a chunk.
            internal static void Destroy(ArenaChunk* chunk)
            {
                chunk->_signature = 0;
                ReleaseBlock(chunk);
            }

            // Whether an address lies in the chunk of an arena of this heap, for an error's message. The memory is read through the kernel,
            // because it may be going.
            internal static bool Holds(nuint address)
            {
                // A block of a slab may begin before its page, one that is not begins in the first of its pages.
                nuint start = address & ~(Segment.PageSize - 1);
                int pageClass = PageMap.ClassOf(start);
                if (PageMap.IsSmall(pageClass))
                    start = ClrMath.Max(Segment.AddressOf(Segment.Of(address), 1), address - SizeClasses.MaxSize);
                while (pageClass is PageMap.RunTail or PageMap.LargeTail)
                {
                    start -= Segment.PageSize;
                    pageClass = PageMap.ClassOf(start);
                }

                try
                {
                    using ClrSafeFileHandle memory =
                        ClrFile.OpenHandle("/proc/self/mem", ClrFileMode.Open, ClrFileAccess.Read, ClrFileShare.ReadWrite);
                    return Holds(memory, start, address);
                }
                catch (ClrException)
                {
                    // No /proc, or no right to read it.
                    return false;
                }
            }

            // Looks page by page, backwards: in a hardened heap there are some that cannot be read, and no block lies on both sides of
            // those.
            private static bool Holds(ClrSafeFileHandle memory, nuint start, nuint address)
            {
                byte* copy = stackalloc byte[(int)AddressSpace.SmallestPage + sizeof(ArenaChunk)];
                nuint page = ClrMath.Min(address, start + (Segment.PageSize - 1)) & ~(AddressSpace.SmallestPage - 1);
                for (; page + AddressSpace.SmallestPage > start; page -= AddressSpace.SmallestPage)
                {
                    int length = (int)ClrMath.Min(address - page, AddressSpace.SmallestPage + (nuint)sizeof(ArenaChunk));
                    if (!Read(memory, page, copy, length))
                        return false;
                    if (HasChunk(copy, page, length, address))
                        return true;
                }

                return false;
            }

            // Whether a chunk that reaches an address begins in memory of which there is a copy.
            private static bool HasChunk(byte* copy, nuint start, int length, nuint address)
            {
                for (int offset = 0; offset + sizeof(ArenaChunk) <= length; offset += (int)SizeClasses.Granularity)
                {
                    ArenaChunk* chunk = (ArenaChunk*)(copy + offset);
                    nuint place = start + (nuint)offset;
                    if (chunk->_signature == SignatureAt(place) && address - place < chunk->Bytes)
                        return true;
                }

                return false;
            }

            private static ulong SignatureAt(nuint address) => address ^ SignatureKey;
        }
    }
}
