namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // One class byte for every 64 KiB page of a window: what lives there. Right for any address whatever, so that null, wild and
        // foreign pointers read None. Bytes change only while their page belongs to one thread, before its blocks are handed out, after
        // they are gone and while a run is resized; whoever passes a block to another thread passes the byte with it. The byte of a run
        // never says more pages than its descriptor, whenever its thread may end: it goes by the byte to a cache, and by the descriptor
        // back to its segment.
        internal static class PageMap
        {
            internal const int None = 0;

            // 1 to SizeClasses.Count: a slab of that size class. Behind them, to SizeClasses.CachedCount: the first page of a run of 1, 2,
            // … pages that caches keep.

            // The first page of another page run.
            internal const int Run = SizeClasses.CachedCount + 1;

            internal const int RunTail = SizeClasses.CachedCount + 2;

            // The first page of a large block.
            internal const int Large = SizeClasses.CachedCount + 3;

            internal const int LargeTail = SizeClasses.CachedCount + 4;

            // How many values a class byte has.
            internal const int Count = LargeTail + 1;

            internal static bool IsSmall(int pageClass) => unchecked((uint)(pageClass - 1)) < SizeClasses.Count;

            internal static bool IsRun(int pageClass) => pageClass is > SizeClasses.Count and <= Run;

            // The class of the first page of a run that caches keep.
            internal static int KeptRunOf(int pages) => SizeClasses.Count + pages;

            // The class of the first page of a run.
            internal static int RunOf(int pages) =>
                pages <= SizeClasses.MaxCachedPages && Policy.KeepsRuns ? KeptRunOf(pages) : Run;

            // Makes the pages from an address on a run.
            internal static void SetRun(nuint address, int pages) =>
                Set(address, (nuint)pages << Window.PageShift, RunOf(pages), RunTail);

            // Says again that a run or a large block begins in a page; the others have their classes still.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void SetHead(nuint address, int pageClass) =>
                ClrVolatile.Write(ref *Space->Find(address)->ClassOf(address), (byte)pageClass);

            // Takes the class off the first page of a run: of two threads that free it, one does. False: none begins there any more.
            // The four bytes of which it is one are exchanged; of them others write theirs meanwhile.
            internal static bool TryClearRun(nuint address)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                byte* bytes = Space->Find(address)->ClassOf(address);
                ref int word = ref *(int*)((nuint)bytes & ~(nuint)(sizeof(int) - 1));
                int shift = (int)((nuint)bytes & (sizeof(int) - 1)) * 8;
                while (true)
                {
                    int seen = ClrVolatile.Read(ref word);
                    if (!IsRun((seen >> shift) & byte.MaxValue))
                        return false;
                    if (ClrInterlocked.CompareExchange(ref word, seen & ~(byte.MaxValue << shift), seen) == seen)
                        return true;
                }
            }

            // The class byte of the page that an address lies in.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static int ClassOf(nuint address)
            {
                AddressSpace* space = Space;
                // The count first: while it is 0, the base means nothing.
                nuint pages = ClrVolatile.Read(ref space->FirstPages);
                nuint page = unchecked(address - space->FirstBase) >> Window.PageShift;
                return page < pages ? ClrVolatile.Read(ref space->FirstPageMap[page]) : ClassInLaterWindow(address);
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static int ClassInLaterWindow(nuint address)
            {
                Window* window = Space->Find(address);
                return window == null ? None : ClrVolatile.Read(ref *window->ClassOf(address));
            }

            // Sets the class of the pages from an address on: one for the first page, one for the others. The base library's Fill may be
            // compiled anew while it runs, under the lock that the caller holds.
            internal static void Set(nuint address, nuint length, int head, int tail)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                Assert(address % Window.PageSize == 0 && length != 0);
                byte* bytes = Space->Find(address)->ClassOf(address);
                nuint pages = (length + Window.PageSize - 1) / Window.PageSize;
                // The head comes last, and goes first: if it has a class, all its pages have theirs, whatever becomes of the thread.
                if (head == None)
                    ClrVolatile.Write(ref *bytes, None);
                ulong eightTails = (byte)tail * 0x0101_0101_0101_0101UL;
                nuint page = 1;
                for (; page + sizeof(ulong) <= pages; page += sizeof(ulong))
                    ClrUnsafe.WriteUnaligned(bytes + page, eightTails);
                for (; page < pages; page++)
                    bytes[page] = (byte)tail;
                ClrVolatile.Write(ref *bytes, (byte)head);
            }
        }
    }
}
