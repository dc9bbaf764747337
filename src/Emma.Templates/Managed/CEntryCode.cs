namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What C calls, as machine code: the fast half of each allocation and free, without the way into managed code, which costs more
        // than the half itself. It calls the heap's fast paths, of which the page has a copy, and jumps to the managed entry (CEntries)
        // with what that one takes where they do nothing: the thread has no cache yet, its magazine is empty or full, the size is large,
        // the pointer is none of this heap's. Which of the entries it jumps to is a matter of their arguments alone.
        //
        // Why it may run without the runtime's knowledge
        //   The garbage collector waits for no thread that is in here: nothing here may rely upon that it does. Nothing of the fast paths
        //   does, by whomever they are called.
        //   * A cache is written by its owner alone. It is taken over when the kernel says that this process has no such thread any more,
        //     never because a thread looks idle; trimming after collections empties depots, the caches of the dead, and the finalizing
        //     thread's own.
        //   * At each instruction a block is in one place, or in the thread's hands: a thread may die here, be stopped for as long as
        //     anybody likes, or be copied by a fork. Marks are read by the protocol of MarkReaders, whose barrier reaches every thread.
        //   * Caches lie in memory that does not move and has no references in it.
        //   * Destroy asks that no other thread uses the heap; a thread in here does. One between two calls finds an empty cache.
        //   * Unloading: a thread within a managed entry keeps its load context alive, one in here would not, and would go on in a cache
        //     that is the collector's again. So a heap whose assembly can be unloaded hands out the managed entries (IsPossible).
        //   Like C's own, these are not for handlers of signals that may interrupt one of them on the same thread.
        //
        // The page is mapped when the first pointer is asked for, counts like the heap's other code page, and stays: C may have pointers
        // for as long as the process lives.
        internal static class CEntryCode
        {
            // Where the entries begin.
            internal const int Malloc = 0;
            internal const int Free = 0x40;
            internal const int Realloc = 0x55;
            internal const int OpaqueAlloc = 0x81;
            internal const int OpaqueFree = 0x8D;
            internal const int ZlibAlloc = 0x96;
            internal const int Bzip2Alloc = 0xA7;
            internal const int LuaAlloc = 0xB4;
            internal const int SqliteMalloc = 0xD2;
            internal const int SqliteRealloc = 0xE4;

            // Where the addresses of managed entries lie that it jumps to, and where the copy of the fast paths begins: each in a cache
            // line of its own.
            internal const int TableOffset = 0x1C0;
            internal const int FastPathsOffset = 0x200;

            // Whether C may call the fast paths: there are some, and the code that it is given outlives every caller.
            internal static bool IsPossible => HasThreadCaches && !IsHardened && !IsCollectible && SmallBlocks.HasMachineCode;

            // Arguments come in rdi, rsi, rdx and rcx and results go in rax, as C has it; those, rax and r8 to r11 are nobody's. The stack
            // is where it was when a managed entry is jumped to. An offset within the listing is one within the page.
            internal static global::System.ReadOnlySpan<byte> Entries => new byte[]
            {
                0xF3, 0x0F, 0x1E, 0xFA,             // 00 endbr64                     ; malloc(size)
                0x49, 0x89, 0xFB,                   // 04 mov r11, rdi                ; all that allocate come here, the size in rdi
                0x48, 0x83, 0xFF, 0x01,             // 07 cmp rdi, 0x1                ; 0 bytes are as one byte
                0x48, 0x83, 0xD7, 0xFF,             // 0b adc rdi, 0xffffffffffffffff
                0x48, 0x83, 0xFF, 0x7F,             // 0f cmp rdi, 0x7f               ; 128 bytes
                0x77, 0x12,                         // 13 ja 0x27
                0x48, 0xC1, 0xEF, 0x04,             // 15 shr rdi, 0x4
                0x48, 0xFF, 0xC7,                   // 19 inc rdi
                0xE8, 0x5F, 0x02, 0x00, 0x00,       // 1c call 0x280                  ; Take, which leaves r11 alone
                0x48, 0x85, 0xC0,                   // 21 test rax, rax
                0x74, 0x0E,                         // 24 je 0x34
                0xC3,                               // 26 ret
                0x4C, 0x89, 0xDF,                   // 27 mov rdi, r11
                0xE8, 0x37, 0x02, 0x00, 0x00,       // 2a call 0x266                  ; TakeLarge
                0x48, 0x85, 0xC0,                   // 2f test rax, rax
                0x75, 0xF2,                         // 32 jne 0x26
                0x4C, 0x89, 0xDF,                   // 34 mov rdi, r11
                0xFF, 0x25, 0x83, 0x01, 0x00, 0x00, // 37 jmp qword ptr [0x1c0]       ; CEntries.Malloc
                0xCC,                               // 3d int3
                0xCC,                               // 3e int3
                0xCC,                               // 3f int3
                0xF3, 0x0F, 0x1E, 0xFA,             // 40 endbr64                     ; free(block)
                0xE8, 0xB7, 0x02, 0x00, 0x00,       // 44 call 0x300                  ; Give, which leaves rdi alone
                0x48, 0x85, 0xC0,                   // 49 test rax, rax
                0x75, 0x01,                         // 4c jne 0x4f
                0xC3,                               // 4e ret
                0xFF, 0x25, 0x73, 0x01, 0x00, 0x00, // 4f jmp qword ptr [0x1c8]       ; CEntries.Free
                0xF3, 0x0F, 0x1E, 0xFA,             // 55 endbr64                     ; realloc(block, size)
                0x48, 0x85, 0xFF,                   // 59 test rdi, rdi
                0x74, 0x18,                         // 5c je 0x76
                0x48, 0x85, 0xF6,                   // 5e test rsi, rsi
                0x75, 0x0D,                         // 61 jne 0x70
                0xE8, 0x98, 0x02, 0x00, 0x00,       // 63 call 0x300                  ; 0 bytes: Give
                0x48, 0x85, 0xC0,                   // 68 test rax, rax
                0x75, 0x01,                         // 6b jne 0x6e
                0xC3,                               // 6d ret
                0x31, 0xF6,                         // 6e xor esi, esi                ; it has changed it
                0xFF, 0x25, 0x5A, 0x01, 0x00, 0x00, // 70 jmp qword ptr [0x1d0]       ; CEntries.Realloc
                0x48, 0x89, 0xF7,                   // 76 mov rdi, rsi                ; no block: allocates, if anything
                0x48, 0x85, 0xFF,                   // 79 test rdi, rdi
                0x75, 0x86,                         // 7c jne 0x4
                0x31, 0xC0,                         // 7e xor eax, eax
                0xC3,                               // 80 ret
                0xF3, 0x0F, 0x1E, 0xFA,             // 81 endbr64                     ; alloc(opaque, size)
                0x48, 0x89, 0xF7,                   // 85 mov rdi, rsi
                0xE9, 0x77, 0xFF, 0xFF, 0xFF,       // 88 jmp 0x4
                0xF3, 0x0F, 0x1E, 0xFA,             // 8d endbr64                     ; free(opaque, block)
                0x48, 0x89, 0xF7,                   // 91 mov rdi, rsi
                0xEB, 0xAE,                         // 94 jmp 0x44
                0xF3, 0x0F, 0x1E, 0xFA,             // 96 endbr64                     ; zalloc(opaque, items, size)
                0x89, 0xD0,                         // 9a mov eax, edx
                0x89, 0xF7,                         // 9c mov edi, esi
                0x48, 0x0F, 0xAF, 0xF8,             // 9e imul rdi, rax               ; of 32 bits each, so that it fits
                0xE9, 0x5D, 0xFF, 0xFF, 0xFF,       // a2 jmp 0x4
                0xF3, 0x0F, 0x1E, 0xFA,             // a7 endbr64                     ; bzalloc(opaque, items, size)
                0x89, 0xF0,                         // ab mov eax, esi
                0x09, 0xD0,                         // ad or eax, edx
                0x79, 0xE9,                         // af jns 0x9a                    ; neither is negative
                0x31, 0xC0,                         // b1 xor eax, eax
                0xC3,                               // b3 ret
                0xF3, 0x0F, 0x1E, 0xFA,             // b4 endbr64                     ; lua_Alloc(opaque, block, oldSize, newSize)
                0x48, 0x85, 0xF6,                   // b8 test rsi, rsi
                0x74, 0x0A,                         // bb je 0xc7
                0x48, 0x85, 0xC9,                   // bd test rcx, rcx
                0x75, 0x0A,                         // c0 jne 0xcc
                0x48, 0x89, 0xF7,                   // c2 mov rdi, rsi
                0xEB, 0x9C,                         // c5 jmp 0x63
                0x48, 0x89, 0xCE,                   // c7 mov rsi, rcx
                0xEB, 0xAA,                         // ca jmp 0x76
                0xFF, 0x25, 0x06, 0x01, 0x00, 0x00, // cc jmp qword ptr [0x1d8]       ; CEntries.LuaAlloc
                0xF3, 0x0F, 0x1E, 0xFA,             // d2 endbr64                     ; xMalloc(size)
                0x31, 0xC0,                         // d6 xor eax, eax
                0x85, 0xFF,                         // d8 test edi, edi
                0x7E, 0x07,                         // da jle 0xe3
                0x89, 0xFF,                         // dc mov edi, edi
                0xE9, 0x21, 0xFF, 0xFF, 0xFF,       // de jmp 0x4
                0xC3,                               // e3 ret
                0xF3, 0x0F, 0x1E, 0xFA,             // e4 endbr64                     ; xRealloc(block, size)
                0x31, 0xC0,                         // e8 xor eax, eax
                0x85, 0xF6,                         // ea test esi, esi
                0x0F, 0x4F, 0xC6,                   // ec cmovg eax, esi
                0x89, 0xC6,                         // ef mov esi, eax
                0xE9, 0x63, 0xFF, 0xFF, 0xFF,       // f1 jmp 0x59
            };

            // Maps the page, if C may have it, there is room for it under the limit, and the kernel allows it. Any number of threads may
            // race.
            internal static void TryMap()
            {
                if (!IsPossible || ClrInterlocked.CompareExchange(ref Heap->CodeForC, 0, 0) != 0)
                    return;

                byte[] code = Compose();
                // Until it is counted as what it is.
                if (!Space->TryCharge(Heap->KernelPage))
                    return;

                try
                {
                    nint page = KernelEntry.TryMapCode(code);
                    if (page == 0)
                        return;
                    if (ClrInterlocked.CompareExchange(ref Heap->CodeForC, page, 0) != 0)
                        KernelEntry.UnmapCode(page);
                    else
                        Space->NoteCodePage(Heap->KernelPage);
                }
                finally
                {
                    Space->Uncharge(Heap->KernelPage);
                }
            }

            // What the page has.
            internal static byte[] Compose()
            {
                byte[] fastPaths = SmallBlocks.MachineCode();
                byte[] code = new byte[FastPathsOffset + fastPaths.Length];
                Entries.CopyTo(code);
                Place(code, 0, (nint)(delegate* unmanaged[Cdecl]<nuint, void*>)&CEntries.Malloc);
                Place(code, 1, (nint)(delegate* unmanaged[Cdecl]<void*, void>)&CEntries.Free);
                Place(code, 2, (nint)(delegate* unmanaged[Cdecl]<void*, nuint, void*>)&CEntries.Realloc);
                Place(code, 3, (nint)(delegate* unmanaged[Cdecl]<void*, void*, nuint, nuint, void*>)&CEntries.LuaAlloc);
                for (int i = 0; i < fastPaths.Length; i++)
                    code[FastPathsOffset + i] = fastPaths[i];
                return code;
            }

            private static void Place(byte[] code, int index, nint entry) =>
                ClrUnsafe.WriteUnaligned(ref code[TableOffset + index * sizeof(nint)], entry);
        }
    }
}
