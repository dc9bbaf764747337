using System.Collections.Immutable;
using Emma.Generator.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.FlowAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace Emma.Generator.Misuse;

// Follows blocks through one function, forwards, until nothing changes any more; then goes through it once more and reports. Only what
// holds on every path counts. Whatever an exception can lead to (handlers, and what follows a finally) begins with nothing known.
internal sealed class BlockFlow
{
    // More than any method needs where each block is visited until its facts, of which there are few, have stopped changing.
    private const int MaxVisits = 64;

    private readonly ControlFlowGraph _graph;
    private readonly BlockVariables _variables;
    private readonly Action<Diagnostic> _report;

    // What the compiler's captures stand for, where one is assigned to.
    private readonly Dictionary<CaptureId, List<ISymbol>> _captured = [];
    private readonly List<IFlowAnonymousFunctionOperation> _lambdas = [];
    private bool _isReporting;
    private BlockState _state = BlockState.Unknown;

    private BlockFlow(ControlFlowGraph graph, BlockVariables variables, Action<Diagnostic> report)
    {
        _graph = graph;
        _variables = variables;
        _report = report;
    }

    // Analyzes a function and those in it.
    public static void Analyze(ControlFlowGraph graph, BlockVariables variables, Action<Diagnostic> report, CancellationToken token)
    {
        BlockFlow flow = new(graph, variables, report);
        flow.Run(token);
        foreach (IMethodSymbol function in graph.LocalFunctions)
            Analyze(graph.GetLocalFunctionControlFlowGraph(function, token), variables, report, token);
        foreach (IFlowAnonymousFunctionOperation lambda in flow._lambdas)
            Analyze(graph.GetAnonymousFunctionControlFlowGraph(lambda, token), variables, report, token);
    }

    private void Run(CancellationToken token)
    {
        foreach (IOperation operation in _graph.Blocks.SelectMany(AllOf).SelectMany(static one => one.DescendantsAndSelf()))
        {
            if (operation is IFlowCaptureOperation capture && BlockVariables.Referenced(capture.Value) is ISymbol variable)
                Captured(capture.Id).Add(variable);
            else if (operation is IFlowAnonymousFunctionOperation lambda)
                _lambdas.Add(lambda);
        }

        BlockState?[] entries = new BlockState?[_graph.Blocks.Length];
        int[] visits = new int[entries.Length];
        SortedSet<int> pending = [];
        Enter(_graph.Blocks[0], BlockState.Unknown);
        EnterHandlers(_graph.Root);
        while (pending.Count > 0)
        {
            token.ThrowIfCancellationRequested();
            int ordinal = pending.Min;
            pending.Remove(ordinal);
            if (++visits[ordinal] > MaxVisits)
                return;

            BasicBlock block = _graph.Blocks[ordinal];
            Pass(block, entries[ordinal]!);
            Follow(block.FallThroughSuccessor);
            Follow(block.ConditionalSuccessor);
        }

        _isReporting = true;
        foreach (BasicBlock block in _graph.Blocks)
        {
            if (entries[block.Ordinal] is BlockState entry)
                Pass(block, entry);
        }

        void Follow(ControlFlowBranch? branch)
        {
            if (branch?.Destination is BasicBlock next)
                Enter(next, branch.FinallyRegions.IsEmpty ? _state : BlockState.Unknown);
        }

        void Enter(BasicBlock block, BlockState state)
        {
            BlockState? before = entries[block.Ordinal];
            BlockState after = before is null ? state : BlockState.Join(before, state);
            if (before is not null && before.IsSameAs(after))
                return;
            entries[block.Ordinal] = after;
            pending.Add(block.Ordinal);
        }

        void EnterHandlers(ControlFlowRegion region)
        {
            if (region.Kind is ControlFlowRegionKind.Catch or ControlFlowRegionKind.Filter or ControlFlowRegionKind.FilterAndHandler
                or ControlFlowRegionKind.Finally)
            {
                Enter(_graph.Blocks[region.FirstBlockOrdinal], BlockState.Unknown);
            }

            foreach (ControlFlowRegion inner in region.NestedRegions)
                EnterHandlers(inner);
        }
    }

    private static IEnumerable<IOperation> AllOf(BasicBlock block) =>
        block.BranchValue is IOperation value ? block.Operations.Append(value) : block.Operations;

    private void Pass(BasicBlock block, BlockState entry)
    {
        _state = entry;
        foreach (IOperation operation in AllOf(block))
            Visit(operation);
    }

