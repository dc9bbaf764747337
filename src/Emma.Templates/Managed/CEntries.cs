namespace Emma.Templates;

using ClrArgumentException = global::System.ArgumentException;
using ClrCallConvCdecl = global::System.Runtime.CompilerServices.CallConvCdecl;
using ClrEnvironment = global::System.Environment;
using ClrException = global::System.Exception;
using ClrMarshal = global::System.Runtime.InteropServices.Marshal;
using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrNativeMemory = global::System.Runtime.InteropServices.NativeMemory;
using ClrOutOfMemoryException = global::System.OutOfMemoryException;
using ClrRuntimeHelpers = global::System.Runtime.CompilerServices.RuntimeHelpers;
using ClrUnmanagedCallersOnly = global::System.Runtime.InteropServices.UnmanagedCallersOnlyAttribute;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What C calls (Callbacks). The fast halves throw nothing; all else runs within a handler, because no exception may reach C. Out of
        // memory, whatever the reason, a handler of the user's that throws among them, is null; a bad pointer ends the process.
        // Where CEntryCode is what C gets, these are called for what that one leaves.
        internal static class CEntries
        {
            // errno's ENOMEM and EINVAL.
            private const int OutOfMemory = 12;
            private const int BadArgument = 22;

            // Starts the heap and has all that C calls compiled, before the first of them is handed out.
            // Returns: where the machine code of CEntryCode lies; 0: C gets the methods here.
            // Throws OutOfMemoryException: There is no memory for compiled code.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static nint Require()
            {
                if (ClrVolatile.Read(ref Heap->CallbacksGiven) == 0)
                    Begin();
                return ClrVolatile.Read(ref Heap->CodeForC);
            }

            private static void Begin()
            {
                HeapState.EnsureRunning();
                // The methods that do what machine code does are compiled with the last.
                bool callsMethods = HasThreadCaches && !IsHardened && !SmallBlocks.HasMachineCode;
                Compilation.Require(
                    CompilationGroups.Core | CompilationGroups.ForLarge | CompilationGroups.Purge
                        | (callsMethods ? CompilationGroups.Upkeep : 0));
                Compilation.PrepareEntries(typeof(CEntries), LockFree(), typeof(SmallBlocks));
                // Compiled, or bound, by being called.
                ClrMarshal.SetLastSystemError(ClrMarshal.GetLastSystemError());
                Compilation.TryRequire(CompilationGroups.ForLarge);
                ClrRuntimeHelpers.RunClassConstructor(typeof(OutOfMemoryHandlers).TypeHandle);
                CEntryCode.TryMap();
                ClrVolatile.Write(ref Heap->CallbacksGiven, 1);
            }

            // What the entries call that is in no group, because it runs without a lock.
            internal static string[] LockFree() =>
            [
                nameof(AllocateAlignedBlock), nameof(AllocateAnyBlock), nameof(AllocateBlock), nameof(LargeProduct), nameof(Product),
                nameof(TryTakeAligned), nameof(UsableSizeFor),
                CompilationGroups.InlinedMark + nameof(SmallBlocks.TryTake), CompilationGroups.InlinedMark + nameof(SmallBlocks.TryGive),
            ];

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static void* Malloc(nuint size) => Allocate(size);

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static void* Calloc(nuint count, nuint size)
            {
                nuint bytes = Product(count, size);
                void* block = SmallBlocks.TryTake(bytes);
                if (block == null)
                    return AllocateSlowly(bytes, SizeClasses.Granularity, zeroed: true);

                ClrNativeMemory.Clear(block, bytes);
                return block;
            }

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static void* Realloc(void* block, nuint size) => Resize(block, size);

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static void Free(void* block) => Release(block);

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static void* AlignedAlloc(nuint alignment, nuint size)
            {
                if (!nuint.IsPow2(alignment))
                {
                    ClrMarshal.SetLastSystemError(BadArgument);
                    return null;
                }

                void* block = TryTakeAligned(size, alignment);
                return block != null ? block : AllocateSlowly(size, alignment, zeroed: false);
            }

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static nuint UsableSize(void* block) => SizeOfBlock(block);

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static byte* Strdup(byte* text)
            {
                if (text == null)
                    return null;

                nuint length = 0;
                while (text[length] != 0)
                    length++;
                void* copy = Allocate(length + 1);
                if (copy != null)
                    ClrNativeMemory.Copy(text, copy, length + 1);
                return (byte*)copy;
            }

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static void* OpaqueAlloc(void* opaque, nuint size) => Allocate(size);

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static void OpaqueFree(void* opaque, void* block) => Release(block);

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static void* ZlibAlloc(void* opaque, uint items, uint size) => Allocate((nuint)items * size);

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static void* Bzip2Alloc(void* opaque, int items, int size) =>
                (items | size) < 0 ? null : Allocate((nuint)items * (nuint)size);

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static void* LuaAlloc(void* opaque, void* block, nuint oldSize, nuint newSize) => Resize(block, newSize);

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static void* SqliteMalloc(int size) => size <= 0 ? null : Allocate((nuint)size);

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static void* SqliteRealloc(void* block, int size) => Resize(block, size <= 0 ? 0 : (nuint)size);

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static int SqliteSize(void* block) => (int)ClrMath.Min(SizeOfBlock(block), int.MaxValue);

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static int SqliteRoundup(int size) =>
                size <= 0 ? size : (int)ClrMath.Min(UsableSizeFor((nuint)size), int.MaxValue);

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static int SqliteInit(void* data) => 0;

            [ClrUnmanagedCallersOnly(CallConvs = new[] { typeof(ClrCallConvCdecl) })]
            internal static void SqliteShutdown(void* data)
            {
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static void* Allocate(nuint size)
            {
                void* block = SmallBlocks.TryTake(size);
                return block != null ? block : AllocateSlowly(size, SizeClasses.Granularity, zeroed: false);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static void Release(void* block)
            {
                if (!SmallBlocks.TryGive(ref block))
                    ReleaseSlowly(block);
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static void* AllocateSlowly(nuint size, nuint alignment, bool zeroed)
            {
                try
                {
                    void* block = AllocateAnyBlock(size, alignment, zeroed);
                    if (block == null)
                        block = FailAllocation(null, size, alignment, zeroed, throws: false);
                    if (block != null)
                        return block;
                }
                catch (ClrException)
                {
                }

                ClrMarshal.SetLastSystemError(OutOfMemory);
                return null;
            }

            // As the C library's realloc on Linux: a block of no bytes is freed.
            private static void* Resize(void* block, nuint size)
            {
                if (block == null)
                    return size == 0 ? null : Allocate(size);
                if (size != 0)
                    return ResizeSlowly(block, size);

                Release(block);
                return null;
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static void* ResizeSlowly(void* block, nuint size)
            {
                void* resized = null;
                try
                {
                    resized = ReallocateBlock(block, size, SizeClasses.Granularity);
                }
                catch (ClrArgumentException exception)
                {
                    ClrEnvironment.FailFast(exception.Message);
                }
                catch (ClrException)
                {
                }

                return resized != null ? resized : FailResizing(block, size);
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static void* FailResizing(void* block, nuint size)
            {
                try
                {
                    void* resized = FailAllocation(block, size, SizeClasses.Granularity, zeroed: false, throws: false);
                    if (resized != null)
                        return resized;
                }
                catch (ClrException)
                {
                }

                ClrMarshal.SetLastSystemError(OutOfMemory);
                return null;
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static void ReleaseSlowly(void* block)
            {
                int error = ClrMarshal.GetLastSystemError();
                try
                {
                    ReleaseBlock(block);
                }
                catch (ClrOutOfMemoryException)
                {
                    // No memory for the compiler: the block stays.
                }
                catch (ClrException exception)
                {
                    ClrEnvironment.FailFast(exception.Message);
                }

                ClrMarshal.SetLastSystemError(error);
            }

            private static nuint SizeOfBlock(void* block)
            {
                try
                {
                    return block == null ? 0 : UsableSizeOfBlock(block, nameof(UsableSize));
                }
                catch (ClrException exception)
                {
                    ClrEnvironment.FailFast(exception.Message);
                    return 0;
                }
            }
        }
    }
}
