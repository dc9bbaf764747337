[assembly: EmmaAllocator("Shared.Blocks")]

namespace FriendTwo;

// The heap that this name means here is the one of this assembly, not the friend's.
internal static unsafe class Program
{
    private static int Main()
    {
        void* mine = Shared.Blocks.Alloc(64);
        nint theirs = FriendOne.Depot.Take();
        bool separate = Shared.Blocks.Owns(mine) && !FriendOne.Depot.Owns((nint)mine)
            && FriendOne.Depot.Owns(theirs) && !Shared.Blocks.Owns((void*)theirs);
        Shared.Blocks.Free(mine);
        return separate ? 0 : 1;
    }
}
