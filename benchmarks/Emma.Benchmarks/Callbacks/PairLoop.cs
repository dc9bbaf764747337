using System.Runtime.InteropServices;

namespace Emma.Benchmarks.Callbacks;

// `void loop(malloc, free, size, count)` in machine code for x86-64: what a C compiler makes of a loop over both functions.
internal static unsafe partial class PairLoop
{
    private const int PageBytes = 4096;
    private const int ReadWrite = 1 | 2;
    private const int ReadExecute = 1 | 4;
    private const int PrivateAnonymous = 0x22;

    private static readonly delegate* unmanaged<nint, nint, nint, nint, void> s_loop = Create();

    private static ReadOnlySpan<byte> Code =>
    [
        0x53, 0x55, 0x41, 0x54, 0x41, 0x55, // push rbx, rbp, r12, r13
        0x48, 0x83, 0xEC, 0x08,             // sub rsp, 8
        0x48, 0x89, 0xFB,                   // mov rbx, rdi
        0x48, 0x89, 0xF5,                   // mov rbp, rsi
        0x49, 0x89, 0xD4,                   // mov r12, rdx
        0x49, 0x89, 0xCD,                   // mov r13, rcx
        0x4C, 0x89, 0xE7,                   // again: mov rdi, r12
        0xFF, 0xD3,                         // call rbx
        0xC6, 0x00, 0x01,                   // mov byte ptr [rax], 1
        0x48, 0x89, 0xC7,                   // mov rdi, rax
        0xFF, 0xD5,                         // call rbp
        0x49, 0xFF, 0xCD,                   // dec r13
        0x75, 0xEE,                         // jnz again
        0x48, 0x83, 0xC4, 0x08,             // add rsp, 8
        0x41, 0x5D, 0x41, 0x5C, 0x5D, 0x5B, // pop r13, r12, rbp, rbx
        0xC3,                               // ret
    ];

    internal static void Run(nint malloc, nint free, int size, int count) => s_loop(malloc, free, size, count);

    private static delegate* unmanaged<nint, nint, nint, nint, void> Create()
    {
        byte* page = (byte*)Map(0, PageBytes, ReadWrite, PrivateAnonymous, -1, 0);
        Code.CopyTo(new Span<byte>(page, PageBytes));
        if (Protect((nint)page, PageBytes, ReadExecute) != 0)
            throw new PlatformNotSupportedException("no executable memory");

        return (delegate* unmanaged<nint, nint, nint, nint, void>)page;
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(nint address, nint length, int protection);
}
