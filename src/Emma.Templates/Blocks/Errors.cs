namespace Emma.Templates;

using ClrArgumentException = global::System.ArgumentException;
using ClrArgumentOutOfRangeException = global::System.ArgumentOutOfRangeException;
using ClrCultureInfo = global::System.Globalization.CultureInfo;
using ClrEncoding = global::System.Text.Encoding;
using ClrException = global::System.Exception;
using ClrFile = global::System.IO.File;
using ClrFileAccess = global::System.IO.FileAccess;
using ClrFileMode = global::System.IO.FileMode;
using ClrFileShare = global::System.IO.FileShare;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMath = global::System.Math;
using ClrMemoryExtensions = global::System.MemoryExtensions;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrNumberStyles = global::System.Globalization.NumberStyles;
using ClrOutOfMemoryException = global::System.OutOfMemoryException;
using ClrRandomAccess = global::System.IO.RandomAccess;
using ClrSafeFileHandle = global::Microsoft.Win32.SafeHandles.SafeFileHandle;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What becomes of an allocation for which no room was found, all being reclaimed. The caller holds no lock.
        // ptr: The block to be resized; null: a new one.
        // Returns: a block, if a handler has made room; else null, unless it is to throw.
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* FailAllocation(void* ptr, nuint size, nuint alignment, bool zeroed, bool throws)
        {
            if (ClrVolatile.Read(ref OutOfMemoryHandlers.Current) is not null)
            {
                void* block = OutOfMemoryHandlers.Retry(ptr, size, alignment, zeroed);
                if (block != null)
                    return block;
            }

            ClrInterlocked.Increment(ref Heap->Failures);
            if (throws)
                ThrowOutOfMemory(size);
            return null;
        }

        // Says why there was no room for an allocation that has failed.
        internal static void ThrowOutOfMemory(nuint size)
        {
            // There may be no memory for the code that counts either.
            string reason = HeapState.IsRunning && Compilation.TryRequire(CompilationGroups.ForUpkeep)
                ? ReasonForRefusal(size)
                : "there is no memory for the code of the heap";
            throw new ClrOutOfMemoryException(
                HeapName + ": no room for a block of " + size.ToString(ClrCultureInfo.InvariantCulture) + " bytes: " + reason + ".");
        }

        // Messages are put together from strings: interpolation of many parts is four times as much code.
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static string ReasonForRefusal(nuint size)
        {
            HeapCount count = CountIfRunning();
            return size > AddressSpace.MaxBytes
                ? "no process can have so many. Look for a product that overflows, or a negative number that was converted"
                : count.Limit != 0 && NeededBeyond(count.Limit - count.Mapped, size) is not 0 and long needed
                ? "it takes " + Number(needed) + " bytes that are not mapped yet, and the MemoryLimit of " + Number(count.Limit) +
                " bytes leaves " + Number(ClrMath.Max(count.Limit - count.Mapped, 0)) + ". Of what is mapped, " + Number(count.InUse) +
                " bytes are in use, " + Number(count.Free) + " free in pages or blocks of other sizes, " + Number(count.Cached) +
                " kept by threads, " + Number(count.Header) + " for headers"
                : "the heap has mapped " + Number(count.Mapped) +
                " bytes and the kernel gives no more (address-space limit, overcommit or vm.max_map_count)";
        }

        // A number for messages, in digits.
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static string Number(long number) => number.ToString(ClrCultureInfo.InvariantCulture);

        // The bytes that have to be mapped for a block where nothing free serves it, if that is more than the limit leaves; else 0.
        internal static long NeededBeyond(long left, nuint size)
        {
            long needed = (long)(
                size > SizeClasses.MaxSize && LargeBlocks.Takes(size, 1) ? LargeBlocks.LengthFor(size)
                : (nuint)PagesFor(size) << Segment.PageShift);
            // Where no segment can grow, a new one's header comes with it.
            return needed > left ? needed : needed + (long)Segment.PageSize > left ? needed + (long)Segment.PageSize : 0;
        }

        // The pages of a block's run or slab.
        internal static int PagesFor(nuint size)
        {
            if (size > SizeClasses.MaxSize)
                return Segment.PagesFor(size);

            nuint blockSize = SizeClasses.SizeOf(SizeClasses.Of(size));
            return Policy.HasScarceSlabs ? SizeClasses.PagesPerScarceSlab(blockSize) : SizeClasses.PagesPerSlab(blockSize);
        }

        internal static void ThrowBadLimit(long limit) =>
            throw new ClrArgumentOutOfRangeException(
                "value", HeapName + ": the MemoryLimit " + Number(limit) + " is negative. It is a number of bytes, or 0 for no limit.");

        internal static void ThrowBadAlignment(nuint alignment) =>
            throw new ClrArgumentException(
                HeapName + ": the alignment " + alignment.ToString(ClrCultureInfo.InvariantCulture) + " is not a power of two.",
                nameof(alignment));

        // Refuses a pointer. Nothing has been changed.
        internal static void ThrowBadPointer(void* block, string operation, PointerCheck check)
        {
            bool ours = Space->Find((nuint)block) != null;
            string finding =
                check == PointerCheck.NotABlock && ArenaChunk.Holds((nuint)block)
                ? "which lies in an arena. Its Reset, Rewind or Dispose gives it back"
                : check == PointerCheck.NotABlock
                ? "which lies inside a block or behind the last one. Pass the pointer that the allocation returned"
                : Space->HadBeforeDestroy((nuint)block) ? "which lay in this heap before its Destroy. No block of then is valid"
                : ours ? "where no live block of this heap begins. It was freed already, or never allocated"
                : FindForeignOwner((nuint)block) is string owner ? $"which is a block of the heap {owner}. Pass it to that heap"
                : "which lies outside this heap. Pass it to whatever allocated it";
            string pointer = ((nuint)block).ToString("x", ClrCultureInfo.InvariantCulture);
            throw new ClrArgumentException(
                HeapName + "." + operation + " was given the pointer 0x" + pointer + ", " + finding + ".", "ptr");
        }

        // The label of the other heap whose live block or slab the address lies in, for an error's message; null if none can be told. Heaps
        // share nothing, so this looks for other heaps' windows in the process's list of mappings, and reads them through the kernel, which
        // reports a bad address instead of faulting.
        internal static string? FindForeignOwner(nuint address)
        {
            try
            {
                using ClrSafeFileHandle memory = ClrFile.OpenHandle(
                    "/proc/self/mem",
                    ClrFileMode.Open,
                    ClrFileAccess.Read,
                    ClrFileShare.ReadWrite);
                foreach (string mapping in ClrFile.ReadLines("/proc/self/maps"))
                {
                    if (TryReadWindow(memory, mapping, out nuint start, out Window window)
                        && window.Contains(address)
                        && ReadClass(memory, window, address) != PageMap.None)
                    {
                        return ReadLabel(memory, start, window);
                    }
                }
            }
            catch (ClrException)
            {
                // No /proc, or no right to read it: the owner cannot be told.
            }

            return null;
        }

        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static bool TryReadWindow(ClrSafeFileHandle memory, string mapping, out nuint start, out Window window)
        {
            window = default;
            int dash = mapping.IndexOf('-');
            if (!nuint.TryParse(ClrMemoryExtensions.AsSpan(mapping, 0, dash), ClrNumberStyles.HexNumber, null, out start)
                || !mapping.Contains(" rw-p ", global::System.StringComparison.Ordinal))
            {
                return false;
            }

            fixed (Window* target = &window)
                return Read(memory, start, target, sizeof(Window)) && window.IsOfAnyHeap;
        }

        internal static byte ReadClass(ClrSafeFileHandle memory, in Window window, nuint address)
        {
            byte pageClass = PageMap.None;
            Read(memory, (nuint)window.ClassOf(address), &pageClass, sizeof(byte));
            return pageClass;
        }

        internal static string? ReadLabel(ClrSafeFileHandle memory, nuint start, in Window window)
        {
            int length = ClrMath.Clamp(window.LabelLength, 0, (int)Window.LabelCapacity);
            byte[] label = new byte[length];
            fixed (byte* target = label)
                return Read(memory, start + (nuint)sizeof(Window), target, length) ? ClrEncoding.UTF8.GetString(label) : null;
        }

        internal static bool Read(ClrSafeFileHandle memory, nuint address, void* target, int bytes)
        {
            try
            {
                return ClrRandomAccess.Read(memory, new global::System.Span<byte>(target, bytes), (long)address) == bytes;
            }
            catch (ClrException)
            {
                return false;
            }
        }
    }
}