    // The value of an expression, after all that it does; null where it is unknown.
    private BlockValue? Visit(IOperation operation)
    {
        switch (operation)
        {
            case ISimpleAssignmentOperation assignment:
                if (Variable(assignment.Target) is not object target)
                {
                    if (BlockVariables.Referenced(assignment.Target) is ISymbol arena)
                        ForgetArena(arena);
                    Visit(assignment.Target);
                    return Visit(assignment.Value);
                }

                BlockValue? assigned = Visit(assignment.Value) ?? DescribeFixed(assignment);
                Assign(target, assigned);
                return assigned;
            case IFlowCaptureOperation capture:
                _state = _state.With(capture.Id, Visit(capture.Value));
                return null;
            case IFlowCaptureReferenceOperation reference:
                return _state.ValueOf(reference.Id);
            case ILocalReferenceOperation or IParameterReferenceOperation:
                return _state.ValueOf(BlockVariables.Referenced(operation)!);
            case IConversionOperation conversion:
                BlockValue? converted = Visit(conversion.Operand);
                return BlockVariables.Keeps(conversion) || converted is { Kind: ValueKind.Null } || IsOther(conversion) ? converted : null;
            case IInvocationOperation invocation:
                return VisitCall(invocation);
            case IAddressOfOperation { Reference: IOperation reference }:
                VisitChildren(reference);
                return DescribeAddress(reference);
            case IFlowAnonymousFunctionOperation or IAnonymousFunctionOperation:
                return null;
            case ILiteralOperation or IDefaultValueOperation when operation.Type is null || IsNull(operation):
                return new BlockValue(ValueKind.Null);
        }

        VisitChildren(operation);
        if (operation is ICompoundAssignmentOperation { Target: IOperation moved } && Variable(moved) is object sum)
            Assign(sum, null);
        else if (operation is IIncrementOrDecrementOperation { Target: IOperation stepped } && Variable(stepped) is object step)
            Assign(step, null);
        else if (operation is IBinaryOperation { OperatorKind: BinaryOperatorKind.Equals or BinaryOperatorKind.NotEquals } comparison)
            Compare(comparison);
        else if (BlockVariables.PointerReadThrough(operation) is IOperation pointer && BlockVariables.IsAccess(operation))
            Use(pointer);

        return operation.Syntax is StackAllocArrayCreationExpressionSyntax or ImplicitStackAllocArrayCreationExpressionSyntax
            ? new BlockValue(ValueKind.Other, Description: "the stack")
            : null;
    }

    private void VisitChildren(IOperation operation)
    {
        foreach (IOperation child in operation.ChildOperations)
            Visit(child);
    }

    private BlockValue? VisitCall(IInvocationOperation invocation)
    {
        VisitChildren(invocation);
        if (invocation.Instance is IOperation span && BlockVariables.IsWholeSpanMethod(invocation.TargetMethod))
            Use(span);

        if (AllocatorCall.Of(invocation) is not AllocatorCall call)
            return null;

        switch (call.Kind)
        {
            case CallKind.Allocates:
                return NewBlock(invocation, call);
            case CallKind.Touches:
                foreach (IOperation block in call.Blocks(invocation))
                    Use(block);
                return null;
            case CallKind.Frees:
                foreach (IOperation block in call.Blocks(invocation))
                    End(block, call, invocation, BlockStatus.Freed);
                return null;
            case CallKind.Reallocates or CallKind.TriesToReallocate:
                foreach (IOperation block in call.Blocks(invocation))
                    End(block, call, invocation, call.Kind == CallKind.Reallocates ? BlockStatus.Moved : BlockStatus.Unsure);
                return NewBlock(invocation, call);
            case CallKind.Destroys or CallKind.DestroysSome:
                Destroy(call, invocation);
                return null;
            default:
                // Who asks is not sure whose it is.
                foreach (IOperation block in call.Blocks(invocation))
                    Doubt(BlockVariables.Unconverted(block));
                return null;
        }
    }

    private void Doubt(IOperation block)
    {
        BlockValue? value = ValueOf(block);
        if (value is BlockValue known && _state.FactOf(value) is { Status: BlockStatus.Live } fact)
            _state = _state.With(known.Id, fact with { Owner = null });
    }

    private BlockValue NewBlock(IInvocationOperation invocation, AllocatorCall call)
    {
        BlockId id = new(invocation.Syntax, IsArgument: false);
        _state = _state.WithNew(id, call.Allocator);
        return new BlockValue(ValueKind.Block, id);
    }

