namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The process's list of mappings, read from the kernel a piece at a time onto the stack: it may be asked for under a lock, where
        // nothing may be allocated or thrown.
        internal static class MappingList
        {
            private const int ChunkBytes = 2048;

            // Whether a mapping of exactly this range, without access, is in the list. False, too, where there is no list or no descriptor.
            internal static bool HasInaccessible(nuint start, nuint end)
            {
                nint file = Syscalls.Open("/proc/self/maps\0"u8);
                if (file < 0)
                    return false;

                byte* chunk = stackalloc byte[ChunkBytes];
                MappingLine line = default;
                bool found = false;
                nint length;
                while (!found && line.Start <= start && (length = Syscalls.Read(file, chunk, ChunkBytes)) > 0)
                {
                    for (nint i = 0; i < length && !found; i++)
                        found = line.Take(chunk[i]) && line.Start == start && line.End == end && line.Rights == NoRights;
                }

                Syscalls.Close(file);
                return found;
            }

            // "---p" as bytes, the first one highest.
            private const uint NoRights = 0x2D2D2D70;
        }

        // A line as far as it has been read: `start-end rights …`, the addresses in hexadecimal digits.
        internal struct MappingLine
        {
            internal nuint Start;
            internal nuint End;
            internal uint Rights;
            private int _field;
            private int _rightsRead;

            // Takes the next byte of the list. True: it was the last of a line's rights.
            internal bool Take(byte next)
            {
                switch (_field)
                {
                    case 0 when next == '-':
                    case 1 when next == ' ':
                        _field++;
                        break;
                    case 0:
                        Start = unchecked((Start << 4) | DigitOf(next));
                        break;
                    case 1:
                        End = unchecked((End << 4) | DigitOf(next));
                        break;
                    default:
                        if (next == '\n')
                            this = default;
                        else if (_rightsRead < sizeof(uint))
                            return TakeRight(next);
                        break;
                }

                return false;
            }

            private bool TakeRight(byte next)
            {
                Rights = (Rights << 8) | next;
                return ++_rightsRead == sizeof(uint);
            }

            private static nuint DigitOf(byte digit) => unchecked((nuint)(digit <= '9' ? digit - '0' : digit - 'a' + 10));
        }
    }
}
