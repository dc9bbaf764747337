using System.Diagnostics;

namespace Emma.Generator.Tests.Harness;

/// <summary>Runs compiled programs on the tests' own runtime.</summary>
internal static class ProgramRun
{
    /// <summary>What a program writes; fails unless it ends with 0.</summary>
    public static string OutputOf(byte[] program)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("emma-program-");
        try
        {
            string path = Path.Combine(folder.FullName, "Program.dll");
            File.WriteAllBytes(path, program);
            File.WriteAllText(
                Path.ChangeExtension(path, ".runtimeconfig.json"),
                $$"""{ "runtimeOptions": { "framework": { "name": "Microsoft.NETCore.App", "version": "{{Environment.Version}}" } } }""");
            ProcessStartInfo start = new(DotnetPath(), [path]) { RedirectStandardOutput = true, RedirectStandardError = true };
            start.Environment["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1";
            using Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            Task<string> messages = process.StandardOutput.ReadToEndAsync();
            if (Patience.WaitForExit(process) is string reason)
                Assert.Fail($"The program was {reason}\n{messages.Result}{errors.Result}");

            Assert.True(process.ExitCode == 0, $"exit code {process.ExitCode}\n{messages.Result}{errors.Result}");
            return messages.Result;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string DotnetPath()
    {
        DirectoryInfo runtime = new(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory());
        return Path.Combine(runtime.Parent!.Parent!.Parent!.FullName, "dotnet");
    }
}
