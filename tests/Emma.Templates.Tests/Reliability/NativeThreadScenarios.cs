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
                // Behind the blocks: the thread's number for the kernel.
                nuint* kept = stackalloc nuint[KeptByNativeThread + 1];
                delegate* unmanaged<nuint*, nint> callback = &UseHeapFromOutside;
                void* endedRaw = ComposeRawEnd(callback);
                for (int i = 0; i < 100; i++)
                {
                    nuint thread;
                    bool returns = i % 2 == 0;
                    kept[KeptByNativeThread] = 0;
                    Must(Libc.CreateThread(&thread, null, returns ? callback : endedRaw, kept) == 0, "no thread");
                    // Only glibc's join returns for a thread that has ended behind its back.
                    if (returns)
                        Must(Libc.Join(thread, null) == 0, "no end");
                    else
                        Patience.Until(() => HasEnded(kept), "the thread has ended");
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

                Volatile.Write(ref kept[KeptByNativeThread], (nuint)CurrentThread.Id);
                return 0;
            }

            private static bool HasEnded(nuint* kept)
            {
                nuint id = Volatile.Read(ref kept[KeptByNativeThread]);
                return id != 0 && CurrentThread.IsDead(Environment.ProcessId, (int)id);
            }

            // Machine code that calls a function and makes the raw exit system call. It is written before it may be executed, which is when
            // the kernel has arm64's instruction caches see it.
            private static void* ComposeRawEnd(void* function)
            {
                const int privateAnonymous = 0x02 | 0x20;
                const int readExecute = 1 | 4;
                // A page of any kernel.
                const nuint bytesOfCode = 64 << 10;
                byte* code = (byte*)Libc.Map(null, bytesOfCode, Syscalls.ProtReadWrite, privateAnonymous, -1, 0);
                Expect.True((nint)code > 0);
                // sub rsp, 8; mov rax, function; call rax; mov eax, 60 (exit); xor edi, edi; syscall
                ReadOnlySpan<byte> x64 =
                    [0x48, 0x83, 0xEC, 0x08, 0x48, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xD0, 0xB8, 0x3C, 0, 0, 0, 0x31, 0xFF, 0x0F, 0x05];
                // ldr x16, function; blr x16; mov x8, 93 (exit); mov x0, 0; svc 0; nop; function
                ReadOnlySpan<uint> arm64 = [0x580000D0, 0xD63F0200, 0xD2800BA8, 0xD2800000, 0xD4000001, 0xD503201F, 0, 0];
                ReadOnlySpan<byte> bytes = Assumption.IsX64 ? x64 : MemoryMarshal.AsBytes(arm64);
                bytes.CopyTo(new Span<byte>(code, bytes.Length));
                *(void**)(code + (Assumption.IsX64 ? 6 : 24)) = function;
                Expect.Equal(0, Libc.Protect(code, bytesOfCode, readExecute));
                return code;
            }
        }
    }
}
