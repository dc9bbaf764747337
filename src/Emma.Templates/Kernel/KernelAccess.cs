namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    /// <summary>How a heap reaches the kernel.</summary>
    public enum KernelAccess
    {
        /// <summary>Through a page of machine code of its own: no library is involved.</summary>
        Trampolines,

        /// <summary>Through the function <c>syscall</c> of the C library, because executable memory was refused.</summary>
        Libc,

        /// <summary>On Windows and macOS: through functions of libraries that every process has (ntdll, libSystem).</summary>
        SystemLibraries,
    }
}
