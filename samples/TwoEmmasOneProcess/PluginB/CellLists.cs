namespace TwoEmmasOneProcess.PluginB;

// Which particles are in which cell, for a range of cells: a list a cell, each a block of the heap that grows as needed.
internal readonly unsafe struct CellLists
{
    private const int SmallestCapacity = 4;

    private readonly int _firstCell;
    private readonly int _cellCount;
    private readonly List* _lists;

    public CellLists(int firstCell, int endCell)
    {
        _firstCell = firstCell;
        _cellCount = endCell - firstCell;
        _lists = (List*)PluginHeap.AllocZeroed((nuint)_cellCount, (nuint)sizeof(List));
    }

    public ReadOnlySpan<int> this[int cell] => new(_lists[cell - _firstCell].Items, _lists[cell - _firstCell].Count);

    public void AddIfInside(int cell, int particle)
    {
        if ((uint)(cell - _firstCell) >= (uint)_cellCount)
            return;

        List* list = &_lists[cell - _firstCell];
        if (list->Count == list->Capacity)
        {
            list->Capacity = Math.Max(SmallestCapacity, list->Capacity * 2);
            list->Items = (int*)PluginHeap.Realloc(list->Items, (nuint)(list->Capacity * sizeof(int)));
        }

        list->Items[list->Count++] = particle;
    }

    public void Free()
    {
        for (int i = 0; i < _cellCount; i++)
            PluginHeap.Free(_lists[i].Items);

        PluginHeap.Free(_lists);
    }

    private struct List
    {
        public int* Items;
        public int Count;
        public int Capacity;
    }
}
