using System.Collections.Immutable;
using Emma.Generator.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace Emma.Generator.Misuse;

internal enum CallKind
{
    // The result is a block, or an object that holds one until it is disposed.
    Allocates,

    // As Allocates, and the block it is given is gone.
    Reallocates,

    // As Reallocates if it succeeds.
    TriesToReallocate,
    Frees,

    // Every block of the allocator is gone.
    Destroys,

    // Some of them may be.
    DestroysSome,

    // Reads or writes the bytes it is given pointers to.
    Touches,

    // Takes any pointer, to tell whose it is or what lies there.
    Asks,
}

// A call of a heap, of one of its arenas, of NativeMemory or of Marshal.
internal readonly struct AllocatorCall(CallKind kind, Allocator allocator)
{
    private static readonly ImmutableDictionary<string, CallKind> s_heap = ImmutableDictionary.CreateRange(StringComparer.Ordinal,
    [
        .. Named(CallKind.Allocates, "Alloc", "AllocZeroed", "AllocSpan", "AlignedAlloc", "TryAlloc", "TryAllocZeroed"),
        .. Named(CallKind.Allocates, "TryAlignedAlloc", "AllocHGlobal", "Rent", "RentZeroed", "RentPooled"),
        .. Named(CallKind.Allocates, "CreateArena", "CreateBufferWriter", "CreateSequenceWriter"),
        .. Named(CallKind.Reallocates, "Realloc", "AlignedRealloc", "ReAllocHGlobal"),
        .. Named(CallKind.TriesToReallocate, "TryRealloc", "TryAlignedRealloc"),
        .. Named(CallKind.Frees, "Free", "AlignedFree", "FreeHGlobal"),
        .. Named(CallKind.Destroys, "Destroy"),
        .. Named(CallKind.Touches, "Clear", "Copy", "Fill"),
        .. Named(CallKind.Asks, "Owns", "UsableSize"),
    ]);

    private static readonly ImmutableDictionary<string, CallKind> s_arena = ImmutableDictionary.CreateRange(StringComparer.Ordinal,
    [
        .. Named(CallKind.Allocates, "Alloc", "AllocZeroed", "AllocSpan", "AllocZeroedSpan"),
        .. Named(CallKind.Destroys, "Reset", "Dispose"),
        .. Named(CallKind.DestroysSome, "Rewind"),
    ]);

    private static readonly ImmutableDictionary<string, CallKind> s_nativeMemory = ImmutableDictionary.CreateRange(StringComparer.Ordinal,
    [
        .. Named(CallKind.Allocates, "Alloc", "AllocZeroed", "AlignedAlloc"),
        .. Named(CallKind.Reallocates, "Realloc", "AlignedRealloc"),
        .. Named(CallKind.Frees, "Free", "AlignedFree"),
        .. Named(CallKind.Touches, "Clear", "Copy", "Fill"),
    ]);

    // Methods that end a block, of heaps, arenas and others.
    private static readonly HashSet<string> s_ending =
    [
        "Free", "AlignedFree", "FreeHGlobal", "FreeCoTaskMem", "Realloc", "AlignedRealloc", "TryRealloc", "TryAlignedRealloc",
        "ReAllocHGlobal", "ReAllocCoTaskMem", "Destroy", "Reset", "Rewind", "Dispose",
    ];

    private static readonly Allocator s_native = new("NativeMemory", IsHeap: false);
    private static readonly Allocator s_global = new("Marshal.AllocHGlobal", IsHeap: false);
    private static readonly Allocator s_task = new("Marshal.AllocCoTaskMem", IsHeap: false);

    // The methods of heaps and of their arenas that are known here.
    public static IEnumerable<string> NamesOfHeaps => s_heap.Keys;

    public static IEnumerable<string> NamesOfArenas => s_arena.Keys;

    public CallKind Kind => kind;

    public Allocator Allocator => allocator;

    // Whether a name is that of a heap's method: worth finding out whose it is.
    public static bool MayBeOfHeap(string name) => s_heap.ContainsKey(name);

    // Whether a name is that of a method that ends a block: without one there is nothing to follow.
    public static bool MayEndBlock(string name) => s_ending.Contains(name);

    public static bool IsOfHeap(IMethodSymbol method) =>
        s_heap.TryGetValue(method.Name, out CallKind kind) && HeapOf(method.ContainingType) is not null
        && HasShape(method.OriginalDefinition, kind);

    // Whether it may be the emitted method of its name, rather than an overload that the user has added to the heap's class.
    private static bool HasShape(IMethodSymbol method, CallKind kind) => kind switch
    {
        CallKind.Destroys => method.Parameters.IsEmpty && method.ReturnsVoid,
        CallKind.Frees => method.ReturnsVoid && method.Parameters.Length == 1 && IsAnyPointer(method.Parameters[0].Type),
        CallKind.Touches => method.ReturnsVoid && method.Parameters.Length >= 2 && IsAnyPointer(method.Parameters[0].Type),
        CallKind.Asks => method.Parameters.Length == 1 && IsAnyPointer(method.Parameters[0].Type),
        CallKind.Reallocates or CallKind.TriesToReallocate =>
            method.Parameters.Length >= 2 && IsAnyPointer(method.Parameters[0].Type) && IsAnyPointer(method.ReturnType),
        CallKind.Allocates => IsAnyPointer(method.ReturnType)
            || (method.ReturnType is INamedTypeSymbol && !method.Name.Contains("Alloc")),
        _ => true,
    };

    private static bool IsAnyPointer(ITypeSymbol type) =>
        type is IPointerTypeSymbol { PointedAtType: { SpecialType: SpecialType.System_Void } or ITypeParameterSymbol }
            or { SpecialType: SpecialType.System_IntPtr } or { IsRefLikeType: true };

    // Whether the method gives something that has to be given back.
    public static bool Allocates(IMethodSymbol method) =>
        IsOfHeap(method) && s_heap[method.Name] is CallKind.Allocates or CallKind.Reallocates or CallKind.TriesToReallocate
        && !IsArena(method.ContainingType);

    // Whether the method is an arena's, and the arena lives on.
    public static bool KeepsArena(IMethodSymbol method) =>
        IsArena(method.ContainingType) && s_arena.ContainsKey(method.Name) && method.Name != "Dispose"
        && HeapOf(method.ContainingType) is not null;

    public static AllocatorCall? Of(IInvocationOperation invocation)
    {
        IMethodSymbol method = invocation.TargetMethod;
        INamedTypeSymbol type = method.ContainingType;
        if (HeapOf(type) is INamedTypeSymbol heap)
            return OfHeap(invocation, type, heap);
        if (type is { Name: "NativeMemory" or "Marshal", ContainingType: null } && type.ContainingNamespace.ToDisplayString()
            == "System.Runtime.InteropServices")
        {
            return type.Name == "Marshal" ? OfMarshal(method.Name)
                : s_nativeMemory.TryGetValue(method.Name, out CallKind kind) ? new AllocatorCall(kind, s_native)
                : null;
        }

        return null;
    }

    // The values of the arguments that are blocks.
    public IEnumerable<IOperation> Blocks(IInvocationOperation invocation)
    {
        bool isMany = kind == CallKind.Touches;
        return invocation.Arguments
            .Where(argument => argument.Parameter is
            {
                Type: IPointerTypeSymbol or { SpecialType: SpecialType.System_IntPtr } or
                { IsRefLikeType: true }
            } parameter && (isMany || parameter.Ordinal == 0))
            .Select(static argument => argument.Value);
    }

    private static AllocatorCall? OfHeap(IInvocationOperation invocation, INamedTypeSymbol type, INamedTypeSymbol heap)
    {
        string name = heap.ToDisplayString();
        if (!IsArena(type))
        {
            IMethodSymbol method = invocation.TargetMethod;
            return s_heap.TryGetValue(method.Name, out CallKind kind) && HasShape(method.OriginalDefinition, kind)
                ? new AllocatorCall(kind, new Allocator(name, IsHeap: true))
                : null;
        }

        ISymbol? arena = invocation.Instance switch
        {
            ILocalReferenceOperation local => local.Local,
            IParameterReferenceOperation parameter => parameter.Parameter,
            _ => null,
        };
        return arena is not null && s_arena.TryGetValue(invocation.TargetMethod.Name, out CallKind ofArena)
            ? new AllocatorCall(ofArena, new Allocator(name, IsHeap: true, arena))
            : null;
    }

    private static AllocatorCall? OfMarshal(string name) => name switch
    {
        "AllocHGlobal" => new AllocatorCall(CallKind.Allocates, s_global),
        "ReAllocHGlobal" => new AllocatorCall(CallKind.Reallocates, s_global),
        "FreeHGlobal" => new AllocatorCall(CallKind.Frees, s_global),
        "AllocCoTaskMem" => new AllocatorCall(CallKind.Allocates, s_task),
        "ReAllocCoTaskMem" => new AllocatorCall(CallKind.Reallocates, s_task),
        "FreeCoTaskMem" => new AllocatorCall(CallKind.Frees, s_task),
        _ when name.StartsWith("StringToHGlobal", StringComparison.Ordinal) => new AllocatorCall(CallKind.Allocates, s_global),
        _ when name.StartsWith("StringToCoTaskMem", StringComparison.Ordinal) => new AllocatorCall(CallKind.Allocates, s_task),
        _ => null,
    };

    // The heap's class: the type itself, or what it is nested in. An arena of it, its LocalHeap.
    public static INamedTypeSymbol? HeapOf(INamedTypeSymbol? type)
    {
        for (INamedTypeSymbol? outer = type; outer is not null; outer = outer.ContainingType)
        {
            if (outer is { IsStatic: true, ContainingType: null } && EmittedHeap.Is(outer))
                return type!.Name == "HeapInternals" ? null : outer;
        }

        return null;
    }

    private static bool IsArena(INamedTypeSymbol type) =>
        type.ContainingType is not null && type.Name.EndsWith("Arena", StringComparison.Ordinal);

    private static IEnumerable<KeyValuePair<string, CallKind>> Named(CallKind kind, params string[] names) =>
        names.Select(name => new KeyValuePair<string, CallKind>(name, kind));
}
