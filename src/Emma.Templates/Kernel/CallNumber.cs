namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The system calls that a heap makes, by their numbers on the processor it runs on.
        internal static class CallNumber
        {
            internal const int Read = X64.Read;
            internal const int Write = X64.Write;
            internal const int Close = X64.Close;
            internal const int Mmap = X64.Mmap;
            internal const int Mprotect = X64.Mprotect;
            internal const int Munmap = X64.Munmap;
            internal const int Mremap = X64.Mremap;
            internal const int Madvise = X64.Madvise;
            internal const int GetPid = X64.GetPid;
            internal const int GetTid = X64.GetTid;
            internal const int Futex = X64.Futex;
            internal const int ClockGetTime = X64.ClockGetTime;
            internal const int TgKill = X64.TgKill;
            internal const int OpenAt = X64.OpenAt;
            internal const int GetRandom = X64.GetRandom;
            internal const int MemfdCreate = X64.MemfdCreate;
            internal const int Membarrier = X64.Membarrier;
        }
    }
}
