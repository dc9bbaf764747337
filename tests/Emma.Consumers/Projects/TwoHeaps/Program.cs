[assembly: EmmaAllocator("FirstHeap", BoundaryChecks = false)]
[assembly: EmmaAllocator("TwoHeaps.SecondHeap", BoundaryChecks = true)]

namespace TwoHeaps;

// Each heap works, keeps its own books, refuses the other's blocks by name, and outlives the other.
internal static unsafe class Program
{
    private static int Main()
    {
        byte* first = (byte*)FirstHeap.Alloc(100);
        byte* second = (byte*)SecondHeap.Alloc(100);
        FirstHeap.Fill(first, 100, 1);
        SecondHeap.Fill(second, 100, 2);
        bool separate = FirstHeap.Owns(first) && !FirstHeap.Owns(second) && SecondHeap.Owns(second) && !SecondHeap.Owns(first);

        long inUse = FirstHeap.GetStatistics().InUseBytes;
        void* more = SecondHeap.Alloc(1 << 20);
        bool ownBooks = FirstHeap.GetStatistics().InUseBytes == inUse && SecondHeap.GetStatistics().InUseBytes >= 1 << 20;
        SecondHeap.Free(more);

        string refusal = "";
        try
        {
            FirstHeap.Free(second);
        }
        catch (Exception exception)
        {
            refusal = exception.Message;
        }

        FirstHeap.Destroy();
        bool outlives = new ReadOnlySpan<byte>(second, 100).IndexOfAnyExcept((byte)2) < 0;
        SecondHeap.Free(second);

        Console.WriteLine($"separate: {separate}, own books: {ownBooks}, outlives: {outlives}");
        Console.WriteLine(refusal);
        return separate && ownBooks && outlives && refusal.Contains("FirstHeap") ? 0 : 1;
    }
}
