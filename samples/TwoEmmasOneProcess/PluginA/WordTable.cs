namespace TwoEmmasOneProcess.PluginA;

// A hash table of words whose every byte lies in the plugin's heap: one array of bucket heads, and for each different word a block that
// holds its entry with the letters behind it. One thread at a time may use a table.
internal sealed unsafe class WordTable
{
    private const uint SmallestBucketCount = 64;

    private Entry** _buckets = NewBuckets(SmallestBucketCount);
    private uint _bucketCount = SmallestBucketCount;
    private uint _entryCount;
    private Entry* _firstEntry;

    // Counts one occurrence of a word.
    public void Add(ReadOnlySpan<byte> word)
    {
        ulong hash = HashOf(word);
        Entry* entry = Find(hash, word);
        if (entry == null)
        {
            entry = (Entry*)PluginHeap.Alloc((nuint)(sizeof(Entry) + word.Length));
            entry->Hash = hash;
            entry->Count = 0;
            entry->Length = word.Length;
            word.CopyTo(LettersOf(entry));
            Insert(entry);
        }

        entry->Count++;
    }

    // Adds the counts of another table to this one's and takes over or frees its blocks; it is not to be used again.
    public void TakeOver(WordTable other)
    {
        Entry* next;
        for (Entry* theirs = other._firstEntry; theirs != null; theirs = next)
        {
            next = theirs->Next;
            Entry* ours = Find(theirs->Hash, LettersOf(theirs));
            if (ours == null)
            {
                Insert(theirs);
            }
            else
            {
                ours->Count += theirs->Count;
                PluginHeap.Free(theirs);
            }
        }

        PluginHeap.Free(other._buckets);
    }

    // A checksum over all words and counts in which their order plays no part.
    public ulong Checksum()
    {
        ulong checksum = 0;
        for (Entry* entry = _firstEntry; entry != null; entry = entry->Next)
            checksum += entry->Hash * (ulong)entry->Count;

        return checksum;
    }

    // Frees all the table's blocks; it is not to be used again.
    public void Free()
    {
        Entry* next;
        for (Entry* entry = _firstEntry; entry != null; entry = next)
        {
            next = entry->Next;
            PluginHeap.Free(entry);
        }

        PluginHeap.Free(_buckets);
    }

    // FNV-1a, 64 bits.
    public static ulong HashOf(ReadOnlySpan<byte> word)
    {
        ulong hash = 0xcbf29ce484222325;
        foreach (byte letter in word)
            hash = (hash ^ letter) * 0x100000001b3;

        return hash;
    }

    private Entry* Find(ulong hash, ReadOnlySpan<byte> word)
    {
        for (Entry* entry = *BucketOf(hash); entry != null; entry = entry->NextInBucket)
        {
            if (entry->Hash == hash && word.SequenceEqual(LettersOf(entry)))
                return entry;
        }

        return null;
    }

    private void Insert(Entry* entry)
    {
        if (_entryCount == _bucketCount)
            Grow();

        entry->Next = _firstEntry;
        _firstEntry = entry;
        _entryCount++;
        PutIntoBucket(entry);
    }

    private void Grow()
    {
        PluginHeap.Free(_buckets);
        _bucketCount *= 2;
        _buckets = NewBuckets(_bucketCount);
        for (Entry* entry = _firstEntry; entry != null; entry = entry->Next)
            PutIntoBucket(entry);
    }

    private void PutIntoBucket(Entry* entry)
    {
        Entry** bucket = BucketOf(entry->Hash);
        entry->NextInBucket = *bucket;
        *bucket = entry;
    }

    private Entry** BucketOf(ulong hash) => &_buckets[hash & (_bucketCount - 1)];

    private static Entry** NewBuckets(uint count) => (Entry**)PluginHeap.AllocZeroed(count, (nuint)sizeof(Entry*));

    private static Span<byte> LettersOf(Entry* entry) => new(entry + 1, entry->Length);

    private struct Entry
    {
        public Entry* Next;
        public Entry* NextInBucket;
        public ulong Hash;
        public int Count;
        public int Length;
    }
}
