namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // x86-64: the machine code that enters the kernel, and the numbers of its calls.
        internal static class X64
        {
            // `long syscall(long number, long a, long b, long c, long d, long e, long f)`, the result or -errno.
            internal static global::System.ReadOnlySpan<byte> Syscall => new byte[]
            {
                0xF3, 0x0F, 0x1E, 0xFA,       // 00 endbr64                       ; an indirect call may land here
                0x48, 0x89, 0xF8,             // 04 mov rax, rdi                  ; the call's number
                0x48, 0x89, 0xF7,             // 07 mov rdi, rsi                  ; a
                0x48, 0x89, 0xD6,             // 0a mov rsi, rdx                  ; b
                0x48, 0x89, 0xCA,             // 0d mov rdx, rcx                  ; c
                0x4D, 0x89, 0xC2,             // 10 mov r10, r8                   ; d
                0x4D, 0x89, 0xC8,             // 13 mov r8, r9                    ; e
                0x4C, 0x8B, 0x4C, 0x24, 0x08, // 16 mov r9, qword ptr [rsp+0x8]   ; f
                0x0F, 0x05,                   // 1b syscall                       ; clobbers rcx and r11, which are the callee's
                0xC3,                         // 1d ret
            };

            internal const int Read = 0;
            internal const int Write = 1;
            internal const int Close = 3;
            internal const int Mmap = 9;
            internal const int Mprotect = 10;
            internal const int Munmap = 11;
            internal const int Mremap = 25;
            internal const int Madvise = 28;
            internal const int GetPid = 39;
            internal const int GetTid = 186;
            internal const int Futex = 202;
            internal const int ClockGetTime = 228;
            internal const int TgKill = 234;
            internal const int OpenAt = 257;
            internal const int GetRandom = 318;
            internal const int MemfdCreate = 319;
            internal const int Membarrier = 324;
        }
    }
}
