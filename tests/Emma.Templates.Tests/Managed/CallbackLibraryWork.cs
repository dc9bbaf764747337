using System.Runtime.InteropServices;
using System.Text;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>The main job of some C libraries with their memory in this copy's heap, and what they do at its limit.</summary>
        public static partial class CallbackLibraryWork
        {
            private const long Limit = 48 << 20;
            private const long SmallLimit = 2 << 20;

            /// <summary>A table of 100 000 rows (20 000), its compaction, and a second table that does not fit.</summary>
            public static nuint[] Sqlite()
            {
                const int configMalloc = 4, ok = 0, noMemory = 7, rowsBeyondTheLimit = 100_000;
                int rows = Length.Of(20_000, 100_000);
                nint library = Begin("libsqlite3.so.0");
                Callbacks.SqliteMethods methods = Callbacks.Sqlite;
                var config = (delegate* unmanaged[Cdecl]<int, void*, int>)NativeLibrary.GetExport(library, "sqlite3_config");
                Expect.Equal(ok, config(configMalloc, &methods));
                var open = (delegate* unmanaged[Cdecl]<byte*, void**, int>)NativeLibrary.GetExport(library, "sqlite3_open");
                var close = (delegate* unmanaged[Cdecl]<void*, int>)NativeLibrary.GetExport(library, "sqlite3_close");
                var shutdown = (delegate* unmanaged[Cdecl]<int>)NativeLibrary.GetExport(library, "sqlite3_shutdown");
                foreach (string place in (string[])[":memory:", Path.GetTempFileName()])
                {
                    void* database;
                    fixed (byte* name = Text(place))
                        Expect.Equal(ok, open(name, &database));
                    Expect.Equal(ok, Execute(database, "CREATE TABLE t(i INTEGER PRIMARY KEY, name TEXT, body BLOB)"));
                    string insert = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {2}) " +
                        "INSERT INTO {0} SELECT i, 'name ' || i, randomblob({1}) FROM n";
                    Expect.Equal(ok, Execute(database, string.Format(null, insert, "t", 50, rows)));
                    Expect.Equal(ok, Execute(database, "DELETE FROM t WHERE i % 2 = 0"));
                    Expect.Equal(ok, Execute(database, "VACUUM"));
                    Expect.True(GetStatistics().LiveBlocks > 100);
                    if (place == ":memory:")
                    {
                        Expect.Equal(ok, Execute(database, "CREATE TABLE u(i INTEGER PRIMARY KEY, name TEXT, body BLOB)"));
                        Expect.Equal(noMemory, Execute(database, string.Format(null, insert, "u", 1000, rowsBeyondTheLimit)));
                        Expect.True(GetStatistics().FailedAllocations > 0);
                        Expect.Equal("0", Query(database, "SELECT count(*) FROM u"));
                    }

                    Expect.Equal("ok", Query(database, "PRAGMA integrity_check"));
                    Expect.Equal($"{rows / 2}", Query(database, "SELECT count(*) FROM t"));
                    Expect.Equal($"{(long)rows * rows / 4}", Query(database, "SELECT sum(i) FROM t"));
                    Expect.Equal(ok, close(database));
                    File.Delete(place);

                    int Execute(void* handle, string text)
                    {
                        var execute = (delegate* unmanaged[Cdecl]<void*, byte*, void*, void*, void*, int>)
                            NativeLibrary.GetExport(library, "sqlite3_exec");
                        fixed (byte* sql = Text(text))
                            return execute(handle, sql, null, null, null);
                    }

                    string Query(void* handle, string text)
                    {
                        var prepare = (delegate* unmanaged[Cdecl]<void*, byte*, int, void**, byte**, int>)
                            NativeLibrary.GetExport(library, "sqlite3_prepare_v2");
                        var step = (delegate* unmanaged[Cdecl]<void*, int>)NativeLibrary.GetExport(library, "sqlite3_step");
                        var column = (delegate* unmanaged[Cdecl]<void*, int, byte*>)NativeLibrary.GetExport(library, "sqlite3_column_text");
                        var finalize = (delegate* unmanaged[Cdecl]<void*, int>)NativeLibrary.GetExport(library, "sqlite3_finalize");
                        void* statement;
                        fixed (byte* sql = Text(text))
                            Expect.Equal(ok, prepare(handle, sql, -1, &statement, null));
                        step(statement);
                        string result = Marshal.PtrToStringUTF8((nint)column(statement, 0))!;
                        finalize(statement);
                        return result;
                    }
                }

                Expect.Equal(ok, shutdown());
                return End();
            }

            /// <summary>Ten megabytes compressed and expanded again.</summary>
            public static nuint[] Zlib()
            {
                const int finish = 4, ended = 1, noMemory = -4;
                nint library = Begin("libz.so.1");
                byte[] data = Repetitive(10_000_000);
                byte[] packed = new byte[data.Length];
                var version = (delegate* unmanaged[Cdecl]<byte*>)NativeLibrary.GetExport(library, "zlibVersion");
                var deflateInit = (delegate* unmanaged[Cdecl]<ZStream*, int, byte*, int, int>)
                    NativeLibrary.GetExport(library, "deflateInit_");
                var inflateInit = (delegate* unmanaged[Cdecl]<ZStream*, byte*, int, int>)NativeLibrary.GetExport(library, "inflateInit_");
                ZStream stream = NewStream();
                Expect.Equal(0, deflateInit(&stream, 6, version(), sizeof(ZStream)));
                Expect.True(GetStatistics().InUseBytes > 200_000);
                int length = Drive("deflate", &stream, data, packed);
                Expect.InRange(length, 1, data.Length / 2);

                byte[] expanded = new byte[data.Length];
                stream = NewStream();
                Expect.Equal(0, inflateInit(&stream, version(), sizeof(ZStream)));
                Expect.Equal(data.Length, Drive("inflate", &stream, packed.AsSpan(0, length).ToArray(), expanded));
                Expect.True(data.AsSpan().SequenceEqual(expanded));
                Expect.Equal(0, GetStatistics().LiveBlocks);

                MemoryLimit = SmallLimit;
                int answer = 0;
                int streams = 0;
                ZStream[] many = GC.AllocateArray<ZStream>(100, pinned: true);
                for (; answer == 0 && streams < many.Length; streams++)
                {
                    many[streams] = NewStream();
                    answer = deflateInit((ZStream*)Marshal.UnsafeAddrOfPinnedArrayElement(many, streams), 9, version(), sizeof(ZStream));
                }

                Expect.Equal(noMemory, answer);
                Expect.True(streams > 1);
                for (int i = 0; i < streams - 1; i++)
                    EndStream("deflate", (ZStream*)Marshal.UnsafeAddrOfPinnedArrayElement(many, i));
                return End();

                ZStream NewStream() => new ZStream { Alloc = Callbacks.ZlibAlloc, Free = Callbacks.OpaqueFree };

                int Drive(string function, ZStream* state, byte[] input, byte[] output)
                {
                    var run = (delegate* unmanaged[Cdecl]<ZStream*, int, int>)NativeLibrary.GetExport(library, function);
                    fixed (byte* from = input, to = output)
                    {
                        state->In = from;
                        state->InLength = (uint)input.Length;
                        state->Out = to;
                        state->OutLength = (uint)output.Length;
                        Expect.Equal(ended, run(state, finish));
                    }

                    EndStream(function, state);
                    return (int)state->OutTotal;
                }

                void EndStream(string function, ZStream* state) =>
                    ((delegate* unmanaged[Cdecl]<ZStream*, int>)NativeLibrary.GetExport(library, $"{function}End"))(state);
            }

            /// <summary>Ten megabytes compressed and expanded again.</summary>
            public static nuint[] Zstd()
            {
                nint library = Begin("libzstd.so.1");
                byte[] data = Repetitive(10_000_000);
                byte[] packed = new byte[data.Length];
                byte[] expanded = new byte[data.Length];
                ZstdMemory memory = new ZstdMemory { Alloc = Callbacks.OpaqueAlloc, Free = Callbacks.OpaqueFree };
                var newPacker = (delegate* unmanaged[Cdecl]<ZstdMemory, void*>)
                    NativeLibrary.GetExport(library, "ZSTD_createCCtx_advanced");
                var newExpander = (delegate* unmanaged[Cdecl]<ZstdMemory, void*>)
                    NativeLibrary.GetExport(library, "ZSTD_createDCtx_advanced");
                var pack = (delegate* unmanaged[Cdecl]<void*, byte*, nuint, byte*, nuint, int, nuint>)
                    NativeLibrary.GetExport(library, "ZSTD_compressCCtx");
                var expand = (delegate* unmanaged[Cdecl]<void*, byte*, nuint, byte*, nuint, nuint>)
                    NativeLibrary.GetExport(library, "ZSTD_decompressDCtx");
                var isError = (delegate* unmanaged[Cdecl]<nuint, uint>)NativeLibrary.GetExport(library, "ZSTD_isError");
                var codeOf = (delegate* unmanaged[Cdecl]<nuint, int>)NativeLibrary.GetExport(library, "ZSTD_getErrorCode");
                void* packer = newPacker(memory);
                void* expander = newExpander(memory);
                fixed (byte* from = data, to = packed, back = expanded)
                {
                    nuint length = pack(packer, to, (nuint)packed.Length, from, (nuint)data.Length, 3);
                    Expect.True(isError(length) == 0 && length < (nuint)data.Length / 2, $"{length} bytes");
                    Expect.True(GetStatistics().InUseBytes > 1_000_000);
                    Expect.Equal((nuint)data.Length, expand(expander, back, (nuint)expanded.Length, to, length));
                    Expect.True(data.AsSpan().SequenceEqual(expanded));

                    // The highest level wants hundreds of megabytes.
                    const int memoryAllocation = 64;
                    nuint refused = pack(packer, to, (nuint)packed.Length, from, (nuint)data.Length, 22);
                    Expect.True(isError(refused) != 0 && codeOf(refused) == memoryAllocation, $"{codeOf(refused)}");
                    length = pack(packer, to, (nuint)packed.Length, from, (nuint)data.Length, 1);
                    Expect.True(isError(length) == 0);
                }

                ((delegate* unmanaged[Cdecl]<void*, nuint>)NativeLibrary.GetExport(library, "ZSTD_freeCCtx"))(packer);
                ((delegate* unmanaged[Cdecl]<void*, nuint>)NativeLibrary.GetExport(library, "ZSTD_freeDCtx"))(expander);
                return End();
            }

            /// <summary>A script that builds, sorts and joins a table, and one that never stops building.</summary>
            public static nuint[] Lua()
            {
                const int ok = 0, noMemory = 4;
                nint library = Begin("liblua5.4.so.0");
                var newState = (delegate* unmanaged[Cdecl]<void*, void*, void*>)NativeLibrary.GetExport(library, "lua_newstate");
                var openLibraries = (delegate* unmanaged[Cdecl]<void*, void>)NativeLibrary.GetExport(library, "luaL_openlibs");
                var load = (delegate* unmanaged[Cdecl]<void*, byte*, int>)NativeLibrary.GetExport(library, "luaL_loadstring");
                var call = (delegate* unmanaged[Cdecl]<void*, int, int, int, nint, void*, int>)
                    NativeLibrary.GetExport(library, "lua_pcallk");
                var result = (delegate* unmanaged[Cdecl]<void*, int, int*, long>)NativeLibrary.GetExport(library, "lua_tointegerx");
                var setTop = (delegate* unmanaged[Cdecl]<void*, int, void>)NativeLibrary.GetExport(library, "lua_settop");
                void* state = newState(Callbacks.LuaAlloc, null);
                openLibraries(state);
                const string sorting =
                    "local t = {} for i = 1, 100000 do t[i] = tostring((i * 7919) % 100003) end table.sort(t) return #table.concat(t)";
                long digits = Enumerable.Range(1, 100_000).Sum(i => $"{i * 7919L % 100_003}".Length);
                Expect.Equal((ok, digits), Run(sorting));
                Expect.Equal(noMemory, Run("local t = {} for i = 1, 1e9 do t[i] = 'text ' .. i end").Status);
                Expect.True(GetStatistics().FailedAllocations > 0);
                Expect.Equal((ok, digits), Run(sorting));
                ((delegate* unmanaged[Cdecl]<void*, void>)NativeLibrary.GetExport(library, "lua_close"))(state);
                return End();

                (int Status, long Result) Run(string script)
                {
                    setTop(state, 0);
                    fixed (byte* text = Text(script))
                        Expect.Equal(ok, load(state, text));
                    int status = call(state, 0, 1, 0, 0, null);
                    return (status, result(state, -1, null));
                }
            }

            /// <summary>A document with 50 000 elements, searched and written.</summary>
            public static nuint[] Xml2()
            {
                nint library = Begin("libxml2.so.2");
                var setup = (delegate* unmanaged[Cdecl]<void*, void*, void*, void*, int>)NativeLibrary.GetExport(library, "xmlMemSetup");
                Expect.Equal(0, setup(Callbacks.Free, Callbacks.Malloc, Callbacks.Realloc, Callbacks.Strdup));
                var read = (delegate* unmanaged[Cdecl]<byte*, int, byte*, byte*, int, void*>)
                    NativeLibrary.GetExport(library, "xmlReadMemory");
                var rootOf = (delegate* unmanaged[Cdecl]<void*, void*>)NativeLibrary.GetExport(library, "xmlDocGetRootElement");
                var childrenOf = (delegate* unmanaged[Cdecl]<void*, nuint>)NativeLibrary.GetExport(library, "xmlChildElementCount");
                var write = (delegate* unmanaged[Cdecl]<void*, byte**, int*, void>)NativeLibrary.GetExport(library, "xmlDocDumpMemory");
                byte[] text = Document(50_000);
                void* document = Read();
                Expect.Equal((nuint)50_000, childrenOf(rootOf(document)));
                byte* written;
                int length;
                write(document, &written, &length);
                Expect.InRange(length, text.Length, text.Length + 100);
                // The library's own block, freed by .NET.
                Free(written);
                ((delegate* unmanaged[Cdecl]<void*, void>)NativeLibrary.GetExport(library, "xmlFreeDoc"))(document);
                var cleanUp = (delegate* unmanaged[Cdecl]<void>)NativeLibrary.GetExport(library, "xmlCleanupParser");
                cleanUp();
                nuint[] addresses = End();

                MemoryLimit = SmallLimit;
                Trim();
                Expect.True(Read() == null);
                Expect.True(GetStatistics().FailedAllocations > 0);
                cleanUp();
                // It loses the buffer that it could not enlarge.
                Expect.InRange(GetStatistics().InUseBytes, 0, 64 << 10);
                return addresses;

                void* Read()
                {
                    const int withoutMessages = 32 | 64;
                    fixed (byte* start = text)
                        return read(start, text.Length - 1, null, null, withoutMessages);
                }
            }

            /// <summary>A document with 50 000 elements, parsed.</summary>
            public static nuint[] Expat()
            {
                const int ok = 1, noMemory = 1;
                nint library = Begin("libexpat.so.1");
                var create = (delegate* unmanaged[Cdecl]<byte*, void**, byte*, void*>)
                    NativeLibrary.GetExport(library, "XML_ParserCreate_MM");
                var parse = (delegate* unmanaged[Cdecl]<void*, byte*, int, int, int>)NativeLibrary.GetExport(library, "XML_Parse");
                var error = (delegate* unmanaged[Cdecl]<void*, int>)NativeLibrary.GetExport(library, "XML_GetErrorCode");
                var end = (delegate* unmanaged[Cdecl]<void*, void>)NativeLibrary.GetExport(library, "XML_ParserFree");
                void** suite = stackalloc void*[] { Callbacks.Malloc, Callbacks.Realloc, Callbacks.Free };
                void* parser = create(null, suite, null);
                byte[] text = Document(50_000);
                fixed (byte* start = text)
                    Expect.Equal(ok, parse(parser, start, text.Length - 1, 1));
                Expect.True(GetStatistics().LiveBlocks > 3);
                end(parser);
                Expect.Equal(0, GetStatistics().LiveBlocks);

                // A name as long as this is kept in one piece.
                MemoryLimit = SmallLimit;
                Trim();
                parser = create(null, suite, null);
                byte[] name = [(byte)'<', .. Enumerable.Repeat((byte)'a', 8 << 20)];
                fixed (byte* start = name)
                    Expect.NotEqual(ok, parse(parser, start, name.Length, 0));
                Expect.Equal(noMemory, error(parser));
                end(parser);
                return End();
            }

            private static nint Begin(string library)
            {
                MemoryLimit = Limit;
                return NativeLibrary.Load(library);
            }

            // Nothing is left of the library's. Returns addresses that go with the heap.
            private static nuint[] End()
            {
                HeapStatistics left = GetStatistics();
                Expect.True(left.LiveBlocks == 0 && left.InUseBytes == 0, left.ToString());
                Expect.True(left.HasCallbacks);
                Expect.True(left.PeakMappedBytes <= Limit, left.ToString());
                return [(nuint)Alloc(100), KernelMode.CodeAddress];
            }

            private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text + '\0');

            // Numbers in words, which compress well.
            private static byte[] Repetitive(int length)
            {
                StringBuilder text = new StringBuilder(length + 20);
                for (int i = 0; text.Length < length; i++)
                    text.Append("line ").Append(i % 1000 * 7919 % 1009).Append('\n');
                return Encoding.UTF8.GetBytes(text.ToString(0, length));
            }

            private static byte[] Document(int elements)
            {
                StringBuilder text = new StringBuilder("<list>");
                for (int i = 0; i < elements; i++)
                    text.Append($"<item id=\"{i}\">text {i}</item>");
                return Text(text.Append("</list>").ToString());
            }

            [StructLayout(LayoutKind.Sequential)]
            private struct ZStream
            {
                public byte* In;
                public uint InLength;
                public nuint InTotal;
                public byte* Out;
                public uint OutLength;
                public nuint OutTotal;
                public byte* Message;
                public void* State;
                public delegate* unmanaged[Cdecl]<void*, uint, uint, void*> Alloc;
                public delegate* unmanaged[Cdecl]<void*, void*, void> Free;
                public void* Opaque;
                public int DataType;
                public nuint Checksum;
                public nuint Reserved;
            }

            [StructLayout(LayoutKind.Sequential)]
            private struct ZstdMemory
            {
                public delegate* unmanaged[Cdecl]<void*, nuint, void*> Alloc;
                public delegate* unmanaged[Cdecl]<void*, void*, void> Free;
                public void* Opaque;
            }
        }
    }
}
