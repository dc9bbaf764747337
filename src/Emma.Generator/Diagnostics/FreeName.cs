using System.Collections.Immutable;
using Emma.Generator.Model;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Diagnostics;

// Proposes a name for a heap whose own is taken.
internal static class FreeName
{
    private const int MaxNumber = 99;

    // Null where none of those that come to mind is free.
    public static string? For(HeapRequest request, ImmutableArray<HeapRequest> all, Compilation compilation) =>
        Candidates(request.Name, all.Any(other => other != request && AreSame(other.Name, request.Name)))
            .FirstOrDefault(name => IsFree(name, request, all, compilation));

    private static IEnumerable<string> Candidates(string name, bool isOfHeap)
    {
        if (!isOfHeap)
        {
            // Within what has the name, if that is a namespace; beside it; or elsewhere
            yield return $"{name}.Heap";
            yield return $"{name}Heap";
            if (HeapName.Namespace(name).Length > 0)
                yield return $"{name.Replace(".", "")}Heap";
        }

        for (int number = 2; number <= MaxNumber; number++)
            yield return $"{name}{number}";
    }

    private static bool IsFree(string name, HeapRequest request, ImmutableArray<HeapRequest> all, Compilation compilation) =>
        HeapName.WhyInvalid(name) is null
        && !all.Any(other => AreSame(other.Name, name))
        && !all.Any(other => other != request && name.StartsWith(other.Name + ".", StringComparison.OrdinalIgnoreCase))
        && NameCollision.Find(name, all, compilation) is null;

    private static bool AreSame(string one, string other) => string.Equals(one, other, StringComparison.OrdinalIgnoreCase);
}
