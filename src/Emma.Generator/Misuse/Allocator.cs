using Microsoft.CodeAnalysis;

namespace Emma.Generator.Misuse;

// Who a block belongs to, and who alone can free it.
// Name: as messages say it. IsHeap: whether the generator wrote it. Arena: the variable that holds the arena that the block is a part of.
internal sealed record Allocator(string Name, bool IsHeap, ISymbol? Arena = null)
{
    public bool Equals(Allocator? other) =>
        other is not null && Name == other.Name && IsHeap == other.IsHeap && SymbolEqualityComparer.Default.Equals(Arena, other.Arena);

    public override int GetHashCode() => Name.GetHashCode();
}
