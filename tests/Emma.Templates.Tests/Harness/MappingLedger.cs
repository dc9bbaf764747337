using System.Runtime.CompilerServices;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // What a mapping in the ledger is.
        private enum MappingUse
        {
            // Memory that the heap's statistics count.
            Memory,

            // The marks of the live blocks of a segment, which are counted unless they are on by default.
            Marks,

            // Addresses that nobody touches: the target of a move, or a place that was not asked for.
            Addresses,
        }

        // Every mapping of the heap, noted as the calls that make and end them pass by: what the heap has mapped, whatever others map
        // beside it. Lies in native memory and allocates nothing, because it is written while the heap holds locks.
        private struct MappingLedger
        {
            private const int Capacity = 1024;

            private Entry* _entries;
            private int _count;

            private struct Entry
            {
                internal nuint Start;
                internal nuint End;
                internal MappingUse Use;
            }

            // Whether it had to leave something out.
            internal bool Overflowed { get; private set; }

            internal readonly int Count => _count;

            internal void Begin() => _entries = (Entry*)RuntimeHelpers
                .AllocateTypeAssociatedMemory(typeof(MappingLedger), Capacity * sizeof(Entry));

            internal readonly nuint Bytes(MappingUse use)
            {
                nuint bytes = 0;
                for (int i = 0; i < _count; i++)
                    bytes += _entries[i].Use == use ? _entries[i].End - _entries[i].Start : 0;
                return bytes;
            }

            // The first address of each mapping.
            internal readonly nuint[] Starts()
            {
                nuint[] starts = new nuint[_count];
                for (int i = 0; i < _count; i++)
                    starts[i] = _entries[i].Start;
                return starts;
            }

            // Whether all of a range is mapped.
            internal readonly bool Covers(nuint start, nuint length)
            {
                nuint covered = 0;
                for (int i = 0; i < _count; i++)
                {
                    nuint from = Math.Max(_entries[i].Start, start);
                    nuint to = Math.Min(_entries[i].End, start + length);
                    covered += from < to ? to - from : 0;
                }

                return covered == length;
            }

            internal void Add(nuint start, nuint length, MappingUse use)
            {
                if (_count == Capacity)
                    Overflowed = true;
                else
                    _entries[_count++] = new Entry { Start = start, End = start + length, Use = use };
            }

            internal void Remove(nuint start, nuint length)
            {
                nuint end = start + length;
                for (int i = _count - 1; i >= 0; i--)
                {
                    Entry entry = _entries[i];
                    if (entry.Start >= end || entry.End <= start)
                        continue;

                    _entries[i] = _entries[--_count];
                    if (entry.Start < start)
                        Add(entry.Start, start - entry.Start, entry.Use);
                    if (entry.End > end)
                        Add(end, entry.End - end, entry.Use);
                }
            }

            // Unmaps what is left of mere addresses: two refusals at once may leave some, and a later test's window may come to lie there.
            internal void UnmapAddresses()
            {
                for (int i = _count - 1; i >= 0; i--)
                {
                    Entry entry = _entries[i];
                    if (entry.Use == MappingUse.Addresses && VirtualMemory.TryUnmap(entry.Start, entry.End - entry.Start))
                        Remove(entry.Start, entry.End - entry.Start);
                }
            }

            public override readonly string ToString()
            {
                List<string> lines = [];
                for (int i = 0; i < _count; i++)
                    lines.Add($"0x{_entries[i].Start:x}: {_entries[i].End - _entries[i].Start} bytes, {_entries[i].Use}");
                return string.Join('\n', lines);
            }
        }
    }
}
