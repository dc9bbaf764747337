using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public static partial class Scenarios
        {
            private const int KeptByNativeThread = 100;
            private const nuint NativeBlockSize = 200;

            /// <summary>
            /// Every second thread returns from its callback, the others are ended behind it by the raw exit system call.
            /// </summary>
            public static void NativeThreadsEndOutside()
            {
                nuint* kept = stackalloc nuint[KeptByNativeThread];
                delegate* unmanaged<nuint*, nint> callback = &UseHeapFromOutside;
                void* endedRaw = ComposeRawEnd(callback);
                for (int i = 0; i < 100; i++)
                {
                    nuint thread;
                    Must(Libc.CreateThread(&thread, null, i % 2 == 0 ? callback : endedRaw, kept) == 0, "no thread");
                    Must(Libc.Join(thread, null) == 0, "no end");
                    for (int k = 0; k < KeptByNativeThread; k++)
                    {
                        if (*(nuint*)kept[k] != kept[k])
                            Must(false, $"thread {i}: block {k} has changed");
                        Free((void*)kept[k]);
                    }
                }

                AssertStatisticsAddUp();
                Trim();
                HeapStatistics left = GetStatistics();
                Must((nuint)left.InUseBytes == 0 && left.Segments == 0, $"{(nuint)left.InUseBytes} bytes in use, {left.Segments} segments");
                // The next one takes its predecessor's cache over.
                Must(left.ThreadCaches <= 2, $"{left.ThreadCaches} caches");
                Libc.Exit(0);
            }

            [UnmanagedCallersOnly]
            private static nint UseHeapFromOutside(nuint* kept)
            {
                for (int i = 0; i < KeptByNativeThread; i++)
                {
                    kept[i] = (nuint)Alloc(NativeBlockSize);
                    *(nuint*)kept[i] = kept[i];
                    Free(Alloc(NativeBlockSize));
                }

                return 0;
            }

            // Machine code that calls a function and makes the raw exit system call.
            private static void* ComposeRawEnd(void* function)
            {
                const int readWriteExecute = 1 | 2 | 4;
                const int privateAnonymous = 0x02 | 0x20;
                const int addressOffset = 6;
                byte* code = (byte*)Libc.Map(null, 4096, readWriteExecute, privateAnonymous, -1, 0);
                Expect.True((nint)code > 0);
                // sub rsp, 8; mov rax, function; call rax; mov eax, 60 (exit); xor edi, edi; syscall
                ReadOnlySpan<byte> bytes =
                    [0x48, 0x83, 0xEC, 0x08, 0x48, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xD0, 0xB8, 0x3C, 0, 0, 0, 0x31, 0xFF, 0x0F, 0x05];
                bytes.CopyTo(new Span<byte>(code, bytes.Length));
                *(void**)(code + addressOffset) = function;
                return code;
            }
        }
    }
}