    private void Destroy(AllocatorCall call, IInvocationOperation invocation)
    {
        BlockStatus status = call.Kind == CallKind.Destroys ? BlockStatus.Destroyed : BlockStatus.Unsure;
        foreach (KeyValuePair<BlockId, BlockFact> block in _state.Blocks)
        {
            // With a heap its arenas go, too.
            bool isGone = call.Allocator.Arena is null
                ? block.Value.Owner is { IsHeap: true } owner && owner.Name == call.Allocator.Name
                : call.Allocator.Equals(block.Value.Owner);
            if (isGone && block.Value.Status is BlockStatus.Live)
                _state = _state.With(block.Key, new BlockFact(block.Value.Owner, status, invocation.Syntax));
        }
    }

    // A block is handed to a method that frees it, or moves it.
    private void End(IOperation block, AllocatorCall call, IInvocationOperation invocation, BlockStatus becomes)
    {
        block = BlockVariables.Unconverted(block);
        BlockValue? value = ValueOf(block);
        if (value is { Kind: ValueKind.Null })
            return;
        if (value is { Kind: ValueKind.Other } other)
        {
            if (call.Allocator.IsHeap)
                Report(DiagnosticDescriptors.NotAllocated, block, NameOf(invocation), other.Description!);
            return;
        }

        if (value is null)
        {
            // Where it comes from is not known, but from here on it is gone.
            if (Variable(block) is object variable && becomes != BlockStatus.Unsure)
            {
                BlockId id = new(invocation.Syntax, IsArgument: true);
                _state = _state
                    .With(id, new BlockFact(null, becomes, invocation.Syntax, call.Allocator))
                    .With(variable, new BlockValue(ValueKind.Block, id));
            }

            return;
        }

        BlockFact fact = _state.FactOf(value) ?? new BlockFact(null, BlockStatus.Unsure);
        bool isHeap = call.Allocator.IsHeap || fact.Owner is { IsHeap: true };
        switch (fact.Status)
        {
            case BlockStatus.Freed or BlockStatus.Moved when isHeap || fact.GoneBy is { IsHeap: true }:
                Report(
                    becomes == BlockStatus.Freed ? DiagnosticDescriptors.FreedTwice : DiagnosticDescriptors.UsedAfterFree,
                    block, Text(block), Line(fact.Gone));
                break;
            case BlockStatus.Destroyed:
                Report(DiagnosticDescriptors.UsedAfterDestroy, block, Text(block), Text(fact.Gone), Line(fact.Gone));
                break;
            case BlockStatus.Live when fact.Owner is { Arena: not null } && call.Allocator.IsHeap:
                Report(DiagnosticDescriptors.NotAllocated, block, NameOf(invocation), "an arena");
                break;
            case BlockStatus.Live when fact.Owner is Allocator owner && isHeap && !owner.Equals(call.Allocator):
                Report(DiagnosticDescriptors.FreedElsewhere, block, owner.Name, NameOf(invocation));
                becomes = BlockStatus.Unsure;
                break;
        }

        _state = _state.With(value.Value.Id, new BlockFact(fact.Owner, becomes, invocation.Syntax, call.Allocator));
    }

    // A pointer is read or written through.
    private void Use(IOperation pointer)
    {
        pointer = BlockVariables.Unconverted(pointer);
        if (_state.FactOf(ValueOf(pointer)) is not BlockFact fact)
            return;
        if (fact.Status is BlockStatus.Freed or BlockStatus.Moved && (fact.Owner ?? fact.GoneBy) is { IsHeap: true })
            Report(DiagnosticDescriptors.UsedAfterFree, pointer, Text(pointer), Line(fact.Gone));
        else if (fact.Status == BlockStatus.Destroyed)
            Report(DiagnosticDescriptors.UsedAfterDestroy, pointer, Text(pointer), Text(fact.Gone), Line(fact.Gone));
    }

    // Who compares a block's address may know that Realloc left it where it was.
    private void Compare(IBinaryOperation comparison)
    {
        foreach (IOperation operand in (IOperation[])[comparison.LeftOperand, comparison.RightOperand])
        {
            BlockValue? value = ValueOf(BlockVariables.Unconverted(operand));
            if (value is BlockValue known && _state.FactOf(value) is { Status: BlockStatus.Moved } fact)
                _state = _state.With(known.Id, fact with { Status = BlockStatus.Unsure });
        }
    }

    // The value of an operand that has been visited.
    private BlockValue? ValueOf(IOperation operand) => operand switch
    {
        IFlowCaptureReferenceOperation reference => _state.ValueOf(reference.Id),
        ILocalReferenceOperation or IParameterReferenceOperation => _state.ValueOf(BlockVariables.Referenced(operand)!),
        IInvocationOperation invocation when _state.Blocks.ContainsKey(new BlockId(invocation.Syntax, IsArgument: false)) =>
            new BlockValue(ValueKind.Block, new BlockId(invocation.Syntax, IsArgument: false)),
        IAddressOfOperation { Reference: IOperation reference } => DescribeAddress(reference),
        { Kind: OperationKind.Literal or OperationKind.DefaultValue } when operand.Type is null || IsNull(operand) =>
            new BlockValue(ValueKind.Null),
        _ => null,
    };

