using Emma.Benchmarks.Micro;

namespace Emma.Benchmarks.Peers;

/// <summary>Something to be done with a peer, whichever it is.</summary>
internal interface IPeerAction
{
    void Invoke<TAllocator>()
        where TAllocator : struct, IAllocator;
}

/// <summary>One of the allocators that are compared.</summary>
/// <param name="name">What tables call it.</param>
/// <param name="version">Its version; null if it is absent from this machine.</param>
internal abstract class Peer(string name, string? version)
{
    internal string Name { get; } = name;

    internal string? Version { get; } = version;

    internal bool IsPresent => Version is not null;

    /// <summary>Whether it is one of ours: the others are what it is measured against.</summary>
    internal virtual bool IsEmma => false;

    /// <summary>Whether it takes part in the workloads and in scaling, or in the patterns alone.</summary>
    internal virtual bool RunsWorkloads => true;

    /// <summary>Does something with this peer's allocator in this process.</summary>
    internal abstract void Invoke(IPeerAction action);

    /// <summary>A pattern ready to run over this peer; null if the peer cannot do its work.</summary>
    internal abstract Kernel? CreateKernel(Pattern pattern, bool inlined);
}

/// <summary>A peer that is an allocator in this very assembly.</summary>
internal class Peer<TAllocator>(string name, string? version) : Peer(name, version)
    where TAllocator : struct, IAllocator
{
    internal override void Invoke(IPeerAction action) => action.Invoke<TAllocator>();

    internal override Kernel? CreateKernel(Pattern pattern, bool inlined) =>
        inlined ? pattern.CreateKernel<TAllocator>() : pattern.CreateKernel<Outlined<TAllocator>>();
}

/// <summary>A heap that the generator wrote into this assembly.</summary>
internal sealed class EmmaPeer<TAllocator>(string name, string version, bool runsWorkloads) : Peer<TAllocator>(name, version)
    where TAllocator : struct, IAllocator
{
    internal override bool IsEmma => true;

    internal override bool RunsWorkloads => runsWorkloads;
}

/// <summary>The local form of the default heap, for the patterns that need no more than blocks.</summary>
internal sealed class LocalPeer(string name, string version) : Peer(name, version)
{
    internal override bool IsEmma => true;

    internal override bool RunsWorkloads => false;

    internal override void Invoke(IPeerAction action) => throw new NotSupportedException("What is local is no allocator for several threads.");

    internal override Kernel? CreateKernel(Pattern pattern, bool inlined) =>
        inlined ? pattern.CreateBlockKernel<LocalBlocks, nint>() : pattern.CreateBlockKernel<OutlinedBlocks<LocalBlocks, nint>, nint>();
}

/// <summary>Another of our peers, in a copy of this assembly that lives in a collectible load context, as plugins do.</summary>
internal sealed class CollectiblePeer(string name, string version, string original, bool runsWorkloads) : Peer(name, version)
{
    internal override bool IsEmma => true;

    internal override bool RunsWorkloads => runsWorkloads;

    internal override void Invoke(IPeerAction action) =>
        throw new NotSupportedException("What is done with this peer is done by the copy; see CollectibleCopy.");

    internal override Kernel? CreateKernel(Pattern pattern, bool inlined) => CollectibleCopy.CreateKernel(original, pattern.Name, inlined);
}

/// <summary>The pool of managed arrays, for the patterns that need no more than blocks.</summary>
internal sealed class ArrayPoolPeer(string name, string version) : Peer(name, version)
{
    internal override bool RunsWorkloads => false;

    internal override void Invoke(IPeerAction action) => throw new NotSupportedException("A pool of arrays has no native memory.");

    internal override Kernel? CreateKernel(Pattern pattern, bool inlined) =>
        inlined
            ? pattern.CreateBlockKernel<ArrayPoolBlocks, PooledArray>()
            : pattern.CreateBlockKernel<OutlinedBlocks<ArrayPoolBlocks, PooledArray>, PooledArray>();
}
