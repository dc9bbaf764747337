using Microsoft.CodeAnalysis;

namespace Emma.Generator.Migration;

// The methods of the base library that a heap has too, and that have to move to it together.
internal static class BaseLibraryMemory
{
    // Copy, Clear and Fill do the same in both, to blocks of either
    public static readonly HashSet<string> NativeMemoryMethods =
        ["Alloc", "AllocZeroed", "Realloc", "Free", "AlignedAlloc", "AlignedRealloc", "AlignedFree"];

    // CoTaskMem and strings are left out: others free what these allocate.
    public static readonly HashSet<string> GlobalMethods = ["AllocHGlobal", "ReAllocHGlobal", "FreeHGlobal"];

    public static bool IsNativeMemory(INamedTypeSymbol? type) => IsInterop(type, "NativeMemory");

    public static bool IsMarshal(INamedTypeSymbol? type) => IsInterop(type, "Marshal");

    private static bool IsInterop(INamedTypeSymbol? type, string name) =>
        type is { Arity: 0, ContainingType: null } && type.Name == name
        && type.ToDisplayString() == $"System.Runtime.InteropServices.{name}";
}
