namespace Emma.Templates;

using ClrHandler = global::System.Func<nuint, bool>;

// What a heap tells of itself, and how it gives memory back.
static unsafe partial class EmmaHeap
{
    /// <summary>How this heap reaches the kernel. Starts the heap if nothing has yet; maps no block memory.</summary>
    /// <exception cref="global::System.PlatformNotSupportedException">First use on anything but Linux x64 or arm64.</exception>
    public static KernelAccess Kernel
    {
        get
        {
            HeapInternals.HeapState.EnsureRunning();
            return HeapInternals.KernelEntry.Access;
        }
    }

    /// <summary>
    /// The version of Emma.Generator that wrote this heap, as in 1.2.3.0: whether a fix is in it. The heap is code of its assembly, and so
    /// are its fixes: an assembly gets them when it is built with a newer package.
    /// </summary>
    /// <value>Four numbers with points between: the package's, without a suffix, and 0.</value>
    /// <remarks>Any thread may read it; it starts nothing. Code that was built against a public heap reads that heap's own.</remarks>
    public static string GeneratorVersion => HeapInternals.ToolVersion;

    /// <summary>The bytes of a block that may be used: at least as many as were asked for.</summary>
    /// <param name="ptr">A block of this heap; null: 0.</param>
    /// <returns>Bytes.</returns>
    /// <exception cref="global::System.ArgumentException"><paramref name="ptr"/> is no block of this heap.</exception>
    public static nuint UsableSize(void* ptr) =>
        ptr == null ? 0 : HeapInternals.UsableSizeOfBlock(ptr, nameof(UsableSize));

    /// <summary>The bytes that a block has if so many are asked for: asking for them all costs nothing more.</summary>
    /// <param name="byteCount">Bytes.</param>
    /// <returns>Bytes, not fewer than <paramref name="byteCount"/>.</returns>
    /// <remarks>
    /// A block of more than 2 MiB may get up to an eighth more: where a freed one of that size is at hand, and when it grows. Depends on
    /// <see cref="MemoryLimit"/>; at a limit a block may have more than this says, where nothing else is free.
    /// </remarks>
    public static nuint GoodSize(nuint byteCount) => HeapInternals.UsableSizeFor(byteCount);

    /// <summary>The bytes that a block at a multiple of an alignment has if so many are asked for.</summary>
    /// <param name="byteCount">Bytes.</param>
    /// <param name="alignment">Bytes; a power of two.</param>
    /// <returns>Bytes, not fewer than <paramref name="byteCount"/>; see <c>GoodSize</c> without an alignment.</returns>
    /// <exception cref="global::System.ArgumentException"><paramref name="alignment"/> is not a power of two.</exception>
    public static nuint GoodSize(nuint byteCount, nuint alignment)
    {
        HeapInternals.RequireAlignment(alignment);
        return HeapInternals.UsableSizeFor(byteCount, alignment);
    }

    /// <summary>
    /// Whether an address lies in a live block of this heap, or in pages that the heap keeps for blocks of up to 256 KiB.
    /// </summary>
    /// <param name="ptr">Any value: it is not read through.</param>
    /// <returns>False for null and for what other heaps or nobody owns.</returns>
    /// <remarks>Any thread may call this; it takes no lock.</remarks>
    public static bool Owns(void* ptr) => HeapInternals.PageMap.ClassOf((nuint)ptr) != HeapInternals.PageMap.None;

    /// <summary>
    /// The most bytes the heap may map from the kernel, its headers included; past it allocation is out of memory. 0: no limit. Begins
    /// with the attribute's option, and may be set at any time. <c>Destroy</c> leaves it as it is.
    /// </summary>
    /// <value>Bytes.</value>
    /// <remarks>
    /// <para>
    /// Set before the first block (or after <c>Destroy</c>), it has the heap map in smaller steps, so that nearly all of the limit is
    /// there for blocks. Set later, it leaves as they are the window of addresses and its records (1.2 MiB without a limit until then),
    /// segments of 4 MiB, the blocks that live, and what other threads keep, freed page runs of up to 256 KiB among that.
    /// </para>
    /// <para>
    /// Set to less than is mapped, it has the heap trimmed at once (see <c>Trim</c>), and nothing more is mapped until enough was freed;
    /// what is free in mapped pages still serves. Any thread may read and set it.
    /// </para>
    /// </remarks>
    /// <exception cref="global::System.ArgumentOutOfRangeException">The value is negative; nothing has changed.</exception>
    public static long MemoryLimit
    {
        get => HeapInternals.Policy.Limit;
        set
        {
            if (value < 0)
                HeapInternals.ThrowBadLimit(value);
            HeapInternals.SetLimit(value);
        }
    }

