namespace Emma.Benchmarks.Peers;

// A type for each library, so that generic code over its allocator is compiled for it alone. There are as many as are asked for.
internal static class LibrarySlots
{
    private static readonly Dictionary<Type, AllocatorLibrary> s_libraries = [];
    private static Type s_lastSlot = typeof(First);

    internal static AllocatorLibrary Find(Type slot) => s_libraries[slot];

    // A peer over the library, in a slot of its own; absent without a library.
    internal static Peer CreatePeer(string name, AllocatorLibrary? library)
    {
        lock (s_libraries)
        {
            s_lastSlot = typeof(Next<>).MakeGenericType(s_lastSlot);
            if (library is not null)
                s_libraries.Add(s_lastSlot, library);

            Type allocator = typeof(LibraryAllocator<>).MakeGenericType(s_lastSlot);
            return (Peer)Activator.CreateInstance(typeof(Peer<>).MakeGenericType(allocator), name, library?.Version)!;
        }
    }

    private readonly struct First;

    private readonly struct Next<TSlot>
        where TSlot : struct;
}
