using System.Collections.Immutable;
using Emma.Generator.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Emma.Generator.Model;

// One `[assembly: EmmaAllocator(…)]` as it stands in the source. The generator and the analyzer read requests and judge them by the same
// rules, so that whatever is not emitted is reported. Lives within one compilation; what outlives it is a Heap.
internal sealed class HeapRequest
{
    private readonly AttributeData _attribute;

    private HeapRequest(AttributeData attribute, AttributeSyntax syntax)
    {
        _attribute = attribute;
        Syntax = syntax;
    }

    public AttributeSyntax Syntax { get; }

    // The name as given; empty where it is null.
    public string Name => _attribute.ConstructorArguments[0].Value as string ?? "";

    public long MemoryLimit => Option(nameof(MemoryLimit), 0L);

    public bool Hardened => Option(nameof(Hardened), false);

    // Null where the attribute does not say.
    public bool? ThreadCache => Option<bool?>(nameof(ThreadCache), null);

    // Null where the attribute does not say.
    public bool? BoundaryChecks => Option<bool?>(nameof(BoundaryChecks), null);

    // The argument that gives the name.
    public Location NameLocation => LocationOf(null);

    // All requests of a compilation in source order, except those whose arguments the compiler itself refuses.
    public static ImmutableArray<HeapRequest> AllIn(Compilation compilation, CancellationToken token)
    {
        List<HeapRequest> requests = [];
        foreach (AttributeData attribute in compilation.Assembly.GetAttributes())
        {
            if (IsMarker(attribute.AttributeClass)
                && attribute.ConstructorArguments.FirstOrDefault() is { Kind: TypedConstantKind.Primitive, Type: ITypeSymbol type }
                && type.SpecialType == SpecialType.System_String
                && attribute.ApplicationSyntaxReference?.GetSyntax(token) is AttributeSyntax syntax)
            {
                requests.Add(new HeapRequest(attribute, syntax));
            }
        }

        ImmutableArray<SyntaxTree> trees = [.. compilation.SyntaxTrees];
        return [.. requests.OrderBy(request => trees.IndexOf(request.Syntax.SyntaxTree)).ThenBy(request => request.Syntax.SpanStart)];
    }

    // What becomes of each request of a file, in source order. A refused one keeps its place, so that the others keep theirs while it is
    // edited.
    public static EquatableArray<Heap> HeapsIn(Compilation compilation, SyntaxTree file, CancellationToken token)
    {
        ImmutableArray<HeapRequest> all = AllIn(compilation, token);
        return new EquatableArray<Heap>(
        [
            .. all
                .Where(request => request.Syntax.SyntaxTree == file)
                .Select(request => request.Judge(all, compilation)),
        ]);
    }

    public static bool IsMarker(INamedTypeSymbol? type) =>
        type is
        {
            Name: "EmmaAllocatorAttribute",
            Arity: 0,
            ContainingType: null,
            ContainingNamespace: { Name: "Emma", ContainingNamespace.IsGlobalNamespace: true },
        };

    // What the request asks for.
    public Heap ToHeap(Compilation compilation)
    {
        // Who debugs looks for mistakes; plain heaps let a block that is freed twice have two owners
        bool isOptimized = compilation.Options.OptimizationLevel == OptimizationLevel.Release;
        bool isDefaulted = !Hardened && BoundaryChecks is null && !isOptimized;
        return new Heap(
            Name,
            ThreadCache ?? true,
            Hardened || isDefaulted || BoundaryChecks == true,
            isDefaulted,
            Hardened,
            isOptimized,
            MemoryLimit,
            Option("Public", false),
            IsRefused: false,
            ForwardingIn(compilation));
    }

    // The argument that gives an option, or the name where that is null; without such an argument, the attribute.
    public Location LocationOf(string? option) =>
        Syntax.ArgumentList?.Arguments
            .FirstOrDefault(argument => argument.NameEquals?.Name.Identifier.ValueText == option)?
            .Expression.GetLocation()
        ?? Syntax.GetLocation();

    private static Forwarding ForwardingIn(Compilation compilation) =>
        HeapRules.HasNet8(compilation) ? Forwarding.None
        : HeapRules.HasSpans(compilation) ? Forwarding.WithSpans
        : Forwarding.WithoutSpans;

    private Heap Judge(ImmutableArray<HeapRequest> all, Compilation compilation)
    {
        bool isNameRefused = HeapRules.NameError(this, all, compilation) is not null;
        if (!isNameRefused && !HeapRules.OtherErrors(this, compilation).Any())
            return ToHeap(compilation);
        if (isNameRefused && !StandIn.IsPossible(this, all, compilation))
            return Heap.Nameless;

        int namesakes = all
            .TakeWhile(other => other != this)
            .Count(other => string.Equals(other.Name, Name, StringComparison.OrdinalIgnoreCase));
        return Heap.StandIn(Name, namesakes);
    }

    private T Option<T>(string name, T defaultValue)
    {
        foreach (KeyValuePair<string, TypedConstant> argument in _attribute.NamedArguments)
        {
            if (argument.Key == name && argument.Value is { Kind: TypedConstantKind.Primitive, Value: T value })
                return value;
        }

        return defaultValue;
    }
}
