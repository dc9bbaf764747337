namespace FriendTests;

internal static unsafe class Program
{
    private static int Main()
    {
        void* block = Shared.Blocks.Alloc(64);
        bool sees = FriendOne.Depot.Owns((nint)block) && Shared.Blocks.GetStatistics().InUseBytes >= 64;
        Shared.Blocks.Free(block);
        return sees ? 0 : 1;
    }
}
