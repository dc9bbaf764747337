namespace FriendTests;

internal static unsafe class Program
{
    private static int Main()
    {
        void* block = Shared.Pool.Alloc(64);
        bool sees = FriendOne.Depot.Owns((nint)block) && Shared.Pool.GetStatistics().InUseBytes >= 64;
        Shared.Pool.Free(block);
        return sees ? 0 : 1;
    }
}
