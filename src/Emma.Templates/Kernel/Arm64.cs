namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // arm64: the machine code that enters the kernel, and the numbers of its calls. What flags and errors mean is what it is on x86-64.
        // Nothing here invalidates an instruction cache: the kernel does, when a page that was written is first mapped executable
        // (docs/architecture.md).
        internal static class Arm64
        {
            // `long syscall(long number, long a, long b, long c, long d, long e, long f)`, the result or -errno.
            internal static global::System.ReadOnlySpan<byte> Syscall => new byte[]
            {
                0x5F, 0x24, 0x03, 0xD5, // 00 bti c      ; an indirect call may land here
                0xE8, 0x03, 0x00, 0xAA, // 04 mov x8, x0 ; the call's number
                0xE0, 0x03, 0x01, 0xAA, // 08 mov x0, x1 ; a
                0xE1, 0x03, 0x02, 0xAA, // 0c mov x1, x2 ; b
                0xE2, 0x03, 0x03, 0xAA, // 10 mov x2, x3 ; c
                0xE3, 0x03, 0x04, 0xAA, // 14 mov x3, x4 ; d
                0xE4, 0x03, 0x05, 0xAA, // 18 mov x4, x5 ; e
                0xE5, 0x03, 0x06, 0xAA, // 1c mov x5, x6 ; f
                0x01, 0x00, 0x00, 0xD4, // 20 svc #0
                0xC0, 0x03, 0x5F, 0xD6, // 24 ret
            };

            internal const int OpenAt = 56;
            internal const int Close = 57;
            internal const int Read = 63;
            internal const int Write = 64;
            internal const int Futex = 98;
            internal const int ClockGetTime = 113;
            internal const int TgKill = 131;
            internal const int GetPid = 172;
            internal const int GetTid = 178;
            internal const int Munmap = 215;
            internal const int Mremap = 216;
            internal const int Mmap = 222;
            internal const int Mprotect = 226;
            internal const int Madvise = 233;
            internal const int GetRandom = 278;
            internal const int MemfdCreate = 279;
            internal const int Membarrier = 283;
        }
    }
}
