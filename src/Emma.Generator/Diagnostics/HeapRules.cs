using System.Collections.Immutable;
using Emma.Generator.Model;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Diagnostics;

// What a request must fulfil for its heap to be emitted: nothing below may be wrong with it.
internal static class HeapRules
{
    // What is wrong with the name that a request gives its heap, if anything is.
    // request: The request.
    // all: All requests of the compilation in source order.
    // compilation: The compilation, with or without what has been emitted for the requests.
    public static Diagnostic? NameError(HeapRequest request, ImmutableArray<HeapRequest> all, Compilation compilation)
    {
        if (HeapName.WhyInvalid(request.Name) is string whyInvalid)
            return Diagnostic.Create(DiagnosticDescriptors.InvalidName, request.NameLocation, request.Name, whyInvalid);

        HeapRequest first = all.First(other =>
            string.Equals(other.Name, request.Name, StringComparison.OrdinalIgnoreCase) && HeapName.WhyInvalid(other.Name) is null);
        if (first != request)
            return Diagnostic.Create(
                DiagnosticDescriptors.DuplicateName, request.NameLocation, Proposal(request, all, compilation), request.Name, first.Name);

        if (NameCollision.Find(request.Name, all, compilation) is string collision)
            return Diagnostic.Create(
                DiagnosticDescriptors.NameCollides, request.NameLocation, Proposal(request, all, compilation), request.Name, collision);

        return null;
    }

    // What else is wrong: with the project, and with the options.
    public static IEnumerable<Diagnostic> OtherErrors(HeapRequest request, Compilation compilation)
    {
        var csharp = (CSharpCompilation)compilation;
        if (!csharp.Options.AllowUnsafe)
            yield return Diagnostic.Create(DiagnosticDescriptors.UnsafeCodeIsOff, request.NameLocation, request.Name);

        // A heap is written in C# 12, and what takes its place in an older framework in C# 9
        LanguageVersion needed = HasNet8(csharp) ? LanguageVersion.CSharp12 : LanguageVersion.CSharp9;
        if (csharp.LanguageVersion < needed)
            yield return Diagnostic.Create(
                DiagnosticDescriptors.LanguageIsTooOld,
                request.NameLocation,
                request.Name,
                csharp.LanguageVersion.ToDisplayString(),
                needed.ToDisplayString());

        if (request.MemoryLimit < 0)
            yield return Diagnostic.Create(
                DiagnosticDescriptors.OptionOutOfRange, request.LocationOf(nameof(request.MemoryLimit)), request.MemoryLimit);
    }

    // What the heap has not, where the framework is older than net8.0 and a class over Marshal takes its place.
    public static Diagnostic Absences(HeapRequest request, Compilation compilation) =>
        Diagnostic.Create(
            DiagnosticDescriptors.FrameworkIsTooOld, request.NameLocation, request.Name, HasSpans(compilation) ? "" : "AllocSpan, ");

    // What may not be meant so, and is emitted as it is asked for.
    public static IEnumerable<Diagnostic> Doubts(HeapRequest request, Compilation compilation)
    {
        long needed = FirstBlock.NeedsBytes(request.ToHeap(compilation));
        if (request.MemoryLimit > 0 && request.MemoryLimit < needed)
            yield return Diagnostic.Create(
                DiagnosticDescriptors.LimitIsTooSmall, request.LocationOf(nameof(request.MemoryLimit)), request.Name,
                request.MemoryLimit, needed);

        if (BaseLibraryNames.Find(request.Name, compilation) is INamedTypeSymbol namesake)
            yield return Diagnostic.Create(
                DiagnosticDescriptors.NameOfBaseLibrary,
                request.NameLocation,
                request.Name,
                namesake.ToDisplayString(),
                namesake.ContainingNamespace.ToDisplayString());

        if (!request.Hardened)
            yield break;
        if (request.ThreadCache is bool threadCache)
            yield return NoEffect(
                request, nameof(request.ThreadCache), threadCache, "has caches of its own for threads, without their speed");
        if (request.BoundaryChecks == false)
            yield return NoEffect(request, nameof(request.BoundaryChecks), false, "checks every pointer in any case");
    }

    private static ImmutableDictionary<string, string?> Proposal(
        HeapRequest request, ImmutableArray<HeapRequest> all, Compilation compilation) =>
        ImmutableDictionary<string, string?>.Empty.Add(DiagnosticProperties.Name, FreeName.For(request, all, compilation));

    private static Diagnostic NoEffect(HeapRequest request, string option, bool value, string instead) =>
        Diagnostic.Create(
            DiagnosticDescriptors.OptionHasNoEffect, request.LocationOf(option), request.Name, option, value ? "true" : "false", instead);

    // Whether the core library is that of .NET 8 or later. The type asked for is new in .NET 8; it must stand beside object, because
    // elsewhere it would be a polyfill.
    public static bool HasNet8(Compilation compilation) =>
        compilation.GetSpecialType(SpecialType.System_Object).ContainingAssembly
            ?.GetTypeByMetadataName("System.Runtime.CompilerServices.InlineArrayAttribute") is not null;

    // Whether there are spans, of an older framework's own or of the package System.Memory.
    public static bool HasSpans(Compilation compilation) =>
        IsUsable("System.Span`1", compilation) && IsUsable("System.Runtime.InteropServices.MemoryMarshal", compilation);

    private static bool IsUsable(string type, Compilation compilation) =>
        compilation.GetTypeByMetadataName(type) is INamedTypeSymbol found
        && compilation.IsSymbolAccessibleWithin(found, compilation.Assembly);
}
