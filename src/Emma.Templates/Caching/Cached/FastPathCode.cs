namespace Emma.Templates;

using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The fast paths as machine code for x86-64: `ThreadCache.TryTake` and `TryGive`, with the thread's cache found by one load behind
        // fs. It lies behind the trampoline in the code page. The routines that find a cache begin alike, up to its load, so that the three
        // numbers of the thread's word stand at the same places in each; here they are 0. The first two instructions are left out for a key
        // that nobody had before. They are called like managed code, which passes integers as C does: nothing in them waits, throws or
        // calls. A heap has those it runs, the others are empty.
        // A comment is the offset within the routine, the instruction, and what it is for; a test disassembles the bytes and compares.
        // Displacements in a cache are the offsets of its first members: 0 `_windowBase`, 8 `_pageMap`, 0x10 `_pages`, 0x18 `_lastTaken`,
        // 0x20 `_tops`, 0x530 `_marks`, 0x538 `_markedBytes`, 0x540 `_reading`.
        internal static class FastPathCode
        {
            // Each routine begins in a cache line of its own, but for TakeLarge: it is entered 26 bytes before Take, which it goes on into.
            internal const int CacheOffset = 0;
            internal const int TakeLargeOffset = TakeOffset - 26;
            internal const int TakeOffset = 128;
            internal const int GiveOffset = 256;

            // The bytes of the first two instructions. No jump behind them leads across them.
            private const int CheckLength = 15;

            private const int SequenceOffsetAt = 5;
            private const int SequenceAt = 9;
            private const int ValueOffsetAt = CheckLength + 5;

            // `ThreadCache* Cache()`: the calling thread's cache, or null.
            internal static global::System.ReadOnlySpan<byte> Cache => new byte[]
            {
                0x64, 0x48, 0x81, 0x3C, 0x25, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // 00 cmp qword ptr fs:[0x0], 0x0            ; the entry's sequence number: is the value this key's?
                0x75, 0x0A,                                                                   // 0d jne 0x19
                0x64, 0x48, 0x8B, 0x04, 0x25, 0x00, 0x00, 0x00, 0x00,                         // 0f mov rax, qword ptr fs:[0x0]            ; the word: the cache
                0xC3,                                                                         // 18 ret
                0x31, 0xC0,                                                                   // 19 xor eax, eax
                0xC3,                                                                         // 1b ret
            };

            // `void* TakeLarge(nuint size)`, behind its first 24 bytes: `Take` of the class of a size above 128 bytes, as
            // `ThreadCache.TryTakeLarge` finds it; null for more than 256 KiB. It goes on into `Take`, which follows.
            internal static global::System.ReadOnlySpan<byte> TakeLarge => new byte[]
            {
                0x48, 0x3D, 0xFF, 0xFF, 0x03, 0x00,       // 00 cmp rax, 0x3ffff
                0x77, 0x0D,                               // 06 ja 0x15
                0x48, 0x8D, 0xBF, 0xFF, 0xFF, 0x48, 0x00, // 08 lea rdi, [rdi+0x48ffff]     ; runs: one class for each page, behind the 72 of blocks
                0x48, 0xC1, 0xEF, 0x10,                   // 0f shr rdi, 0x10
                0xEB, 0x1D,                               // 13 jmp 0x32                    ; Take
                0x31, 0xC0,                               // 15 xor eax, eax
                0xC3,                                     // 17 ret
                0x48, 0x8D, 0x47, 0xFF,                   // 18 lea rax, [rdi-0x1]          ; the entry
                0x48, 0x3D, 0xFF, 0x7F, 0x00, 0x00,       // 1c cmp rax, 0x7fff             ; 32 KiB
                0x77, 0xDC,                               // 22 ja 0x0
                0x48, 0x0F, 0xBD, 0xC8,                   // 24 bsr rcx, rax
                0x83, 0xE9, 0x03,                         // 28 sub ecx, 0x3                ; eight steps to a doubling
                0x48, 0xD3, 0xE8,                         // 2b shr rax, cl
                0x8D, 0x7C, 0xC8, 0xE1,                   // 2e lea edi, [rax+rcx*8-0x1f]
            };

            // `void* Take(nuint sizeClass)`: the block at the top of the loaded magazine, or null.
            internal static global::System.ReadOnlySpan<byte> Take => ChecksBoundaries ? default : new byte[]
            {
                0x64, 0x48, 0x81, 0x3C, 0x25, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // 00 cmp qword ptr fs:[0x0], 0x0         ; the entry's sequence number: is the value this key's?
                0x75, 0x2A,                                                                   // 0d jne 0x39
                0x64, 0x48, 0x8B, 0x14, 0x25, 0x00, 0x00, 0x00, 0x00,                         // 0f mov rdx, qword ptr fs:[0x0]         ; the word: the cache
                0x48, 0x85, 0xD2,                                                             // 18 test rdx, rdx
                0x74, 0x1C,                                                                   // 1b je 0x39
                0x48, 0x8B, 0x4C, 0xFA, 0x20,                                                 // 1d mov rcx, qword ptr [rdx+rdi*8+0x20] ; _tops[class]
                0x48, 0x8B, 0x41, 0xF8,                                                       // 22 mov rax, qword ptr [rcx-0x8]        ; 0: no block
                0x48, 0x85, 0xC0,                                                             // 26 test rax, rax
                0x74, 0x0D,                                                                   // 29 je 0x38
                0x48, 0x83, 0xE9, 0x08,                                                       // 2b sub rcx, 0x8
                0x48, 0x89, 0x4C, 0xFA, 0x20,                                                 // 2f mov qword ptr [rdx+rdi*8+0x20], rcx
                0x48, 0x89, 0x7A, 0x18,                                                       // 34 mov qword ptr [rdx+0x18], rdi       ; _lastTaken
                0xC3,                                                                         // 38 ret
                0x31, 0xC0,                                                                   // 39 xor eax, eax
                0xC3,                                                                         // 3b ret
            };

            // The same, and marks the block live (LiveMarks).
            internal static global::System.ReadOnlySpan<byte> TakeChecked => !ChecksBoundaries ? default : new byte[]
            {
                0x64, 0x48, 0x81, 0x3C, 0x25, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // 00 cmp qword ptr fs:[0x0], 0x0         ; the entry's sequence number: is the value this key's?
                0x75, 0x47,                                                                   // 0d jne 0x56
                0x64, 0x48, 0x8B, 0x14, 0x25, 0x00, 0x00, 0x00, 0x00,                         // 0f mov rdx, qword ptr fs:[0x0]         ; the word: the cache
                0x48, 0x85, 0xD2,                                                             // 18 test rdx, rdx
                0x74, 0x39,                                                                   // 1b je 0x56
                0x48, 0x8B, 0x4C, 0xFA, 0x20,                                                 // 1d mov rcx, qword ptr [rdx+rdi*8+0x20] ; _tops[class]
                0x48, 0x8B, 0x41, 0xF8,                                                       // 22 mov rax, qword ptr [rcx-0x8]        ; 0: no block
                0x48, 0x85, 0xC0,                                                             // 26 test rax, rax
                0x74, 0x2A,                                                                   // 29 je 0x55
                0x48, 0x89, 0xC6,                                                             // 2b mov rsi, rax
                0x48, 0x2B, 0x32,                                                             // 2e sub rsi, qword ptr [rdx]            ; _windowBase
                0x48, 0x3B, 0xB2, 0x38, 0x05, 0x00, 0x00,                                     // 31 cmp rsi, qword ptr [rdx+0x538]      ; _markedBytes: a later window is left to others
                0x73, 0x1C,                                                                   // 38 jae 0x56
                0x48, 0xC1, 0xEE, 0x04,                                                       // 3a shr rsi, 0x4                        ; 16 bytes a mark
                0x48, 0x03, 0xB2, 0x30, 0x05, 0x00, 0x00,                                     // 3e add rsi, qword ptr [rdx+0x530]      ; _marks
                0xC6, 0x06, 0x01,                                                             // 45 mov byte ptr [rsi], 0x1
                0x48, 0x83, 0xE9, 0x08,                                                       // 48 sub rcx, 0x8
                0x48, 0x89, 0x4C, 0xFA, 0x20,                                                 // 4c mov qword ptr [rdx+rdi*8+0x20], rcx
                0x48, 0x89, 0x7A, 0x18,                                                       // 51 mov qword ptr [rdx+0x18], rdi       ; _lastTaken
                0xC3,                                                                         // 55 ret
                0x31, 0xC0,                                                                   // 56 xor eax, eax
                0xC3,                                                                         // 58 ret
            };

            // `void* Give(void* block)`: null if the block has joined the loaded magazine of its class, or is null; else the block. That on
            // top of the magazine was freed just before, and does not join it again.
            internal static global::System.ReadOnlySpan<byte> Give => ChecksBoundaries ? default : new byte[]
            {
                0x64, 0x48, 0x81, 0x3C, 0x25, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // 00 cmp qword ptr fs:[0x0], 0x0         ; the entry's sequence number: is the value this key's?
                0x75, 0x6E,                                                                   // 0d jne 0x7d
                0x64, 0x48, 0x8B, 0x14, 0x25, 0x00, 0x00, 0x00, 0x00,                         // 0f mov rdx, qword ptr fs:[0x0]         ; the word: the cache
                0x48, 0x85, 0xD2,                                                             // 18 test rdx, rdx
                0x74, 0x60,                                                                   // 1b je 0x7d
                0x48, 0x89, 0xF8,                                                             // 1d mov rax, rdi
                0x48, 0x2B, 0x02,                                                             // 20 sub rax, qword ptr [rdx]            ; _windowBase
                0x48, 0xC1, 0xE8, 0x10,                                                       // 23 shr rax, 0x10                       ; 64 KiB pages
                0x48, 0x3B, 0x42, 0x10,                                                       // 27 cmp rax, qword ptr [rdx+0x10]       ; _pages
                0x73, 0x50,                                                                   // 2b jae 0x7d
                0x48, 0x03, 0x42, 0x08,                                                       // 2d add rax, qword ptr [rdx+0x8]        ; _pageMap
                0x0F, 0xB6, 0x00,                                                             // 31 movzx eax, byte ptr [rax]
                0x48, 0x8B, 0x72, 0x18,                                                       // 34 mov rsi, qword ptr [rdx+0x18]       ; _lastTaken: most likely it is this class
                0x48, 0x39, 0xF0,                                                             // 38 cmp rax, rsi
                0x75, 0x20,                                                                   // 3b jne 0x5d
                0x48, 0x8B, 0x4C, 0xF2, 0x20,                                                 // 3d mov rcx, qword ptr [rdx+rsi*8+0x20] ; _tops[class]
                0x48, 0x83, 0x39, 0x01,                                                       // 42 cmp qword ptr [rcx], 0x1            ; Magazine.Full
                0x74, 0x35,                                                                   // 46 je 0x7d
                0x48, 0x39, 0x79, 0xF8,                                                       // 48 cmp qword ptr [rcx-0x8], rdi        ; freed just before
                0x74, 0x2F,                                                                   // 4c je 0x7d
                0x48, 0x89, 0x39,                                                             // 4e mov qword ptr [rcx], rdi
                0x48, 0x83, 0xC1, 0x08,                                                       // 51 add rcx, 0x8
                0x48, 0x89, 0x4C, 0xF2, 0x20,                                                 // 55 mov qword ptr [rdx+rsi*8+0x20], rcx
                0x31, 0xC0,                                                                   // 5a xor eax, eax
                0xC3,                                                                         // 5c ret
                0x48, 0x8B, 0x4C, 0xC2, 0x20,                                                 // 5d mov rcx, qword ptr [rdx+rax*8+0x20] ; _tops[class]
                0x48, 0x83, 0x39, 0x01,                                                       // 62 cmp qword ptr [rcx], 0x1            ; Magazine.Full
                0x74, 0x15,                                                                   // 66 je 0x7d
                0x48, 0x39, 0x79, 0xF8,                                                       // 68 cmp qword ptr [rcx-0x8], rdi        ; freed just before
                0x74, 0x0F,                                                                   // 6c je 0x7d
                0x48, 0x89, 0x39,                                                             // 6e mov qword ptr [rcx], rdi
                0x48, 0x83, 0xC1, 0x08,                                                       // 71 add rcx, 0x8
                0x48, 0x89, 0x4C, 0xC2, 0x20,                                                 // 75 mov qword ptr [rdx+rax*8+0x20], rcx
                0x31, 0xC0,                                                                   // 7a xor eax, eax
                0xC3,                                                                         // 7c ret
                0x48, 0x89, 0xF8,                                                             // 7d mov rax, rdi
                0xC3,                                                                         // 80 ret
            };

            // The same for a block that is marked live, which it is not afterwards; one that is not is left alone. `_reading` says meanwhile
            // that the marks must not be unmapped (MarkReaders).
            internal static global::System.ReadOnlySpan<byte> GiveChecked => !ChecksBoundaries ? default : new byte[]
            {
                0x64, 0x48, 0x81, 0x3C, 0x25, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // 00 cmp qword ptr fs:[0x0], 0x0        ; the entry's sequence number: is the value this key's?
                0x75, 0x7D,                                                                   // 0d jne 0x8c
                0x64, 0x48, 0x8B, 0x14, 0x25, 0x00, 0x00, 0x00, 0x00,                         // 0f mov rdx, qword ptr fs:[0x0]        ; the word: the cache
                0x48, 0x85, 0xD2,                                                             // 18 test rdx, rdx
                0x74, 0x6F,                                                                   // 1b je 0x8c
                0x48, 0x89, 0xFE,                                                             // 1d mov rsi, rdi
                0x48, 0x2B, 0x32,                                                             // 20 sub rsi, qword ptr [rdx]           ; _windowBase
                0x48, 0x89, 0xF0,                                                             // 23 mov rax, rsi
                0x48, 0xC1, 0xE8, 0x10,                                                       // 26 shr rax, 0x10                      ; 64 KiB pages
                0x48, 0x3B, 0x42, 0x10,                                                       // 2a cmp rax, qword ptr [rdx+0x10]      ; _pages
                0x73, 0x5C,                                                                   // 2e jae 0x8c
                0x48, 0x89, 0xBA, 0x40, 0x05, 0x00, 0x00,                                     // 30 mov qword ptr [rdx+0x540], rdi     ; _reading: before the class, which says that there are marks
                0x48, 0x03, 0x42, 0x08,                                                       // 37 add rax, qword ptr [rdx+0x8]       ; _pageMap
                0x0F, 0xB6, 0x00,                                                             // 3b movzx eax, byte ptr [rax]
                0x4C, 0x8B, 0x42, 0x18,                                                       // 3e mov r8, qword ptr [rdx+0x18]       ; _lastTaken: most likely it is this class
                0x4C, 0x39, 0xC0,                                                             // 42 cmp rax, r8
                0x75, 0x49,                                                                   // 45 jne 0x90
                0x4A, 0x8B, 0x4C, 0xC2, 0x20,                                                 // 47 mov rcx, qword ptr [rdx+r8*8+0x20] ; _tops[class]
                0x48, 0x83, 0x39, 0x01,                                                       // 4c cmp qword ptr [rcx], 0x1           ; Magazine.Full
                0x74, 0x2F,                                                                   // 50 je 0x81
                0x40, 0xF6, 0xC7, 0x0F,                                                       // 52 test dil, 0xf                      ; a multiple of 16?
                0x75, 0x29,                                                                   // 56 jne 0x81
                0x48, 0xC1, 0xEE, 0x04,                                                       // 58 shr rsi, 0x4                       ; 16 bytes a mark
                0x48, 0x03, 0xB2, 0x30, 0x05, 0x00, 0x00,                                     // 5c add rsi, qword ptr [rdx+0x530]     ; _marks
                0x80, 0x3E, 0x01,                                                             // 63 cmp byte ptr [rsi], 0x1
                0x75, 0x19,                                                                   // 66 jne 0x81
                0xC6, 0x06, 0x00,                                                             // 68 mov byte ptr [rsi], 0x0
                0x31, 0xC0,                                                                   // 6b xor eax, eax
                0x48, 0x89, 0x82, 0x40, 0x05, 0x00, 0x00,                                     // 6d mov qword ptr [rdx+0x540], rax
                0x48, 0x89, 0x39,                                                             // 74 mov qword ptr [rcx], rdi
                0x48, 0x83, 0xC1, 0x08,                                                       // 77 add rcx, 0x8
                0x4A, 0x89, 0x4C, 0xC2, 0x20,                                                 // 7b mov qword ptr [rdx+r8*8+0x20], rcx
                0xC3,                                                                         // 80 ret
                0x48, 0xC7, 0x82, 0x40, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,             // 81 mov qword ptr [rdx+0x540], 0x0
                0x48, 0x89, 0xF8,                                                             // 8c mov rax, rdi
                0xC3,                                                                         // 8f ret
                0x49, 0x89, 0xC0,                                                             // 90 mov r8, rax
                0x4A, 0x8B, 0x4C, 0xC2, 0x20,                                                 // 93 mov rcx, qword ptr [rdx+r8*8+0x20] ; _tops[class]
                0x48, 0x83, 0x39, 0x01,                                                       // 98 cmp qword ptr [rcx], 0x1           ; Magazine.Full
                0x74, 0x2F,                                                                   // 9c je 0xcd
                0x40, 0xF6, 0xC7, 0x0F,                                                       // 9e test dil, 0xf                      ; a multiple of 16?
                0x75, 0x29,                                                                   // a2 jne 0xcd
                0x48, 0xC1, 0xEE, 0x04,                                                       // a4 shr rsi, 0x4                       ; 16 bytes a mark
                0x48, 0x03, 0xB2, 0x30, 0x05, 0x00, 0x00,                                     // a8 add rsi, qword ptr [rdx+0x530]     ; _marks
                0x80, 0x3E, 0x01,                                                             // af cmp byte ptr [rsi], 0x1
                0x75, 0x19,                                                                   // b2 jne 0xcd
                0xC6, 0x06, 0x00,                                                             // b4 mov byte ptr [rsi], 0x0
                0x31, 0xC0,                                                                   // b7 xor eax, eax
                0x48, 0x89, 0x82, 0x40, 0x05, 0x00, 0x00,                                     // b9 mov qword ptr [rdx+0x540], rax
                0x48, 0x89, 0x39,                                                             // c0 mov qword ptr [rcx], rdi
                0x48, 0x83, 0xC1, 0x08,                                                       // c3 add rcx, 0x8
                0x4A, 0x89, 0x4C, 0xC2, 0x20,                                                 // c7 mov qword ptr [rdx+r8*8+0x20], rcx
                0xC3,                                                                         // cc ret
                0x48, 0xC7, 0x82, 0x40, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,             // cd mov qword ptr [rdx+0x540], 0x0
                0x48, 0x89, 0xF8,                                                             // d8 mov rax, rdi
                0xC3,                                                                         // db ret
            };

            // The routines with the numbers of the heap's thread word; empty where there is no such word.
            internal static byte[] Compose()
            {
                ThreadWord? word = ThreadWord.EnsureCreated();
                if (word is null)
                    return [];

                global::System.ReadOnlySpan<byte> give = ChecksBoundaries ? GiveChecked : Give;
                byte[] code = new byte[GiveOffset + give.Length];
                Place(Cache, code, CacheOffset, word);
                for (int i = 0; i < TakeLarge.Length; i++)
                    code[TakeOffset - TakeLarge.Length + i] = TakeLarge[i];
                Place(ChecksBoundaries ? TakeChecked : Take, code, TakeOffset, word);
                Place(give, code, GiveOffset, word);
                return code;
            }

            private static void Place(global::System.ReadOnlySpan<byte> routine, byte[] code, int offset, ThreadWord word)
            {
                for (int i = 0; i < routine.Length; i++)
                    code[offset + i] = routine[i];
                ClrUnsafe.WriteUnaligned(ref code[offset + SequenceOffsetAt], word.SequenceOffset);
                ClrUnsafe.WriteUnaligned(ref code[offset + SequenceAt], word.Sequence);
                ClrUnsafe.WriteUnaligned(ref code[offset + ValueOffsetAt], word.ValueOffset);
                for (int i = 0; word.IsFirstOfItsKey && i < routine.Length - CheckLength; i++)
                    code[offset + i] = code[offset + CheckLength + i];
            }
        }
    }
}
