using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public static partial class CallbackLibraryWork
        {
            private const int Transfers = 20;

            /// <summary>Megabytes fetched over HTTP from this process, a connection each, and as many handles as the limit bears.</summary>
            public static nuint[] Curl()
            {
                const int ok = 0, defaults = 3;
                const int url = 10002, noProxy = 10177, noSignal = 99, writeFunction = 20011, writeData = 10001;
                nint library = Begin("libcurl.so.4");
                var initialize = (delegate* unmanaged[Cdecl]<
                    nint,
                    delegate* unmanaged[Cdecl]<nuint, void*>,
                    delegate* unmanaged[Cdecl]<void*, void>,
                    delegate* unmanaged[Cdecl]<void*, nuint, void*>,
                    delegate* unmanaged[Cdecl]<byte*, byte*>,
                    delegate* unmanaged[Cdecl]<nuint, nuint, void*>,
                    int>)NativeLibrary.GetExport(library, "curl_global_init_mem");
                var cleanUp = (delegate* unmanaged[Cdecl]<void>)NativeLibrary.GetExport(library, "curl_global_cleanup");
                var create = (delegate* unmanaged[Cdecl]<void*>)NativeLibrary.GetExport(library, "curl_easy_init");
                // Variadic in C; a call with one argument of a register's width is the same.
                var set = (delegate* unmanaged[Cdecl]<void*, int, void*, int>)NativeLibrary.GetExport(library, "curl_easy_setopt");
                var perform = (delegate* unmanaged[Cdecl]<void*, int>)NativeLibrary.GetExport(library, "curl_easy_perform");
                var end = (delegate* unmanaged[Cdecl]<void*, void>)NativeLibrary.GetExport(library, "curl_easy_cleanup");
                Expect.Equal(
                    ok,
                    initialize(
                        defaults, Callbacks.Malloc, Callbacks.Free, Callbacks.Realloc, Callbacks.Strdup, Callbacks.Calloc));

                byte[] body = Repetitive(1_000_000);
                using TcpListener server = new TcpListener(IPAddress.Loopback, 0);
                server.Start();
                Thread serving = new Thread(() => Serve(server, body));
                serving.Start();
                fixed (byte* address = Text($"http://127.0.0.1:{((IPEndPoint)server.LocalEndpoint).Port}/"))
                fixed (byte* everything = "*\0"u8)
                {
                    for (int i = 0; i < Transfers; i++)
                    {
                        void* handle = create();
                        byte[] received = new byte[body.Length];
                        fixed (byte* start = received)
                        {
                            Received place = new Received { Next = start, End = start + received.Length };
                            Expect.Equal(ok, set(handle, url, address));
                            Expect.Equal(ok, set(handle, noProxy, everything));
                            Expect.Equal(ok, set(handle, noSignal, (void*)1));
                            delegate* unmanaged[Cdecl]<byte*, nuint, nuint, Received*, nuint> receive = &Receive;
                            Expect.Equal(ok, set(handle, writeFunction, receive));
                            Expect.Equal(ok, set(handle, writeData, &place));
                            Expect.Equal(ok, perform(handle));
                        }

                        Expect.True(body.AsSpan().SequenceEqual(received), $"transfer {i}");
                        Expect.True(GetStatistics().LiveBlocks > 10);
                        end(handle);
                    }
                }

                serving.Join();
                MemoryLimit = SmallLimit;
                Trim();
                List<nint> handles = [];
                for (void* handle = create(); handle != null; handle = create())
                    handles.Add((nint)handle);
                Expect.InRange(handles.Count, 50, 5000);
                Expect.True(GetStatistics().FailedAllocations > 0);
                handles.ForEach(handle => end((void*)handle));
                cleanUp();
                return End();
            }

            private static void Serve(TcpListener server, byte[] body)
            {
                for (int i = 0; i < Transfers; i++)
                {
                    using TcpClient client = server.AcceptTcpClient();
                    using NetworkStream stream = client.GetStream();
                    using StreamReader request = new StreamReader(stream);
                    while (!string.IsNullOrEmpty(request.ReadLine()))
                    {
                    }

                    stream.Write(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n"));
                    stream.Write(body);
                }
            }

            // What libcurl hands over: as many bytes as it says are taken, or the transfer fails.
            [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
            private static nuint Receive(byte* data, nuint size, nuint count, Received* place)
            {
                nuint length = size * count;
                if (length > (nuint)(place->End - place->Next))
                    return 0;

                NativeMemory.Copy(data, place->Next, length);
                place->Next += length;
                return length;
            }

            private struct Received
            {
                public byte* Next;
                public byte* End;
            }
        }
    }
}