    private static bool IsNull(IOperation operation) =>
        operation is IDefaultValueOperation || operation.ConstantValue is { HasValue: true, Value: null or 0 };

    // A variable that is followed, or a capture.
    private object? Variable(IOperation operation) => operation switch
    {
        IFlowCaptureReferenceOperation reference => reference.Id,
        _ when BlockVariables.Referenced(operation) is ISymbol variable && _variables.IsTracked(variable) => variable,
        _ => null,
    };

    private void Assign(object variable, BlockValue? value)
    {
        _state = _state.With(variable, value);
        if (variable is not CaptureId id)
            return;

        List<ISymbol> behind = Captured(id);
        foreach (ISymbol assigned in behind.Where(_variables.IsTracked))
            _state = _state.With(assigned, behind.Count == 1 ? value : null);
    }

    private List<ISymbol> Captured(CaptureId id)
    {
        if (!_captured.TryGetValue(id, out List<ISymbol>? variables))
            _captured.Add(id, variables = []);
        return variables;
    }

    // The variable holds another arena from now on.
    private void ForgetArena(ISymbol arena)
    {
        foreach (KeyValuePair<BlockId, BlockFact> block in _state.Blocks)
        {
            if (SymbolEqualityComparer.Default.Equals(block.Value.Owner?.Arena, arena))
                _state = _state.With(block.Key, new BlockFact(null, BlockStatus.Unsure));
        }
    }

    private static bool IsOther(IConversionOperation conversion) =>
        conversion.Operand.Syntax is StackAllocArrayCreationExpressionSyntax or ImplicitStackAllocArrayCreationExpressionSyntax;

    // What a fixed statement pins. A span may be a heap's, an array and a string are not.
    private static BlockValue? DescribeFixed(ISimpleAssignmentOperation assignment)
    {
        if (assignment.Target is not ILocalReferenceOperation { Local.IsFixed: true })
            return null;

        IOperation pinned = assignment.Value;
        while (pinned is IConversionOperation or { Kind: OperationKind.None, ChildOperations.Count: 1 })
            pinned = pinned.ChildOperations.First();
        if (pinned is IAddressOfOperation { Reference: IOperation place })
            return DescribeAddress(place);
        return pinned.Type switch
        {
            IArrayTypeSymbol => new BlockValue(ValueKind.Other, Description: "an array"),
            { SpecialType: SpecialType.System_String } => new BlockValue(ValueKind.Other, Description: "a string"),
            _ => null,
        };
    }

    // What an address is that of, where that is certainly no block.
    private static BlockValue? DescribeAddress(IOperation reference)
    {
        IOperation place = reference;
        while (place is IFieldReferenceOperation { Field.RefKind: RefKind.None, Instance: IOperation { Type.IsValueType: true } whole })
            place = whole;
        string? description = place switch
        {
            ILocalReferenceOperation { Local.RefKind: RefKind.None } => "a local variable",
            IParameterReferenceOperation { Parameter.RefKind: RefKind.None } => "a parameter",
            IArrayElementReferenceOperation => "an array",
            IFieldReferenceOperation { Field.RefKind: RefKind.None, Instance.Type.IsReferenceType: true } => "an object",
            IFieldReferenceOperation { Field: { RefKind: RefKind.None, IsStatic: true } } => "a static field",
            _ => null,
        };
        return description is null ? null : new BlockValue(ValueKind.Other, Description: description);
    }

    private void Report(DiagnosticDescriptor descriptor, IOperation at, params object[] arguments)
    {
        if (_isReporting)
            _report(Diagnostic.Create(descriptor, at.Syntax.GetLocation(), arguments));
    }

    private static string NameOf(IInvocationOperation invocation)
    {
        IMethodSymbol method = invocation.TargetMethod;
        return $"{method.ContainingType.ToDisplayString(SymbolDisplayFormat.CSharpShortErrorMessageFormat)}.{method.Name}";
    }

    private static string Text(IOperation operation) => operation.Syntax.ToString();

    private static string Text(SyntaxNode? call) => call is InvocationExpressionSyntax invocation ? invocation.Expression.ToString() : "";

    private static int Line(SyntaxNode? call) => (call?.GetLocation().GetLineSpan().StartLinePosition.Line ?? -1) + 1;
}
