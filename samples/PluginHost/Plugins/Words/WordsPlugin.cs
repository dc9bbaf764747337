using PluginHost.Contracts;

[assembly: EmmaAllocator("Words.Heap")]

namespace Words;

/// <summary>Keeps a dictionary off-heap: chains of entries of many small sizes, some of which go in each round.</summary>
public sealed unsafe class WordsPlugin : IPlugin
{
    private const int Entries = 20_000;

    private readonly nint[] _entries = new nint[Entries];
    private int _round;

    public void Work()
    {
        _round++;
        for (int i = _round % 3; i < Entries; i += 3)
        {
            Heap.Free((void*)_entries[i]);
            int length = 8 + i * 31 % 200;
            byte* entry = Heap.Alloc<byte>((nuint)length);
            new Span<byte>(entry, length).Fill((byte)i);
            _entries[i] = (nint)entry;
        }
    }

    public void MemoryIsLow() => Heap.Trim();
}
