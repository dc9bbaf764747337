namespace TwoEmmasOneProcess.Host;

// A stretch of addresses from one up to, but not including, another.
internal readonly record struct AddressRange(ulong Start, ulong End)
{
    // A heap hands out its memory to slabs and large blocks in pages of this many bytes, aligned to as many.
    public const ulong HeapPage = 64 * 1024;

    // The first address of every heap page that begins in the range.
    public IEnumerable<ulong> HeapPages()
    {
        for (ulong page = (Start + HeapPage - 1) / HeapPage * HeapPage; page < End; page += HeapPage)
            yield return page;
    }

    public bool Overlaps(AddressRange other) => Start < other.End && other.Start < End;
}
