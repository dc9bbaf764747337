using System.Collections.Immutable;
using Basic.Reference.Assemblies;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests.Harness;

/// <summary>A project that uses the generator, as far as the compiler sees it.</summary>
internal sealed record TestProject(params string[] Sources)
{
    /// <summary>
    /// The languages of C# 12 and later that the compiler knows; in the fast form the oldest alone under the oldest compiler, and the
    /// newest under another.
    /// </summary>
    public static ImmutableArray<LanguageVersion> Languages { get; } =
    [
        .. Enum.GetValues<LanguageVersion>()
            .Where(version => version >= LanguageVersion.CSharp12 && version <= Newest)
            .Where(version => Length.IsLong || version == (Newest == LanguageVersion.CSharp13 ? LanguageVersion.CSharp12 : Newest)),
    ];

    private static LanguageVersion Newest => LanguageVersion.Latest.MapSpecifiedToEffectiveVersion();

    public static ImmutableArray<MetadataReference> NetStandard { get; } = [Embedded("netstandard.dll")];

    public static ImmutableArray<MetadataReference> NetStandardWithSpans { get; } = [.. NetStandard, Embedded("System.Memory.dll")];

    public string AssemblyName { get; init; } = "Consumer";

    public LanguageVersion Language { get; init; } = LanguageVersion.CSharp12;

    public DocumentationMode Documentation { get; init; } = DocumentationMode.Diagnose;

    public ImmutableArray<MetadataReference> References { get; init; } = [.. Net80.References.All];

    public CSharpCompilationOptions Options { get; init; } = new(
        OutputKind.DynamicallyLinkedLibrary,
        allowUnsafe: true,
        nullableContextOptions: NullableContextOptions.Enable,
        warningLevel: 9999);

    /// <summary>What MSBuild would hand the analyzers.</summary>
    public ImmutableDictionary<string, string> BuildProperties { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Symbols for <c>#if</c>.</summary>
    public ImmutableArray<string> Constants { get; init; } = [];

    public CSharpParseOptions ParseOptions => new(Language, Documentation, preprocessorSymbols: Constants);

    /// <summary>The compilation without anything emitted.</summary>
    public CSharpCompilation Compile() =>
        CSharpCompilation.Create(
            AssemblyName,
            Sources.Select((source, i) => CSharpSyntaxTree.ParseText(source, ParseOptions, $"Source{i}.cs", System.Text.Encoding.UTF8)),
            References,
            Options);

    public GeneratorDriver NewDriver() =>
        CSharpGeneratorDriver.Create(
            [new EmmaGenerator().AsSourceGenerator()],
            parseOptions: ParseOptions,
            driverOptions: new GeneratorDriverOptions(IncrementalGeneratorOutputKind.None, trackIncrementalGeneratorSteps: true));

    /// <summary>Runs the generator once.</summary>
    public GeneratorOutput Generate()
    {
        CSharpCompilation compilation = Compile();
        GeneratorRunResult result = NewDriver().RunGenerators(compilation).GetRunResult().Results.Single();
        Assert.Null(result.Exception);
        Assert.Empty(result.Diagnostics);
        return new GeneratorOutput(this, compilation, result.GeneratedSources);
    }

    private static PortableExecutableReference Embedded(string name) =>
        MetadataReference.CreateFromStream(typeof(TestProject).Assembly.GetManifestResourceStream(name)!);
}
