[assembly: EmmaAllocator("Shared.Pool")]

namespace FriendOne;

public static unsafe class Depot
{
    public static nint Take() => (nint)Shared.Pool.Alloc(64);

    public static bool Owns(nint block) => Shared.Pool.Owns((void*)block);
}
