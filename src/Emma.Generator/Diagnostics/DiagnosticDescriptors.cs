using System.Reflection;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Diagnostics;

// All diagnostics; each has a page in docs/diagnostics. Errors cannot be switched off: the heap would be missing and nobody would say why.
internal static class DiagnosticDescriptors
{
    private const string Category = "Emma";

    // The property PackageProjectUrl of the build.
    public static readonly string ProjectUrl = typeof(DiagnosticDescriptors).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>()
        .First(static metadata => metadata.Key == "PackageProjectUrl")
        .Value ?? "";

    public static readonly DiagnosticDescriptor UnsafeCodeIsOff = new(
        "EMMA0001",
        "Unsafe code is off",
        "The heap '{0}' needs unsafe code: add <AllowUnsafeBlocks>true</AllowUnsafeBlocks> to a PropertyGroup of the project file",
        Category,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA0001"),
        customTags: WellKnownDiagnosticTags.NotConfigurable);

    public static readonly DiagnosticDescriptor InvalidName = new(
        "EMMA0002",
        "Not a name for a heap",
        "'{0}' cannot be the name of a heap: {1}",
        Category,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA0002"),
        customTags: WellKnownDiagnosticTags.NotConfigurable);

    public static readonly DiagnosticDescriptor DuplicateName = new(
        "EMMA0003",
        "Two heaps of one name",
        "The heap '{0}' is asked for after '{1}', and names of heaps must differ in more than case",
        Category,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA0003"),
        customTags: WellKnownDiagnosticTags.NotConfigurable);

    public static readonly DiagnosticDescriptor NameCollides = new(
        "EMMA0004",
        "Heap's name is taken",
        "The heap cannot be named '{0}': {1}",
        Category,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA0004"),
        customTags: WellKnownDiagnosticTags.NotConfigurable);

    public static readonly DiagnosticDescriptor OptionOutOfRange = new(
        "EMMA0005",
        "Memory limit is negative",
        "MemoryLimit is {0}: it must be a number of bytes, or 0 for no limit",
        Category,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA0005"),
        customTags: WellKnownDiagnosticTags.NotConfigurable);

    public static readonly DiagnosticDescriptor UnsupportedPlatform = new(
        "EMMA0006",
        "Heap cannot run on this platform",
        "The heap '{0}' runs on Linux, Windows and macOS on x64 and arm64 only and throws PlatformNotSupportedException elsewhere; "
            + "this project is built with {1}",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA0006"));

    public static readonly DiagnosticDescriptor LanguageIsTooOld = new(
        "EMMA0007",
        "C# is older than 12",
        "The heap '{0}' needs C# {2} or later and this is C# {1}: add <LangVersion>12</LangVersion> to a PropertyGroup of the project file",
        Category,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA0007"),
        customTags: WellKnownDiagnosticTags.NotConfigurable);

    public static readonly DiagnosticDescriptor FrameworkIsTooOld = new(
        "EMMA0008",
        "Target framework is older than net8.0",
        "The heap '{0}' needs net8.0 or later. Here a class of its name takes its place, whose blocks are those of Marshal: its options "
            + "have no effect, and it has no {1}Callbacks, CreateArena, CreateBufferWriter, CreateSequenceWriter, Destroy, "
            + "GeneratorVersion, GetStatistics, GoodSize, Kernel, Local, MemoryLimit, OutOfMemoryHandler, Owns, Pool, Prepare, Rent, "
            + "RentPooled, RentZeroed, ScopedArena, Trim, TryAlignedAlloc, TryAlignedRealloc, TryAlloc, TryAllocZeroed, TryRealloc, "
            + "UsableSize.",
        Category,
        DiagnosticSeverity.Info,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA0008"));

    public static readonly DiagnosticDescriptor LimitIsTooSmall = new(
        "EMMA0009",
        "Memory limit is too small",
        "MemoryLimit is {1}: the heap '{0}' maps {2} bytes before it has its first small block, and will be out of memory from the start",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA0009"));

    public static readonly DiagnosticDescriptor OptionHasNoEffect = new(
        "EMMA0010",
        "Option has no effect",
        "'{1} = {2}' has no effect: the heap '{0}' is hardened, and {3}",
        Category,
        DiagnosticSeverity.Info,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA0010"));

    public static readonly DiagnosticDescriptor NameOfBaseLibrary = new(
        "EMMA0011",
        "Heap has the name of a base library's type",
        "The heap '{0}' lies in the global namespace and has the simple name of '{1}', which code that imports '{2}' may mean by it: "
        + "put the heap into a namespace",
        Category,
        DiagnosticSeverity.Info,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA0011"));

    public static readonly DiagnosticDescriptor AliasIsBypassed = new(
        "EMMA1001",
        "Call reaches the base library's NativeMemory",
        "This '{0}' is that of System.Runtime.InteropServices.NativeMemory, not that of the heap '{1}', which NativeMemory stands for "
        + "in this assembly, and neither can free the other's blocks: write '{1}.{0}'",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA1001"));

    public static readonly DiagnosticDescriptor ResultDropped = new(
        "EMMA1002",
        "Result of an allocation is dropped",
        "Nothing takes what '{0}' returns, and what nobody knows cannot be freed",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA1002"));

    public static readonly DiagnosticDescriptor FreedElsewhere = new(
        "EMMA1003",
        "Block is freed by another allocator",
        "This block is one of '{0}', which '{1}' cannot free",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA1003"));

    public static readonly DiagnosticDescriptor FreedTwice = new(
        "EMMA1004",
        "Block is freed twice",
        "'{0}' was freed already, in line {1}",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA1004"));

    public static readonly DiagnosticDescriptor UsedAfterFree = new(
        "EMMA1005",
        "Block is used after it was freed",
        "'{0}' was freed or moved in line {1}: what lies there now may be another's",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA1005"));

    public static readonly DiagnosticDescriptor NotAllocated = new(
        "EMMA1006",
        "What is freed is no block",
        "'{0}' frees blocks of its heap, and this is the address of {1}",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA1006"));

    public static readonly DiagnosticDescriptor NeverFreed = new(
        "EMMA1007",
        "Block is never freed",
        "What '{0}' returns is neither freed nor known outside this method",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA1007"));

    public static readonly DiagnosticDescriptor UsedAfterDestroy = new(
        "EMMA1008",
        "Block is used after its heap was destroyed",
        "'{0}' is gone: '{1}' in line {2} freed every block",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA1008"));

    public static readonly DiagnosticDescriptor CallCouldBeOfHeap = new(
        "EMMA1009",
        "NativeMemory could be a heap",
        "'{0}' could be that of the heap '{1}', which this assembly has",
        Category,
        DiagnosticSeverity.Info,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA1009"));

    public static readonly DiagnosticDescriptor MarshalCouldBeHeap = new(
        "EMMA1010",
        "Memory of Marshal could be a heap's",
        "'{0}' could be that of the heap '{1}', which this assembly has",
        Category,
        DiagnosticSeverity.Info,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink("EMMA1010"));

    // The address of a diagnostic's page; without a public address of the project, its path in the repository.
    private static string HelpLink(string id)
    {
        string root = ProjectUrl.TrimEnd('/');
        string page = $"docs/diagnostics/{id}.md";
        return root.Length == 0 ? page : $"{root}/{page}";
    }
}
