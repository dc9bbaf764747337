[assembly: EmmaAllocator("Shared.Blocks")]

namespace FriendOne;

public static unsafe class Depot
{
    public static nint Take() => (nint)Shared.Blocks.Alloc(64);

    public static bool Owns(nint block) => Shared.Blocks.Owns((void*)block);
}
