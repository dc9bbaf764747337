namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // A word of each thread's own: a POSIX key (pthread_key_create) of glibc's first 32, which lie in the thread control block itself,
        // so that machine code reads one with a single load behind the segment register fs. A thread begins with no value, whatever its
        // stack and its control block were used for before; that is what tells it from the thread pointer, which the next thread may
        // inherit.
        // A key's entry is a sequence number and a value; the value counts only if the number is the key's own, because glibc leaves values
        // behind when a key is deleted. Where the entries lie is not part of glibc's interface. It has been 0x310 bytes into the block
        // since 2007, and is not relied upon: it is proved with a value before it is used, and whatever does not agree (another libc, a
        // later layout, keys beyond the first 32) is found in another way (ThreadCacheList.Static).
        internal sealed class ThreadWord
        {
            private const int EntriesOffset = 0x310;
            private const int EntryBytes = 16;
            private const uint FastKeys = 32;

            private static ThreadWord? s_current;

            private readonly ThreadKey _key;
            private int _sequence;

            private ThreadWord(ThreadKey key) => _key = key;

            // The bytes from the thread pointer to the sequence number of the word's entry.
            internal int SequenceOffset => EntriesOffset + (int)_key.Number * EntryBytes;

            // The bytes from the thread pointer to the word.
            internal int ValueOffset => SequenceOffset + EntryBytes / 2;

            // What the entry's sequence number must be.
            internal int Sequence => _sequence;

            // Whether nobody had the key before, so that no thread has another's value in its entry.
            internal bool IsFirstOfItsKey => _sequence == 1;

            // Whether the machine code uses the word: it is set from then on, and is where a thread's cache is found.
            internal static bool IsUsed => SmallBlocks.HasMachineCode;

            // The heap's word, made unless it exists; null where there cannot be one. Any number of threads may race.
            internal static ThreadWord? EnsureCreated()
            {
                ThreadWord? current = ClrVolatile.Read(ref s_current);
                if (current is not null)
                    return current;

                ThreadWord? created = Create();
                if (created is null)
                    return ClrVolatile.Read(ref s_current);

                ThreadWord? winner = ClrInterlocked.CompareExchange(ref s_current, created, null);
                if (winner is null)
                    return created;

                created.Delete();
                return winner;
            }

            // Sets the calling thread's word.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void Set(ThreadCache* value) => s_current!._key.TrySet((nint)value);

            // Gives the key back. Nothing reads the word afterwards.
            internal static void Release() => ClrInterlocked.Exchange(ref s_current, null)?.Delete();

            private static ThreadWord? Create()
            {
                if (!CLibrary.TryFind("gnu_get_libc_version", out nint _)
                    || !CLibrary.TryFind("pthread_self", out nint self)
                    || ThreadKey.Create() is not { } key)
                {
                    return null;
                }

                ThreadWord word = new ThreadWord(key);
                if (key.Number < FastKeys && word.IsWhereExpected(((delegate* unmanaged<byte*>)self)()))
                    return word;

                word.Delete();
                return null;
            }

            // Proves, in the calling thread's control block, that the word lies where the machine code is going to read it.
            private bool IsWhereExpected(byte* threadPointer)
            {
                // A control block begins with its own address.
                if (ClrVolatile.Read(ref *(nint*)threadPointer) != (nint)threadPointer)
                    return false;

                ref nint value = ref *(nint*)(threadPointer + ValueOffset);
                const nint probe = 0x456D6D61;
                bool found = _key.TrySet(probe) && ClrVolatile.Read(ref value) == probe
                    && _key.TrySet(~probe) && ClrVolatile.Read(ref value) == ~probe;
                nuint sequence = ClrVolatile.Read(ref *(nuint*)(threadPointer + SequenceOffset));
                _sequence = unchecked((int)sequence);
                // The keys in use have odd numbers. The code compares with 32 bits, sign-extended.
                return _key.TrySet(0) && found && (sequence & 1) == 1 && sequence <= int.MaxValue && ClrVolatile.Read(ref value) == 0;
            }

            private void Delete() => _key.Delete();
        }
    }
}
