namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// The heap as function pointers, for C libraries that let their memory be allocated elsewhere.
    /// </summary>
    /// <remarks>
    /// <para>
    /// Any thread may call them, also one that .NET has not made. They throw nothing: out of memory is null, with <c>errno</c> set to
    /// <c>ENOMEM</c>, after the heap's <see cref="OutOfMemoryHandler"/> was asked. A pointer that is no block of this heap ends the
    /// process with the heap's message, because C has no way to be told. Blocks are those of <c>Alloc</c>: .NET code may free what C has
    /// allocated, and the other way round.
    /// </para>
    /// <para>
    /// All of them are compiled before the first one is handed out, and <see cref="HeapStatistics.HasCallbacks"/> is true from then on.
    /// What C still has when <c>Destroy</c> is called is gone. A function pointer does not keep its load context alive: shut the library
    /// down first, or the next call ends the process. A program that forks takes them before.
    /// </para>
    /// <para>
    /// To get one throws <c>OutOfMemoryException</c> where there is no memory for compiled code, and <c>PlatformNotSupportedException</c>
    /// where the heap cannot run.
    /// </para>
    /// </remarks>
    public static class Callbacks
    {
        /// <summary>C's <c>malloc(size)</c>: a block at a multiple of 16; 0 bytes give a unique block. libcurl, expat, libxml2.</summary>
        public static delegate* unmanaged[Cdecl]<nuint, void*> Malloc
        {
            get
            {
                nint code = HeapInternals.CEntries.Require();
                return code != 0
                    ? (delegate* unmanaged[Cdecl]<nuint, void*>)(code + HeapInternals.CEntryCode.Malloc)
                    : &HeapInternals.CEntries.Malloc;
            }
        }

        /// <summary>C's <c>calloc(count, size)</c>: zeros; null where the product overflows. libcurl.</summary>
        public static delegate* unmanaged[Cdecl]<nuint, nuint, void*> Calloc
        {
            get
            {
                HeapInternals.CEntries.Require();
                return &HeapInternals.CEntries.Calloc;
            }
        }

        /// <summary>
        /// C's <c>realloc(block, size)</c> as Linux has it: null allocates, 0 bytes free and give null. Out of memory leaves the block as
        /// it was. libcurl, expat, libxml2.
        /// </summary>
        public static delegate* unmanaged[Cdecl]<void*, nuint, void*> Realloc
        {
            get
            {
                nint code = HeapInternals.CEntries.Require();
                return code != 0
                    ? (delegate* unmanaged[Cdecl]<void*, nuint, void*>)(code + HeapInternals.CEntryCode.Realloc)
                    : &HeapInternals.CEntries.Realloc;
            }
        }

        /// <summary>
        /// C's <c>free(block)</c>; null: nothing happens; <c>errno</c> stays as it was, but for a thread's first call.
        /// libcurl, expat, libxml2.
        /// </summary>
        public static delegate* unmanaged[Cdecl]<void*, void> Free
        {
            get
            {
                nint code = HeapInternals.CEntries.Require();
                return code != 0
                    ? (delegate* unmanaged[Cdecl]<void*, void>)(code + HeapInternals.CEntryCode.Free)
                    : &HeapInternals.CEntries.Free;
            }
        }

        /// <summary>
        /// C's <c>aligned_alloc(alignment, size)</c>; null with <c>EINVAL</c> if the alignment is not a power of two.
        /// </summary>
        public static delegate* unmanaged[Cdecl]<nuint, nuint, void*> AlignedAlloc
        {
            get
            {
                HeapInternals.CEntries.Require();
                return &HeapInternals.CEntries.AlignedAlloc;
            }
        }

        /// <summary><c>malloc_usable_size(block)</c>: bytes, as many as were asked for or more; null has 0.</summary>
        public static delegate* unmanaged[Cdecl]<void*, nuint> UsableSize
        {
            get
            {
                HeapInternals.CEntries.Require();
                return &HeapInternals.CEntries.UsableSize;
            }
        }

        /// <summary>C's <c>strdup(text)</c>: a copy, with the zero that ends it. libcurl, libxml2.</summary>
        public static delegate* unmanaged[Cdecl]<byte*, byte*> Strdup
        {
            get
            {
                HeapInternals.CEntries.Require();
                return &HeapInternals.CEntries.Strdup;
            }
        }

        /// <summary><c>alloc(opaque, size)</c>, whose first argument is not used. brotli, zstd.</summary>
        public static delegate* unmanaged[Cdecl]<void*, nuint, void*> OpaqueAlloc
        {
            get
            {
                nint code = HeapInternals.CEntries.Require();
                return code != 0
                    ? (delegate* unmanaged[Cdecl]<void*, nuint, void*>)(code + HeapInternals.CEntryCode.OpaqueAlloc)
                    : &HeapInternals.CEntries.OpaqueAlloc;
            }
        }

        /// <summary><c>free(opaque, block)</c>, whose first argument is not used. zlib, bzip2, brotli, zstd.</summary>
        public static delegate* unmanaged[Cdecl]<void*, void*, void> OpaqueFree
        {
            get
            {
                nint code = HeapInternals.CEntries.Require();
                return code != 0
                    ? (delegate* unmanaged[Cdecl]<void*, void*, void>)(code + HeapInternals.CEntryCode.OpaqueFree)
                    : &HeapInternals.CEntries.OpaqueFree;
            }
        }

        /// <summary>zlib's <c>zalloc(opaque, items, size)</c>. Its counterpart is <see cref="OpaqueFree"/>.</summary>
        public static delegate* unmanaged[Cdecl]<void*, uint, uint, void*> ZlibAlloc
        {
            get
            {
                nint code = HeapInternals.CEntries.Require();
                return code != 0
                    ? (delegate* unmanaged[Cdecl]<void*, uint, uint, void*>)(code + HeapInternals.CEntryCode.ZlibAlloc)
                    : &HeapInternals.CEntries.ZlibAlloc;
            }
        }

        /// <summary>
        /// bzip2's <c>bzalloc(opaque, items, size)</c>; a negative number gives null. Its counterpart is <see cref="OpaqueFree"/>.
        /// </summary>
        public static delegate* unmanaged[Cdecl]<void*, int, int, void*> Bzip2Alloc
        {
            get
            {
                nint code = HeapInternals.CEntries.Require();
                return code != 0
                    ? (delegate* unmanaged[Cdecl]<void*, int, int, void*>)(code + HeapInternals.CEntryCode.Bzip2Alloc)
                    : &HeapInternals.CEntries.Bzip2Alloc;
            }
        }

        /// <summary>
        /// Lua's <c>lua_Alloc(opaque, block, oldSize, newSize)</c>: allocates, resizes and, with 0 bytes, frees. A block that becomes
        /// smaller is never refused.
        /// </summary>
        public static delegate* unmanaged[Cdecl]<void*, void*, nuint, nuint, void*> LuaAlloc
        {
            get
            {
                nint code = HeapInternals.CEntries.Require();
                return code != 0
                    ? (delegate* unmanaged[Cdecl]<void*, void*, nuint, nuint, void*>)(code + HeapInternals.CEntryCode.LuaAlloc)
                    : &HeapInternals.CEntries.LuaAlloc;
            }
        }

        /// <summary>
        /// SQLite's <c>sqlite3_mem_methods</c>, for <c>sqlite3_config(SQLITE_CONFIG_MALLOC, &amp;methods)</c>, which copies them. That has
        /// to come before the process's first use of SQLite.
        /// </summary>
        public static SqliteMethods Sqlite
        {
            get
            {
                nint code = HeapInternals.CEntries.Require();
                return new SqliteMethods
                {
                    Malloc = code != 0
                        ? (delegate* unmanaged[Cdecl]<int, void*>)(code + HeapInternals.CEntryCode.SqliteMalloc)
                        : &HeapInternals.CEntries.SqliteMalloc,
                    Free = Free,
                    Realloc = code != 0
                        ? (delegate* unmanaged[Cdecl]<void*, int, void*>)(code + HeapInternals.CEntryCode.SqliteRealloc)
                        : &HeapInternals.CEntries.SqliteRealloc,
                    Size = &HeapInternals.CEntries.SqliteSize,
                    Roundup = &HeapInternals.CEntries.SqliteRoundup,
                    Init = &HeapInternals.CEntries.SqliteInit,
                    Shutdown = &HeapInternals.CEntries.SqliteShutdown,
                    AppData = null,
                };
            }
        }

        /// <summary>The structure <c>sqlite3_mem_methods</c>, eight pointers.</summary>
        public struct SqliteMethods
        {
            /// <summary><c>xMalloc(size)</c>; 0 bytes and a negative number give null.</summary>
            public delegate* unmanaged[Cdecl]<int, void*> Malloc;

            /// <summary><c>xFree(block)</c>.</summary>
            public delegate* unmanaged[Cdecl]<void*, void> Free;

            /// <summary><c>xRealloc(block, size)</c>.</summary>
            public delegate* unmanaged[Cdecl]<void*, int, void*> Realloc;

            /// <summary><c>xSize(block)</c>: the bytes of a block that may be used.</summary>
            public delegate* unmanaged[Cdecl]<void*, int> Size;

            /// <summary><c>xRoundup(size)</c>: what a block has if so many bytes are asked for.</summary>
            public delegate* unmanaged[Cdecl]<int, int> Roundup;

            /// <summary><c>xInit(appData)</c>, which does nothing.</summary>
            public delegate* unmanaged[Cdecl]<void*, int> Init;

            /// <summary><c>xShutdown(appData)</c>, which does nothing.</summary>
            public delegate* unmanaged[Cdecl]<void*, void> Shutdown;

            /// <summary><c>pAppData</c>: what the last two are called with.</summary>
            public void* AppData;
        }
    }
}
