using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.FlowAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace Emma.Generator.Misuse;

// The variables of a method that can be followed: nothing but plain assignments in their own function changes them.
internal sealed class BlockVariables
{
    private readonly Dictionary<ISymbol, Use> _uses = new(SymbolEqualityComparer.Default);

    // root: a method's operation as it stands in the source, with the functions in it.
    public BlockVariables(IOperation root, ISymbol owner)
    {
        foreach (IOperation operation in root.Descendants())
        {
            if (operation is IVariableDeclaratorOperation declarator)
                AddDeclaration(declarator, root, owner);
            else if (Referenced(operation) is ISymbol variable)
                AddReference(operation, variable, root, owner);
        }
    }

    // Those that have one value, from a call of an allocator, and never leave the method.
    public IEnumerable<(ISymbol Variable, IInvocationOperation Call)> Kept =>
        _uses
            .Where(static pair => pair.Key is ILocalSymbol && !pair.Value.IsUntracked && !pair.Value.Leaves && pair.Value.Values.Count == 1)
            .Where(static pair => pair.Value.Values[0] is IInvocationOperation)
            .Select(static pair => (pair.Key, (IInvocationOperation)pair.Value.Values[0]));

    public static ISymbol? Referenced(IOperation operation) => operation switch
    {
        ILocalReferenceOperation local => local.Local,
        IParameterReferenceOperation parameter => parameter.Parameter,
        _ => null,
    };

    public bool IsTracked(ISymbol variable) =>
        variable is ILocalSymbol or IParameterSymbol && IsBlock(variable) && _uses.TryGetValue(variable, out Use? use) && !use.IsUntracked;

    // The value without conversions that keep it.
    public static IOperation Unconverted(IOperation value)
    {
        while (value is IConversionOperation conversion && Keeps(conversion))
            value = conversion.Operand;
        return value;
    }

    // Whether a value is the same address after a conversion.
    public static bool Keeps(IConversionOperation conversion) =>
        IsBlock(conversion.Type) && IsBlock(conversion.Operand.Type)
        && conversion.OperatorMethod is null or { ContainingType.SpecialType: SpecialType.System_IntPtr or SpecialType.System_UIntPtr }
            or { ContainingType: { Name: "Span", Arity: 1 }, Name: "op_Implicit" };

    // Whether an expression reads or writes through a pointer or span: `*p`, `p[0]`, `p->x`, `s[^1]`.
    public static IOperation? PointerReadThrough(IOperation operation)
    {
        if (operation is IPropertyReferenceOperation { Property.IsIndexer: true, Instance: IOperation span } && IsSpan(span.Type))
            return span;
        if (operation is IImplicitIndexerReferenceOperation { IndexerSymbol: IPropertySymbol, Instance: { } whole } && IsSpan(whole.Type))
            return whole;
        // The compiler has no public kind for these: what is of the type that its first operand points to is what lies there
        return operation is { Kind: OperationKind.None, Type: ITypeSymbol type }
            && operation.ChildOperations.FirstOrDefault() is { Type: IPointerTypeSymbol pointerType } pointer
            && SymbolEqualityComparer.Default.Equals(pointerType.PointedAtType, type)
            ? pointer
            : null;
    }

    // Whether what is found through a pointer is read or written there, and not its address taken.
    public static bool IsAccess(IOperation throughPointer)
    {
        IOperation place = throughPointer;
        while (place.Parent is IFieldReferenceOperation { Instance: IOperation instance } field && instance == place
            && place.Type?.IsValueType == true)
        {
            place = field;
        }

        return place.Parent switch
        {
            null => false,
            IAddressOfOperation => false,
            IArgumentOperation { Parameter: null or { RefKind: not RefKind.None } } => false,
            IInvocationOperation => false,
            IConditionalOperation { IsRef: true } => false,
            ISimpleAssignmentOperation { IsRef: true } => false,
            IVariableInitializerOperation { Parent: IVariableDeclaratorOperation { Symbol.RefKind: not RefKind.None } } => false,
            IReturnOperation => place.Type is not null && !IsReturnedByReference(place),
            IFlowCaptureOperation => false,
            { Kind: OperationKind.None } => PointerReadThrough(place.Parent) is not null,
            _ => true,
        };
    }

    // Methods that go through what the span they are called on holds, and keep nothing of it.
    public static bool IsWholeSpanMethod(IMethodSymbol method) =>
        method.Name is "Fill" or "Clear" or "CopyTo" or "TryCopyTo" or "ToArray" && IsSpan(method.ContainingType);

    private static bool IsReturnedByReference(IOperation value) => value.Syntax.Parent is RefExpressionSyntax;

    private static bool IsSpan(ITypeSymbol? type) =>
        type is INamedTypeSymbol { Name: "Span" or "ReadOnlySpan", Arity: 1, ContainingNamespace: { Name: "System" } };

    private static bool IsBlock(ITypeSymbol? type) =>
        type is IPointerTypeSymbol or { SpecialType: SpecialType.System_IntPtr or SpecialType.System_UIntPtr } || IsSpan(type);

    private static bool IsBlock(ISymbol variable) => IsBlock(TypeOf(variable));

    private static ITypeSymbol? TypeOf(ISymbol variable) => (variable as ILocalSymbol)?.Type ?? (variable as IParameterSymbol)?.Type;

