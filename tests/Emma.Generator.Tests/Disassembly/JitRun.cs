using System.Diagnostics;
using Basic.Reference.Assemblies;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests.Disassembly;

/// <summary>Compiles the program for a heap as a release build does, runs it on the tests' own runtime, and reads what became of its methods.</summary>
internal static class JitRun
{
    private static readonly TimeSpan s_timeLimit = TimeSpan.FromMinutes(2);

    public static Dictionary<string, JitListing> Of(string options, bool collectible)
    {
        TestProject project = new($"""[assembly: Emma.EmmaAllocator("MyHeap"{options})]""", FastPathProgram.Source)
        {
            AssemblyName = "FastPaths",
            References = [.. Net100.References.All],
        };
        CSharpCompilationOptions release = project.Options
            .WithOutputKind(OutputKind.ConsoleApplication)
            .WithOptimizationLevel(OptimizationLevel.Release);

        DirectoryInfo folder = Directory.CreateTempSubdirectory("emma-jit-");
        try
        {
            string program = Path.Combine(folder.FullName, "FastPaths.dll");
            File.WriteAllBytes(program, (project with { Options = release }).Generate().Emit());
            File.WriteAllText(
                Path.ChangeExtension(program, ".runtimeconfig.json"),
                $$"""{ "runtimeOptions": { "framework": { "name": "Microsoft.NETCore.App", "version": "{{Environment.Version}}" } } }""");
            return JitListing.Read(Run(program, collectible));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string Run(string program, bool collectible)
    {
        string output = Path.ChangeExtension(program, ".asm");
        ProcessStartInfo start = new(DotnetPath()) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(program);
        if (collectible)
            start.ArgumentList.Add("collectible");
        start.Environment["DOTNET_JitDisasm"] = "Program:Fast*";
        start.Environment["DOTNET_JitStdOutFile"] = output;
        // Optimized at the first call: by then the heap has run, so that its constants are known.
        start.Environment["DOTNET_TieredCompilation"] = "0";
        start.Environment["DOTNET_TieredPGO"] = "0";
        // The same instructions whatever vectors the machine has.
        start.Environment["DOTNET_EnableAVX"] = "0";

        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task<string> messages = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(s_timeLimit))
        {
            process.Kill();
            Assert.Fail($"The program was stopped after {s_timeLimit.TotalSeconds} seconds.");
        }

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
