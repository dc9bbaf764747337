using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ThreadLookup;

// The candidates' machine code for x86-64, in a page of its own, and the words behind fs that it reads (glibc 2.36).
internal static unsafe partial class NativeCode
{
    private const int PageBytes = 4096;
    private const int ThreadIdOffset = 0x2D0;
    private const int KeysOffset = 0x310;
    private const int KeyBytes = 16;
    private const int TableBytes = 1 << 16;

    // mov eax, fs:[thread id] | ret
    internal static nint GetThreadId { get; private set; }

    // mov rax, fs:[word] | ret
    internal static nint GetWord { get; private set; }

    // The fast paths, the cache found by the word.
    internal static nint TakeByWord { get; private set; }

    internal static nint GiveByWord { get; private set; }

    // The fast paths, the cache found by the thread id in a table of (id, cache).
    internal static nint TakeByTable { get; private set; }

    internal static nint GiveByTable { get; private set; }

    // The table: the entry of an id is at the id's lowest bits. Nobody else's entry is in the way here.
    internal static nint Table { get; private set; }

    internal static void Create(Cache* cache)
    {
        byte* page = (byte*)Mmap(0, PageBytes, 3, 0x22, -1, 0);
        int used = 0;
        uint key = 0;
        if (KeyCreate(&key, 0) != 0 || SetSpecific(key, cache) != 0 || key >= 32)
            throw new PlatformNotSupportedException("no key that lies in the thread control block");

        int word = KeysOffset + (int)key * KeyBytes + KeyBytes / 2;
        Table = (nint)NativeMemory.AllocZeroed(TableBytes);
        GetThreadId = Add(Bytes("64 8B 04 25", ThreadIdOffset, "C3"));
        GetWord = Add(Bytes("64 48 8B 04 25", word, "C3"));
        // mov rdx, fs:[word] | test rdx, rdx | je none (filled in)
        byte[] byWord = Bytes("64 48 8B 14 25", word, "48 85 D2 74 00");
        // mov eax, fs:[id] | mov r8d, eax | and r8d, 0xfff | shl r8, 4 | mov r9, table | add r8, r9
        // | cmp [r8], rax | mov rdx, [r8+8] | jne none
        byte[] byTable =
        [
            .. Bytes("64 8B 04 25", ThreadIdOffset, "41 89 C0 41 81 E0 FF 0F 00 00 49 C1 E0 04 49 B9"),
            .. BitConverter.GetBytes(Table),
            .. Convert.FromHexString("4D01C8493900498B50087500"),
        ];
        // mov rcx, [rdx+rdi*8+24] | mov rax, [rcx-8] | test rax, rax | je done | sub rcx, 8
        // | mov [rdx+rdi*8+24], rcx | done: ret | none: xor eax, eax | ret
        byte[] take = Convert.FromHexString("488B4CFA18488B41F84885C074094883E90848894CFA18C331C0C3");
        // mov rax, rdi | sub rax, [rdx] | shr rax, 16 | cmp rax, [rdx+16] | jae none
        // | add rax, [rdx+8] | movzx eax, byte [rax] | mov rcx, [rdx+rax*8+24]
        // | cmp qword [rcx], 1 | je none | mov [rcx], rdi | add rcx, 8 | mov [rdx+rax*8+24], rcx | xor eax, eax | ret
        // | none: mov rax, rdi | ret
        byte[] give = Convert.FromHexString(
            "4889F8482B0248C1E810483B4210732148034208"
            + "0FB600488B4CC21848833901740F4889394883C10848894CC21831C0C34889F8C3");
        TakeByWord = Add(Join(byWord, take, 3));
        GiveByWord = Add(Join(byWord, give, 4));
        TakeByTable = Add(Join(byTable, take, 3));
        GiveByTable = Add(Join(byTable, give, 4));
        if (Mprotect((nint)page, PageBytes, 5) != 0)
            throw new PlatformNotSupportedException("no executable memory");

        int id = ((delegate* unmanaged<int>)GetThreadId)();
        ((nint*)Table)[(id & 0xFFF) * 2] = id;
        ((nint*)Table)[(id & 0xFFF) * 2 + 1] = (nint)cache;

        nint Add(byte[] code)
        {
            nint address = (nint)page + used;
            code.CopyTo(new Span<byte>((void*)address, code.Length));
            used += (code.Length + 63) & ~63;
            return address;
        }
    }

    private static byte[] Bytes(string before, int offset, string behind)
    {
        byte[] number = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(number, offset);
        return [.. Convert.FromHexString(before.Replace(" ", "")), .. number, .. Convert.FromHexString(behind.Replace(" ", ""))];
    }

    // A lookup that ends in a short jump, and a path whose last bytes are where it jumps to.
    private static byte[] Join(byte[] lookup, byte[] path, int tail) => [.. lookup[..^1], (byte)(path.Length - tail), .. path];

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Mmap(nint address, nint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Mprotect(nint address, nint length, int protection);

    [LibraryImport("libc", EntryPoint = "pthread_key_create")]
    private static partial int KeyCreate(uint* key, nint destructor);

    [LibraryImport("libc", EntryPoint = "pthread_setspecific")]
    private static partial int SetSpecific(uint key, void* value);
}
