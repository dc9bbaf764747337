using Emma.Benchmarks.Micro;

namespace Emma.Benchmarks.Peers;

// Something to be done with a peer, whichever it is.
internal interface IPeerAction
{
    void Invoke<TAllocator>()
        where TAllocator : struct, IAllocator;
}

// One of the allocators that are compared.
// name: what tables call it.
// version: its version; null if it is absent from this machine.
internal abstract class Peer(string name, string? version)
{
    internal string Name { get; } = name;

    internal string? Version { get; } = version;

    internal bool IsPresent => Version is not null;

    // Whether it is one of ours: the others are what it is measured against.
    internal virtual bool IsEmma => false;

    // Whether it takes part in the workloads and in scaling, or in the patterns alone.
    internal virtual bool RunsWorkloads => true;

    // Does something with this peer's allocator in this process.
    internal abstract void Invoke(IPeerAction action);

    // Compiles a pattern's code over this peer without running any of it.
    internal virtual void Compile(Pattern pattern, bool inlined) =>
        throw new NotSupportedException("What is compiled first is the heap's.");

    // A pattern ready to run over this peer; null if the peer cannot do its work.
    internal abstract Kernel? CreateKernel(Pattern pattern, bool inlined);
}

// A peer that is an allocator in this very assembly.
internal class Peer<TAllocator>(string name, string? version) : Peer(name, version)
    where TAllocator : struct, IAllocator
{
    internal override void Invoke(IPeerAction action) => action.Invoke<TAllocator>();

    internal override void Compile(Pattern pattern, bool inlined)
    {
        if (inlined)
            pattern.Compile<TAllocator>();
        else
            pattern.Compile<Outlined<TAllocator>>();
    }

    internal override Kernel? CreateKernel(Pattern pattern, bool inlined) =>
        inlined ? pattern.CreateKernel<TAllocator>() : pattern.CreateKernel<Outlined<TAllocator>>();
}

// A heap that the generator wrote into this assembly.
internal sealed class EmmaPeer<TAllocator>(string name, string version, bool runsWorkloads) : Peer<TAllocator>(name, version)
    where TAllocator : struct, IAllocator
{
    internal override bool IsEmma => true;

    internal override bool RunsWorkloads => runsWorkloads;
}

// The local form of the default heap, for the patterns that need no more than blocks.
internal sealed class LocalPeer(string name, string version) : Peer(name, version)
{
    internal override bool IsEmma => true;

    internal override bool RunsWorkloads => false;

    internal override void Invoke(IPeerAction action) =>
        throw new NotSupportedException("What is local is no allocator for several threads.");

    internal override void Compile(Pattern pattern, bool inlined)
    {
        if (inlined)
            pattern.CompileBlocks<LocalBlocks, nint>();
        else
            pattern.CompileBlocks<OutlinedBlocks<LocalBlocks, nint>, nint>();
    }

    internal override Kernel? CreateKernel(Pattern pattern, bool inlined) =>
        inlined ? pattern.CreateBlockKernel<LocalBlocks, nint>() : pattern.CreateBlockKernel<OutlinedBlocks<LocalBlocks, nint>, nint>();
}

// Another of our peers, in a copy of this assembly that lives in a collectible load context, as plugins do.
internal sealed class CollectiblePeer(string name, string version, string original, bool runsWorkloads) : Peer(name, version)
{
    internal override bool IsEmma => true;

    internal override bool RunsWorkloads => runsWorkloads;

    internal override void Invoke(IPeerAction action) =>
        throw new NotSupportedException("What is done with this peer is done by the copy; see CollectibleCopy.");

    internal override Kernel? CreateKernel(Pattern pattern, bool inlined) => CollectibleCopy.CreateKernel(original, pattern.Name, inlined);
}

// The pool of managed arrays, for the patterns that need no more than blocks.
internal sealed class ArrayPoolPeer(string name, string version) : Peer(name, version)
{
    internal override bool RunsWorkloads => false;

    internal override void Invoke(IPeerAction action) => throw new NotSupportedException("A pool of arrays has no native memory.");

    internal override Kernel? CreateKernel(Pattern pattern, bool inlined) =>
        inlined
            ? pattern.CreateBlockKernel<ArrayPoolBlocks, PooledArray>()
            : pattern.CreateBlockKernel<OutlinedBlocks<ArrayPoolBlocks, PooledArray>, PooledArray>();
}
