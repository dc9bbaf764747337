using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

/// <summary>
/// A thread that C has made and that runs machine code: it calls the functions that it is told to, and knows of .NET only what those do.
/// x64 only.
/// </summary>
public sealed unsafe class ThreadOfC
{
    private const int ResultIndex = 5;
    private const nint EndCommand = 1;

    private static void* s_code;

    // The function to call, up to four arguments, and the result. The thread reads the first until it is not 0, and sets it to 0 when it
    // has called.
    private readonly nint* _words;

    private readonly nuint _thread;

    public ThreadOfC()
    {
        Assumption.NotWindows("threads of C are pthreads.");
        if (s_code == null)
            s_code = Map();
        _words = (nint*)NativeMemory.AllocZeroed(ResultIndex + 1, (nuint)sizeof(nint));
        nuint thread;
        Expect.Equal(0, Libc.CreateThread(&thread, null, s_code, _words));
        _thread = thread;
    }

    /// <summary>Whether the thread is within the function that it was told to call last.</summary>
    public bool IsInside => Volatile.Read(ref *_words) != 0;

    /// <summary>Has the thread call a function, and waits for the result.</summary>
    public nint Call(void* function, nint a, nint b = 0, nint c = 0, nint d = 0)
    {
        Begin(function, a, b, c, d);
        return End();
    }

    /// <summary>Has the thread call a function.</summary>
    public void Begin(void* function, nint a, nint b = 0, nint c = 0, nint d = 0)
    {
        _words[1] = a;
        _words[2] = b;
        _words[3] = c;
        _words[4] = d;
        Volatile.Write(ref *_words, (nint)function);
    }

    /// <summary>Waits until the thread has returned from the function.</summary>
    public nint End()
    {
        while (IsInside)
            Thread.Yield();
        return _words[ResultIndex];
    }

    /// <summary>Has the thread return from its first function, and waits until it has ended.</summary>
    public void Return()
    {
        Volatile.Write(ref *_words, EndCommand);
        Expect.Equal(0, Libc.Join(_thread, null));
        NativeMemory.Free(_words);
    }

    private static void* Map()
    {
        const int readExecute = 1 | 4;
        const int privateAnonymous = 0x02 | 0x20;
        const nuint bytes = 4096;
        ReadOnlySpan<byte> code =
        [
            0x53,                                     // push rbx
            0x48, 0x89, 0xFB,                         // mov rbx, rdi
            0x48, 0x8B, 0x03,                         // again: mov rax, [rbx]
            0x48, 0x85, 0xC0,                         // test rax, rax
            0x75, 0x09,                               // jne run
            0xB8, 0x18, 0x00, 0x00, 0x00,             // mov eax, 24 (sched_yield)
            0x0F, 0x05,                               // syscall
            0xEB, 0xEF,                               // jmp again
            0x48, 0x83, 0xF8, 0x01,                   // run: cmp rax, 1
            0x74, 0x1F,                               // je end
            0x48, 0x8B, 0x7B, 0x08,                   // mov rdi, [rbx+8]
            0x48, 0x8B, 0x73, 0x10,                   // mov rsi, [rbx+16]
            0x48, 0x8B, 0x53, 0x18,                   // mov rdx, [rbx+24]
            0x48, 0x8B, 0x4B, 0x20,                   // mov rcx, [rbx+32]
            0xFF, 0xD0,                               // call rax
            0x48, 0x89, 0x43, 0x28,                   // mov [rbx+40], rax
            0x48, 0xC7, 0x03, 0x00, 0x00, 0x00, 0x00, // mov qword [rbx], 0
            0xEB, 0xCA,                               // jmp again
            0x5B,                                     // end: pop rbx
            0xC3,                                     // ret
        ];
        byte* page = (byte*)Libc.Map(null, bytes, 1 | 2, privateAnonymous, -1, 0);
        Expect.True((nint)page > 0);
        code.CopyTo(new Span<byte>(page, code.Length));
        Expect.Equal(0, Libc.Protect(page, bytes, readExecute));
        return page;
    }
}
