using System.Text;
using System.Text.RegularExpressions;
using TwoEmmasOneProcess.Contracts;

// The other plugin asks for a heap of the very same name; neither can see, reach or harm the other's.
[assembly: EmmaAllocator("PluginHeap")]

namespace TwoEmmasOneProcess.PluginA;

/// <summary>Counts how often each word of a story occurs; the story and the counts lie in the plugin's heap.</summary>
public sealed unsafe class WordPlugin : IPlugin
{
    // How often one round reads the story through, shared out over its threads.
    private const int ReadingsPerRound = 48;

    private readonly byte* _story;
    private readonly int _storyLength;
    private WordTable? _counts;

    public WordPlugin()
    {
        using Stream story = OpenStory();
        _storyLength = (int)story.Length;
        _story = (byte*)PluginHeap.Alloc((nuint)_storyLength);
        story.ReadExactly(new Span<byte>(_story, _storyLength));
    }

    public string Work => "word frequencies";

    public ulong RunRound(int threads)
    {
        _counts?.Free();

        var tables = new WordTable[threads];
        var readers = new Thread[threads];
        for (int i = 0; i < threads; i++)
        {
            int index = i;
            readers[i] = new Thread(() => tables[index] = Read(times: (ReadingsPerRound + index) / threads));
            readers[i].Start();
        }

        // The readers are gone by the time their blocks are merged here, and many of them freed: by another thread than allocated them.
        _counts = new WordTable();
        for (int i = 0; i < threads; i++)
        {
            readers[i].Join();
            _counts.TakeOver(tables[i]);
        }

        return _counts.Checksum();
    }

    public ulong WorkOutExpected()
    {
        using var reader = new StreamReader(OpenStory());
        IEnumerable<string> words = Regex.Matches(reader.ReadToEnd().ToLowerInvariant(), "[a-z]+").Select(match => match.Value);

        ulong checksum = 0;
        foreach (IGrouping<string, string> group in words.GroupBy(word => word))
            checksum += WordTable.HashOf(Encoding.ASCII.GetBytes(group.Key)) * (ulong)(group.Count() * ReadingsPerRound);

        return checksum;
    }

    public HeapView ViewHeap() => OwnHeap.View();

    public bool HeapOwns(ulong address) => OwnHeap.Owns(address);

    // Reads the story a number of times, counting each reading in a table of its own first.
    private WordTable Read(int times)
    {
        var total = new WordTable();
        for (int reading = 0; reading < times; reading++)
        {
            var counts = new WordTable();
            CountWords(counts);
            total.TakeOver(counts);
        }

        return total;
    }

    private void CountWords(WordTable counts)
    {
        Span<byte> word = stackalloc byte[64];
        int length = 0;
        for (int i = 0; i <= _storyLength; i++)
        {
            byte letter = i < _storyLength ? (byte)(_story[i] | 0x20) : (byte)0;
            if (letter is >= (byte)'a' and <= (byte)'z')
            {
                word[length++] = letter;
            }
            else if (length > 0)
            {
                counts.Add(word[..length]);
                length = 0;
            }
        }
    }

    private static Stream OpenStory() => typeof(WordPlugin).Assembly.GetManifestResourceStream("harbour.txt")!;
}
