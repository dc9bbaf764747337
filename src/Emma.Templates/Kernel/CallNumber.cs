namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The system calls that a heap makes. Each is a constant that holds its number on every processor, so that to choose one takes a
        // shift or a mask where the kernel is entered, and no method: on x86-64 the lower half, on arm64 the upper.
        internal static class CallNumber
        {
            internal const int Arm64Shift = 16;
            internal const int X64Mask = (1 << Arm64Shift) - 1;

            internal const int Read = X64.Read | (Arm64.Read << Arm64Shift);
            internal const int Write = X64.Write | (Arm64.Write << Arm64Shift);
            internal const int Close = X64.Close | (Arm64.Close << Arm64Shift);
            internal const int Mmap = X64.Mmap | (Arm64.Mmap << Arm64Shift);
            internal const int Mprotect = X64.Mprotect | (Arm64.Mprotect << Arm64Shift);
            internal const int Munmap = X64.Munmap | (Arm64.Munmap << Arm64Shift);
            internal const int Mremap = X64.Mremap | (Arm64.Mremap << Arm64Shift);
            internal const int Madvise = X64.Madvise | (Arm64.Madvise << Arm64Shift);
            internal const int GetPid = X64.GetPid | (Arm64.GetPid << Arm64Shift);
            internal const int GetTid = X64.GetTid | (Arm64.GetTid << Arm64Shift);
            internal const int Futex = X64.Futex | (Arm64.Futex << Arm64Shift);
            internal const int ClockGetTime = X64.ClockGetTime | (Arm64.ClockGetTime << Arm64Shift);
            internal const int TgKill = X64.TgKill | (Arm64.TgKill << Arm64Shift);
            internal const int OpenAt = X64.OpenAt | (Arm64.OpenAt << Arm64Shift);
            internal const int GetRandom = X64.GetRandom | (Arm64.GetRandom << Arm64Shift);
            internal const int MemfdCreate = X64.MemfdCreate | (Arm64.MemfdCreate << Arm64Shift);
            internal const int Membarrier = X64.Membarrier | (Arm64.Membarrier << Arm64Shift);
        }
    }
}
