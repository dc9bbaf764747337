using System.Collections.Immutable;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Misuse;

internal enum BlockStatus
{
    Live,
    Freed,

    // Freed by a Realloc, unless that left the block where it was.
    Moved,
    Destroyed,

    // More than one of these, depending on the path.
    Unsure,
}

// A block, named after the call that made it, or after the first one that was given it.
internal readonly record struct BlockId(SyntaxNode Call, bool IsArgument);

// What is known of a block. Owner: null where it came from elsewhere. Gone: the call that ended it. GoneBy: whose call that was.
internal sealed record BlockFact(Allocator? Owner, BlockStatus Status, SyntaxNode? Gone = null, Allocator? GoneBy = null);

internal enum ValueKind
{
    Block,
    Null,

    // An address that no allocator gave.
    Other,
}

internal readonly record struct BlockValue(ValueKind Kind, BlockId Id = default, string? Description = null);

// What is certain at a place of the code, on every path that leads there: of variables (and the compiler's own captures) which block they
// hold, and of blocks what has become of them. What is not listed is unknown.
internal sealed record BlockState(ImmutableDictionary<object, BlockValue> Variables, ImmutableDictionary<BlockId, BlockFact> Blocks)
{
    public static readonly BlockState Unknown =
        new(ImmutableDictionary<object, BlockValue>.Empty, ImmutableDictionary<BlockId, BlockFact>.Empty);

    // What is certain if either of both may be so.
    public static BlockState Join(BlockState a, BlockState b)
    {
        if (ReferenceEquals(a, b))
            return a;

        ImmutableDictionary<object, BlockValue> variables = a.Variables
            .RemoveRange(a.Variables.Where(pair => !b.Variables.TryGetValue(pair.Key, out BlockValue other) || other != pair.Value)
            .Select(static pair => pair.Key));
        ImmutableDictionary<BlockId, BlockFact> blocks = a.Blocks;
        foreach (KeyValuePair<BlockId, BlockFact> pair in a.Blocks)
        {
            if (!b.Blocks.TryGetValue(pair.Key, out BlockFact? other))
                blocks = blocks.Remove(pair.Key);
            else if (other != pair.Value)
                blocks = blocks.SetItem(pair.Key, new BlockFact(Owner: null, BlockStatus.Unsure));
        }

        return new BlockState(variables, blocks);
    }

    public bool IsSameAs(BlockState other) =>
        Variables.Count == other.Variables.Count && Blocks.Count == other.Blocks.Count
        && Variables.All(pair => other.Variables.TryGetValue(pair.Key, out BlockValue value) && value == pair.Value)
        && Blocks.All(pair => other.Blocks.TryGetValue(pair.Key, out BlockFact? fact) && fact == pair.Value);

    public BlockValue? ValueOf(object variable) => Variables.TryGetValue(variable, out BlockValue value) ? value : null;

    public BlockFact? FactOf(BlockValue? value) =>
        value is { Kind: ValueKind.Block } block && Blocks.TryGetValue(block.Id, out BlockFact? fact) ? fact : null;

    public BlockState With(object variable, BlockValue? value) =>
        this with { Variables = value is BlockValue known ? Variables.SetItem(variable, known) : Variables.Remove(variable) };

    public BlockState With(BlockId id, BlockFact fact) => this with { Blocks = Blocks.SetItem(id, fact) };

    // A block that a call gives: variables that hold what the same call gave before, in a loop, hold another one.
    public BlockState WithNew(BlockId id, Allocator owner) =>
        new(Variables.RemoveRange(Variables.Where(pair => pair.Value.Kind == ValueKind.Block && pair.Value.Id == id)
            .Select(static pair => pair.Key)), Blocks.SetItem(id, new BlockFact(owner, BlockStatus.Live)));
}
