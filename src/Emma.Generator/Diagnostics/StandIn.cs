using System.Collections.Immutable;
using Emma.Generator.Model;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Diagnostics;

// Whether an empty class can stand in for a heap whose name is refused. Without it `using NativeMemory = Audio.Free;` names nothing, and a
// compiler that finds that in a declaration stops before it runs the analyzer that says why. The class must break nothing else: only the
// one error is to be seen.
internal static class StandIn
{
    // Words that mean something else to the compiler until a type is named so: no class of ours may change what the user's code means
    private static readonly HashSet<string> s_meantOtherwise = ["_", "dynamic", "nint", "notnull", "nuint", "unmanaged", "var"];

    public static bool IsPossible(HeapRequest request, ImmutableArray<HeapRequest> all, Compilation compilation) =>
        IsWritable(request.Name)
        && !MeetsAnotherHeap(request, all, compilation)
        && !MeansSomething(request.Name, compilation);

    // Whether code can have the name at all, with its keywords escaped.
    private static bool IsWritable(string name) =>
        HeapName.IsShortEnough(name) && name.Split('.').All(static part => HeapName.IsIdentifier(part) && !s_meantOtherwise.Contains(part));

    private static bool MeetsAnotherHeap(HeapRequest request, ImmutableArray<HeapRequest> all, Compilation compilation)
    {
        string name = request.Name;
        string containingNamespace = HeapName.Namespace(name);
        bool isAlias = HeapName.ClassName(name).StartsWith("Clr", StringComparison.Ordinal);
        bool isAfter = false;
        foreach (HeapRequest other in all)
        {
            if (other == request)
            {
                isAfter = true;
                continue;
            }

            // Its class or stand-in is the one; or the name is that of its namespace
            if ((other.Name == name && !isAfter) || (other.Name.StartsWith(name + ".", StringComparison.Ordinal) && IsWritable(other.Name)))
                return true;

            // Its class has the name that the stand-in's namespace would have; or an alias beside it has the stand-in's (CS0576)
            bool isInTheWay = name.StartsWith(other.Name + ".", StringComparison.Ordinal)
                || (isAlias && HeapName.Namespace(other.Name) == containingNamespace);
            if (isInTheWay && HeapRules.NameError(other, all, compilation) is null)
                return true;
        }

        return false;
    }

    // Whether the name, or the beginning of it, is that of a type already, or the name that of a namespace.
    private static bool MeansSomething(string name, Compilation compilation)
    {
        if (NameCollision.NamespaceNamed(compilation.GlobalNamespace, name.Split('.')) is not null)
            return true;

        for (int end = name.IndexOf('.'); end >= 0; end = name.IndexOf('.', end + 1))
        {
            if (IsType(name.Substring(0, end), compilation))
                return true;
        }

        return IsType(name, compilation);
    }

    private static bool IsType(string name, Compilation compilation) =>
        compilation.GetTypesByMetadataName(name).Any(type => compilation.IsSymbolAccessibleWithin(type, compilation.Assembly));
}
