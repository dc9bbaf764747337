using Emma.Consumers.Harness;

namespace Emma.Consumers;

/// <summary>
/// Windows on x64, by Wine: the program's own Windows runtime, and Wine's ntdll, kernel32 and bcrypt. That shows the calls and what they
/// do to memory and threads, not what a real Windows does when memory is short.
/// </summary>
public sealed class WindowsTests(Workspace workspace)
{
    private const string Wine = "/usr/lib/wine/wine64";

    [LongFact]
    public async Task A_heap_of_each_form_works_under_wine_where_memory_is_committed_and_that_may_be_refused()
    {
        Assert.SkipUnless(
            File.Exists(Wine), "Not run on Windows, which Wine stands in for: apt-get install --no-install-recommends wine64");

        Finished publish = (await workspace.PublishAsync("Windows")).MustSucceed();
        Assert.DoesNotContain("warning", publish.Output);
        // A drive C: of its own, no complaints of Wine's, no debugger.
        (string, string)[] variables =
            [("WINEPREFIX", Path.Combine(workspace.Folder, "wine")), ("WINEDEBUG", "-all"), ("WINEDLLOVERRIDES", "winedbg.exe=d")];
        try
        {
            (await CommandLine.RunAsync(workspace.Folder, Wine, ["wineboot", "-i"], variables)).MustSucceed();
            string program = Path.Combine(workspace.Folder, "Windows", "published", "Windows.exe");
            string output = (await CommandLine.RunAsync(workspace.Folder, Wine, [program, "1000"], variables))
                .MustSucceed().Output;
            string[] lines = [.. output.Split('\n').Select(line => line.TrimEnd())];
            // The program itself, and three plugins that do the same.
            Assert.Equal(4 * 5, lines.Count(line => line.EndsWith(": SystemLibraries", StringComparison.Ordinal)));
            Assert.Equal(5, lines.Count(line => line.EndsWith(": refusals, threads", StringComparison.Ordinal)));
            Assert.Contains("plugins", lines);
        }
        finally
        {
            await CommandLine.RunAsync(workspace.Folder, "/usr/lib/wine/wineserver", ["-k"], variables);
        }
    }
}
