using System.Collections.Concurrent;
using System.Diagnostics;
using Basic.Reference.Assemblies;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests.Disassembly;

/// <summary>
/// Compiles the program for a heap as a release build does, runs it on the tests' own runtime, and reads what became of its methods.
/// </summary>
internal static class JitRun
{
    // The program for each heap, which is run with many arguments.
    private static readonly ConcurrentDictionary<string, Lazy<byte[]>> s_programs = new();

    /// <summary>The listings of the program's own methods, by name.</summary>
    public static Dictionary<string, JitListing> Of(string options, params string[] arguments) =>
        JitListing.Read(List("Program:Fast* Program:Run", options, arguments));

    /// <summary>The compiler's listing of some methods, written as <c>DOTNET_JitDisasm</c> wants them.</summary>
    public static string List(string methods, string options, params string[] arguments)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("emma-jit-");
        try
        {
            string program = Path.Combine(folder.FullName, "FastPaths.dll");
            File.WriteAllBytes(program, s_programs.GetOrAdd(options, static heap => new(() => Compile(heap))).Value);
            File.WriteAllText(
                Path.ChangeExtension(program, ".runtimeconfig.json"),
                $$"""{ "runtimeOptions": { "framework": { "name": "Microsoft.NETCore.App", "version": "{{Environment.Version}}" } } }""");
            return Run(program, methods, arguments);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static byte[] Compile(string options)
    {
        TestProject project = new($"""[assembly: Emma.EmmaAllocator("MyHeap"{options})]""", FastPathProgram.Source)
        {
            AssemblyName = "FastPaths",
            References = [.. Net100.References.All],
        };
        CSharpCompilationOptions release = project.Options
            .WithOutputKind(OutputKind.ConsoleApplication)
            .WithOptimizationLevel(OptimizationLevel.Release);
        return (project with { Options = release }).Generate().Emit();
    }

    private static string Run(string program, string methods, string[] arguments)
    {
        string output = Path.ChangeExtension(program, ".asm");
        ProcessStartInfo start = new(DotnetPath()) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(program);
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        start.Environment["DOTNET_JitDisasm"] = methods;
        start.Environment["DOTNET_JitStdOutFile"] = output;
        // Optimized at the first call, and for good: what is no constant to the compiler then never will be.
        start.Environment["DOTNET_TieredCompilation"] = arguments.Contains("tiered") ? "1" : "0";
        start.Environment["DOTNET_TieredPGO"] = "0";
        // The same instructions whatever vectors the machine has.
        start.Environment["DOTNET_EnableAVX"] = "0";

        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task<string> messages = process.StandardOutput.ReadToEndAsync();
        if (Patience.WaitForExit(process) is string reason)
            Assert.Fail($"The program was {reason}\n{messages.Result}{errors.Result}");

        Assert.True(process.ExitCode == 0, $"exit code {process.ExitCode}\n{messages.Result}{errors.Result}");
        return File.ReadAllText(output);
    }

    /// <summary>The host of the runtime that the tests themselves run on.</summary>
    private static string DotnetPath()
    {
        DirectoryInfo runtime = new(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory());
        return Path.Combine(runtime.Parent!.Parent!.Parent!.FullName, "dotnet");
    }
}