    private void AddDeclaration(IVariableDeclaratorOperation declarator, IOperation root, ISymbol owner)
    {
        Use use = UseOf(declarator.Symbol);
        if (declarator.Symbol.RefKind != RefKind.None)
            use.IsUntracked = true;
        // The variables that a using statement or declaration disposes of, and those of fixed ones, which are addresses of other things.
        if (IsDisposed(declarator))
            use.Leaves = true;
        if (declarator.GetVariableInitializer() is IVariableInitializerOperation initializer)
            use.Values.Add(Unconverted(initializer.Value));
        if (!IsOfFunction(declarator, declarator.Symbol, root, owner))
            use.IsUntracked = true;
    }

    private static bool IsDisposed(IVariableDeclaratorOperation declarator)
    {
        for (IOperation? outer = declarator.Parent; outer is not null and not IBlockOperation; outer = outer.Parent)
        {
            if (outer is IUsingOperation or IUsingDeclarationOperation || outer.Syntax is FixedStatementSyntax)
                return true;
        }

        return false;
    }

    private void AddReference(IOperation reference, ISymbol variable, IOperation root, ISymbol owner)
    {
        Use use = UseOf(variable);
        if (!IsOfFunction(reference, variable, root, owner)
            || variable is ILocalSymbol { RefKind: not RefKind.None } or IParameterSymbol { RefKind: not RefKind.None }
            || !IsDeclaredPlainly(variable))
        {
            use.IsUntracked = true;
            return;
        }

        IOperation value = reference;
        while (value.Parent is IConversionOperation conversion && Keeps(conversion))
            value = conversion;
        switch (value.Parent)
        {
            case ISimpleAssignmentOperation { IsRef: false } assignment when assignment.Target == reference:
                use.Values.Add(Unconverted(assignment.Value));
                use.Leaves |= assignment.Parent is not IExpressionStatementOperation;
                break;
            case ISimpleAssignmentOperation { IsRef: false }:
                use.Leaves = true;
                break;
            case ICompoundAssignmentOperation compound when compound.Target == reference:
            case IIncrementOrDecrementOperation:
            case ICoalesceAssignmentOperation:
                use.Leaves = true;
                break;
            case IBinaryOperation binary:
                // A comparison keeps it here; a sum is a pointer to the same block, which goes who knows where.
                use.Leaves |= binary.Type?.SpecialType != SpecialType.System_Boolean;
                break;
            case IArgumentOperation { Parameter.RefKind: RefKind.None, Parent: IOperation call }:
                use.Leaves |= call is not IInvocationOperation callee
                    || AllocatorCall.Of(callee) is not { Kind: CallKind.Touches or CallKind.Asks };
                break;
            case IPropertyReferenceOperation property when property.Instance == reference:
                use.Leaves |= PointerReadThrough(property) is null
                    ? IsSpan(property.Instance.Type) && !(property.Property.Name is "Length" or "IsEmpty")
                    : !IsAccess(property);
                break;
            case IImplicitIndexerReferenceOperation indexer when indexer.Instance == reference:
                use.Leaves |= PointerReadThrough(indexer) is null || !IsAccess(indexer);
                break;
            case IInvocationOperation invocation when invocation.Instance == reference:
                use.Leaves |= !IsHarmless(invocation.TargetMethod, reference.Type);
                break;
            case IOperation { Kind: OperationKind.None } none when PointerReadThrough(none) == value:
                use.Leaves |= !IsAccess(none);
                break;
            case IForEachLoopOperation loop when loop.Collection == value:
                break;
            case IReturnOperation:
            case IVariableInitializerOperation { Parent: IVariableDeclaratorOperation { Symbol.RefKind: RefKind.None } }:
            case IConversionOperation:
            case IConditionalOperation { IsRef: false }:
            case ICoalesceOperation:
            case IExpressionStatementOperation:
            case IInterpolationOperation:
            case IFieldReferenceOperation:
                use.Leaves = true;
                break;
            default:
                use.IsUntracked = true;
                break;
        }
    }

    // Methods that keep nothing of what they are called on.
    private static bool IsHarmless(IMethodSymbol method, ITypeSymbol? type) =>
        IsSpan(type)
            ? IsWholeSpanMethod(method)
            : AllocatorCall.KeepsArena(method);

    // Whether the variable belongs to the very function that the operation is in: others may run at any time.
    private static bool IsOfFunction(IOperation operation, ISymbol variable, IOperation root, ISymbol owner)
    {
        ISymbol function = owner;
        for (IOperation? outer = operation.Parent; outer is not null && outer != root; outer = outer.Parent)
        {
            if (outer is IAnonymousFunctionOperation lambda)
            {
                function = lambda.Symbol;
                break;
            }

            if (outer is ILocalFunctionOperation local)
            {
                function = local.Symbol;
                break;
            }
        }

        return SymbolEqualityComparer.Default.Equals(variable.ContainingSymbol, function);
    }

    // Pattern variables and those of an `out` argument are given their values without an assignment.
    private static bool IsDeclaredPlainly(ISymbol variable) =>
        variable is IParameterSymbol
        || (variable.DeclaringSyntaxReferences.FirstOrDefault()?.GetSyntax() is VariableDeclaratorSyntax or ForEachStatementSyntax);

    private Use UseOf(ISymbol variable)
    {
        if (!_uses.TryGetValue(variable, out Use? use))
            _uses.Add(variable, use = new Use());
        return use;
    }

    private sealed class Use
    {
        // Whether something may change it that is not seen.
        public bool IsUntracked { get; set; }

        // Whether its value may be known elsewhere.
        public bool Leaves { get; set; }

        // What is assigned to it.
        public List<IOperation> Values { get; } = [];
    }
}
