[assembly: EmmaAllocator("Shared.Pool")]

namespace FriendTwo;

// The heap that this name means here is the one of this assembly, not the friend's.
internal static unsafe class Program
{
    private static int Main()
    {
        void* mine = Shared.Pool.Alloc(64);
        nint theirs = FriendOne.Depot.Take();
        bool separate = Shared.Pool.Owns(mine) && !FriendOne.Depot.Owns((nint)mine)
            && FriendOne.Depot.Owns(theirs) && !Shared.Pool.Owns((void*)theirs);
        Shared.Pool.Free(mine);
        return separate ? 0 : 1;
    }
}