    /// <summary>
    /// Is asked when an allocation finds no room and the heap has reclaimed all it can, before it fails: with the bytes wanted; true: try
    /// again. Null, as it is to begin with: nobody is. <c>Destroy</c> leaves it as it is.
    /// </summary>
    /// <remarks>
    /// <para>
    /// It runs on the thread that allocates, and no lock is held: it may use the heap, free, trim, raise the limit, or set another handler;
    /// but not free a block that is being resized. Several threads may run it at once. What it allocates itself does not ask again. It is
    /// asked for as long as it says true and there is no room, so it must not say so for ever. Its exceptions reach whoever allocates, and
    /// the heap is unchanged. The methods that return null instead of throwing ask it, too.
    /// </para>
    /// <para>
    /// A host's handler, which the package <c>Emma.Hosting</c> sets, is asked after this one, if this one says false.
    /// </para>
    /// </remarks>
    /// <example>
    /// <code>
    /// MyHeap.MemoryLimit = 64 &lt;&lt; 20;
    /// MyHeap.OutOfMemoryHandler = wanted =>
    /// {
    ///     if (MyHeap.MemoryLimit >= 256 &lt;&lt; 20)
    ///         return false;
    ///
    ///     MyHeap.MemoryLimit *= 2;
    ///     return true;
    /// };
    /// </code>
    /// </example>
    public static ClrHandler? OutOfMemoryHandler
    {
        get => HeapInternals.OutOfMemoryHandlers.Own;
        set => HeapInternals.OutOfMemoryHandlers.SetOwn(value);
    }

    /// <summary>
    /// Counts what the heap holds. Takes each of its locks for a moment; before the first allocation it holds no bytes.
    /// </summary>
    /// <exception cref="global::System.OutOfMemoryException">There is no memory for the code that counts.</exception>
    /// <example>
    /// <code>
    /// long before = MyHeap.GetStatistics().LiveBlocks;
    /// MyHeap.Free(MyHeap.Alloc(100));
    /// if (MyHeap.GetStatistics().LiveBlocks != before)
    ///     throw new InvalidOperationException($"Something is left: {MyHeap.GetStatistics()}");
    /// </code>
    /// </example>
    public static HeapStatistics GetStatistics()
    {
        HeapInternals.HeapCount count = HeapInternals.CountIfRunning();
        return new HeapStatistics(&count);
    }

    /// <summary>Gives everything free back to the kernel: unmaps what holds no live block, and discards free pages elsewhere.</summary>
    /// <returns>Bytes unmapped or discarded. Free blocks within pages that hold live ones stay.</returns>
    /// <remarks>Any thread may call this at any time; it takes milliseconds where there is much to give.</remarks>
    public static nuint Trim()
    {
        if (!HeapInternals.HeapState.IsRunning || !HeapInternals.Compilation.TryRequire(HeapInternals.CompilationGroups.ForUpkeep))
            return 0;

        return HeapInternals.TrimSome(int.MaxValue, int.MaxValue);
    }

    /// <summary>
    /// Frees every block at once and unmaps them all, in time that depends on the mappings, not on the blocks. The next allocation starts
    /// the heap afresh.
    /// </summary>
    /// <remarks>
    /// No other thread may use the heap meanwhile, and no pointer into it is valid afterwards: reading through one faults.
    /// </remarks>
    public static void Destroy()
    {
        if (!HeapInternals.HeapState.IsRunning)
            return;

        // Without memory for the compiler it goes on all the same: nobody waits for its locks.
        HeapInternals.Compilation.TryRequire(HeapInternals.CompilationGroups.ForUpkeep);
        HeapInternals.HeapState.Clear();
    }

    /// <summary>
    /// Starts the heap and has all of its methods compiled. Without it they are compiled in groups, when they are first needed.
    /// </summary>
    /// <remarks>
    /// For programs that fork without exec: a forked child cannot compile. It must come before the fork. Any thread may call this; it takes
    /// some tens of milliseconds, once, and maps no block memory. Nothing remains to be done where code is compiled ahead of time.
    /// </remarks>
    /// <exception cref="global::System.OutOfMemoryException">There is no memory for the compiled code; the heap works without.</exception>
    /// <exception cref="global::System.PlatformNotSupportedException">First use on anything but Linux x64 or arm64.</exception>
    public static void Prepare()
    {
        HeapInternals.HeapState.EnsureRunning();
        HeapInternals.Compilation.Prepare(HeapInternals.CompilationGroups.All);
    }
}
