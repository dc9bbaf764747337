/// <summary>
/// Stands for a native-memory heap, which needs .NET 8: its blocks are those of
/// <see cref="global::System.Runtime.InteropServices.Marshal"/>, each with a header. The methods have the names and the meaning of the
/// heap's; its options have no effect.
/// </summary>
[global::System.CodeDom.Compiler.GeneratedCodeAttribute("Emma.Generator", "{version}")]
[global::System.Diagnostics.CodeAnalysis.ExcludeFromCodeCoverageAttribute]
{access}static unsafe partial class {name}
{
    /// <summary>Allocates a block. Its contents are undefined.</summary>
    /// <param name="byteCount">Bytes; 0 gives a unique block too.</param>
    /// <returns>The block, at a multiple of 16; never null. Free it with <c>Free</c> of this class.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.OutOfMemoryException">The system has no more.</exception>
    public static void* Alloc(nuint byteCount) => HeapInternals.Allocate(byteCount, HeapInternals.LeastAlignment);

    /// <summary>Allocates a block for a number of elements. Its contents are undefined.</summary>
    /// <param name="elementCount">Elements.</param>
    /// <param name="elementSize">Bytes of an element. A product that overflows is out of memory.</param>
    /// <returns>The block, at a multiple of 16; never null. Free it with <c>Free</c> of this class.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.OutOfMemoryException">The system has no more.</exception>
    public static void* Alloc(nuint elementCount, nuint elementSize) => Alloc(HeapInternals.Product(elementCount, elementSize));

    /// <summary>Allocates a block for elements of a type. Their contents are undefined.</summary>
    /// <typeparam name="T">An unmanaged type.</typeparam>
    /// <param name="count">Elements; 0 gives a unique block too.</param>
    /// <returns>The first element, at a multiple of 16; never null. Free it with <c>Free</c> of this class.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.OutOfMemoryException">The system has no more.</exception>
    public static T* Alloc<T>(nuint count = 1)
        where T : unmanaged => (T*)Alloc(count, (nuint)sizeof(T));

    /// <summary>Allocates a block of zeros.</summary>
    /// <param name="byteCount">Bytes that are zero; 0 gives a unique block too.</param>
    /// <returns>The block, at a multiple of 16; never null. Free it with <c>Free</c> of this class.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.OutOfMemoryException">The system has no more.</exception>
    public static void* AllocZeroed(nuint byteCount)
    {
        void* block = Alloc(byteCount);
        Clear(block, byteCount);
        return block;
    }

    /// <summary>Allocates a block of zeros for a number of elements.</summary>
    /// <param name="elementCount">Elements.</param>
    /// <param name="elementSize">Bytes of an element. A product that overflows is out of memory.</param>
    /// <returns>The block, at a multiple of 16; never null. Free it with <c>Free</c> of this class.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.OutOfMemoryException">The system has no more.</exception>
    public static void* AllocZeroed(nuint elementCount, nuint elementSize) => AllocZeroed(HeapInternals.Product(elementCount, elementSize));

    /// <summary>Changes the size of a block, in place where it becomes a little smaller; else its contents move.</summary>
    /// <param name="ptr">A block of this class; null: as <c>Alloc</c>.</param>
    /// <param name="byteCount">The new size in bytes. What lies behind the smaller of both sizes is undefined.</param>
    /// <returns>The block, at a multiple of 16, which may have moved; never null.</returns>
    /// <remarks>Any thread may call this. If this throws, the block is as it was.</remarks>
    /// <exception cref="global::System.OutOfMemoryException">The system has no more.</exception>
    /// <exception cref="global::System.ArgumentException"><paramref name="ptr"/> is no block of this class.</exception>
    public static void* Realloc(void* ptr, nuint byteCount) =>
        HeapInternals.Resize(ptr, byteCount, HeapInternals.LeastAlignment, nameof(Realloc));

    /// <summary>Frees a block, aligned or not.</summary>
    /// <param name="ptr">A block of this class; null: nothing happens.</param>
    /// <remarks>
    /// Any thread may call this. The bytes before the block are read: a pointer that is no block is refused where they can be read, and do
    /// not happen to look like a block's.
    /// </remarks>
    /// <exception cref="global::System.ArgumentException"><paramref name="ptr"/> is no block of this class.</exception>
    public static void Free(void* ptr) => HeapInternals.Release(ptr, nameof(Free));

    /// <summary>Allocates a block at a multiple of an alignment. Its contents are undefined.</summary>
    /// <param name="byteCount">Bytes; 0 gives a unique block too.</param>
    /// <param name="alignment">Bytes; a power of two. So many bytes more are allocated.</param>
    /// <returns>The block; never null. Free it with <c>AlignedFree</c> or <c>Free</c> of this class.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.ArgumentException"><paramref name="alignment"/> is not a power of two.</exception>
    /// <exception cref="global::System.OutOfMemoryException">The system has no more.</exception>
    public static void* AlignedAlloc(nuint byteCount, nuint alignment)
    {
        HeapInternals.RequireAlignment(alignment);
        return HeapInternals.Allocate(byteCount, alignment);
    }

    /// <summary>Changes the size and the alignment of a block.</summary>
    /// <param name="ptr">A block of this class, aligned or not; null: as <c>AlignedAlloc</c>.</param>
    /// <param name="byteCount">The new size in bytes. What lies behind the smaller of both sizes is undefined.</param>
    /// <param name="alignment">Bytes; a power of two.</param>
    /// <returns>The block, which may have moved; never null.</returns>
    /// <remarks>Any thread may call this. If this throws, the block is as it was.</remarks>
    /// <exception cref="global::System.ArgumentException"><paramref name="alignment"/> is not a power of two, or <paramref name="ptr"/> is
    /// no block of this class.</exception>
    /// <exception cref="global::System.OutOfMemoryException">The system has no more.</exception>
    public static void* AlignedRealloc(void* ptr, nuint byteCount, nuint alignment)
    {
        HeapInternals.RequireAlignment(alignment);
        return HeapInternals.Resize(ptr, byteCount, alignment, nameof(AlignedRealloc));
    }

    /// <summary>Frees a block, aligned or not: the same as <c>Free</c>.</summary>
    /// <param name="ptr">A block of this class; null: nothing happens.</param>
    /// <exception cref="global::System.ArgumentException"><paramref name="ptr"/> is no block of this class.</exception>
    public static void AlignedFree(void* ptr) => HeapInternals.Release(ptr, nameof(AlignedFree));

    /// <summary>Allocates a block, as <c>Alloc</c>.</summary>
    /// <param name="cb">Bytes; 0 gives a unique block too. A negative number is out of memory.</param>
    /// <returns>The block, at a multiple of 16; never 0. Free it with <c>FreeHGlobal</c> or <c>Free</c> of this class, not with
    /// <c>Marshal</c>'s.</returns>
    /// <exception cref="global::System.OutOfMemoryException">The system has no more.</exception>
    public static nint AllocHGlobal(int cb) => unchecked((nint)Alloc((nuint)cb));

    /// <summary>Allocates a block, as <c>Alloc</c>.</summary>
    /// <param name="cb">Bytes; 0 gives a unique block too. A negative number is out of memory.</param>
    /// <returns>The block, at a multiple of 16; never 0. Free it with <c>FreeHGlobal</c> or <c>Free</c> of this class, not with
    /// <c>Marshal</c>'s.</returns>
    /// <exception cref="global::System.OutOfMemoryException">The system has no more.</exception>
    public static nint AllocHGlobal(nint cb) => unchecked((nint)Alloc((nuint)cb));

    /// <summary>Changes the size of a block, as <c>Realloc</c>.</summary>
    /// <param name="pv">A block of this class; 0: as <c>AllocHGlobal</c>.</param>
    /// <param name="cb">The new size in bytes. A negative number is out of memory.</param>
    /// <returns>The block, which may have moved; never 0.</returns>
    /// <exception cref="global::System.OutOfMemoryException">The system has no more; the block is as it was.</exception>
    /// <exception cref="global::System.ArgumentException"><paramref name="pv"/> is no block of this class.</exception>
    public static nint ReAllocHGlobal(nint pv, nint cb) =>
        unchecked((nint)HeapInternals.Resize((void*)pv, (nuint)cb, HeapInternals.LeastAlignment, nameof(ReAllocHGlobal)));

    /// <summary>Frees a block, as <c>Free</c>.</summary>
    /// <param name="hglobal">A block of this class; 0: nothing happens.</param>
    /// <exception cref="global::System.ArgumentException"><paramref name="hglobal"/> is no block of this class.</exception>
    public static void FreeHGlobal(nint hglobal) => HeapInternals.Release(unchecked((void*)hglobal), nameof(FreeHGlobal));

    /// <summary>Sets bytes of any memory to zero.</summary>
    /// <param name="ptr">The first byte.</param>
    /// <param name="byteCount">Bytes.</param>
    public static void Clear(void* ptr, nuint byteCount) => Fill(ptr, byteCount, 0);

    /// <summary>Copies bytes of any memory; the two places may overlap.</summary>
    /// <param name="source">The first byte to read.</param>
    /// <param name="destination">The first byte to write.</param>
    /// <param name="byteCount">Bytes.</param>
    public static void Copy(void* source, void* destination, nuint byteCount) =>
        HeapInternals.Copy((byte*)source, (byte*)destination, byteCount);

    /// <summary>Sets bytes of any memory to a value.</summary>
    /// <param name="ptr">The first byte.</param>
    /// <param name="byteCount">Bytes.</param>
    /// <param name="value">What each byte becomes.</param>
    public static void Fill(void* ptr, nuint byteCount, byte value) => HeapInternals.Fill((byte*)ptr, byteCount, value);

    private static class HeapInternals
    {
        internal const uint LeastAlignment = 16;

        private const string HeapName = "{fullName}";

        // Marks the beginning of a live block.
        private const uint Signature = 0x7E3AB10C;

        // Allocates a block behind a header, at a multiple of an alignment.
        // alignment: A power of two; smaller ones than the least are that.
        internal static void* Allocate(nuint size, nuint alignment)
        {
            unchecked
            {
                alignment = alignment < LeastAlignment ? LeastAlignment : alignment;
                nuint beside = (nuint)sizeof(Header) + alignment - 1;
                nuint length = size + beside;
                if (length < size || (nint)length < 0)
                    throw new global::System.OutOfMemoryException(
                        HeapName + ": no room for a block of " + Number(size) + " bytes: no process can have so many.");

                nint start = global::System.Runtime.InteropServices.Marshal.AllocHGlobal((nint)length);
                nuint block = ((nuint)start + beside) & ~(alignment - 1);
                Header* header = (Header*)block - 1;
                header->Start = start;
                header->Size = size;
                header->Check = CheckOf(header);
                return (void*)block;
            }
        }

        internal static void Release(void* block, string operation)
        {
            if (block == null)
                return;

            Header* header = HeaderOf(block, operation);
            header->Check = ~header->Check;
            global::System.Runtime.InteropServices.Marshal.FreeHGlobal(header->Start);
        }

        internal static void* Resize(void* block, nuint size, nuint alignment, string operation)
        {
            if (block == null)
                return Allocate(size, alignment);

            Header* header = HeaderOf(block, operation);
            nuint capacity = header->Size;
            bool fits = size <= capacity && ((nuint)block & unchecked(alignment - 1)) == 0;
            if (fits && size >= capacity / 2)
                return block;

            void* moved;
            try
            {
                moved = Allocate(size, alignment);
            }
            catch (global::System.OutOfMemoryException) when (fits)
            {
                return block;
            }

            Copy((byte*)block, (byte*)moved, size < capacity ? size : capacity);
            Release(block, operation);
            return moved;
        }

        // The product, or more than any block has.
        internal static nuint Product(nuint count, nuint size)
        {
            nuint most = ~(nuint)0;
            return size != 0 && count > most / size ? most : unchecked(count * size);
        }

        internal static void RequireAlignment(nuint alignment)
        {
            if (alignment == 0 || (alignment & unchecked(alignment - 1)) != 0)
                throw new global::System.ArgumentException(
                    HeapName + ": the alignment " + Number(alignment) + " is not a power of two.", nameof(alignment));
        }

        // Not every framework has a method that copies what may overlap. Words are as long as a register: longer ones have to be aligned on
        // some processors.
        internal static void Copy(byte* source, byte* destination, nuint length)
        {
            unchecked
            {
                nuint word = (nuint)sizeof(nuint);
                if ((nuint)destination - (nuint)source < length)
                {
                    for (; length >= word; length -= word)
                        *(nuint*)(destination + length - word) = *(nuint*)(source + length - word);
                    for (; length > 0; length--)
                        destination[length - 1] = source[length - 1];
                    return;
                }

                nuint i = 0;
                for (; length - i >= 4 * word; i += 4 * word)
                {
                    nuint* from = (nuint*)(source + i), to = (nuint*)(destination + i);
                    nuint first = from[0], second = from[1], third = from[2], fourth = from[3];
                    to[0] = first;
                    to[1] = second;
                    to[2] = third;
                    to[3] = fourth;
                }

                for (; i < length; i++)
                    destination[i] = source[i];
            }
        }

        internal static void Fill(byte* start, nuint length, byte value)
        {
            unchecked
            {
                nuint word = (nuint)(value * 0x0101010101010101UL);
                nuint i = 0;
                for (; length - i >= (nuint)sizeof(nuint); i += (nuint)sizeof(nuint))
                    *(nuint*)(start + i) = word;
                for (; i < length; i++)
                    start[i] = value;
            }
        }

        private static Header* HeaderOf(void* block, string operation)
        {
            Header* header = (Header*)block - 1;
            if (((nuint)block & (LeastAlignment - 1)) != 0 || header->Check != CheckOf(header))
                throw new global::System.ArgumentException(
                    HeapName + "." + operation + " was given the pointer 0x" +
                    ((ulong)block).ToString("x", global::System.Globalization.CultureInfo.InvariantCulture) +
                    ", where no live block of this heap begins. It was freed already, or never allocated.", "ptr");
            return header;
        }

        private static nuint CheckOf(Header* header) => unchecked((nuint)header->Start) ^ header->Size ^ (nuint)header ^ Signature;

        private static string Number(nuint number) =>
            ((ulong)number).ToString(global::System.Globalization.CultureInfo.InvariantCulture);

        // Lies before each block.
        private struct Header
        {
            // What Marshal gave.
            internal nint Start;

            // The bytes that may be used.
            internal nuint Size;

            internal nuint Check;
        }
    }
}
