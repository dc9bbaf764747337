using Emma.Consumers.Harness;

namespace Emma.Consumers;

/// <summary>
/// Linux with musl for its libc: the real musl and .NET's own build for it, but libstdc++ and libgcc_s of this machine, which were built
/// for glibc and load by a library that has what musl has not. So it is not Alpine.
/// </summary>
public sealed class MuslTests(Workspace workspace)
{
    [LongFact]
    public async Task A_heap_of_each_form_works_on_musl()
    {
        Assert.SkipUnless(
            File.Exists("/lib/ld-musl-x86_64.so.1") && RunTests.HasTool("gcc"),
            "Not run on musl, which needs its library and a compiler for what that has not: apt-get install musl gcc libc6-dev");

        string libraries = Path.Combine(workspace.Folder, "musl");
        await workspace.RunScriptAsync("musl-libraries", libraries);
        Finished publish = (await workspace.PublishAsync("Musl")).MustSucceed();
        Assert.DoesNotContain("warning", publish.Output);

        Finished run = await CommandLine.RunAsync(
            workspace.Folder, Path.Combine(workspace.Folder, "Musl", "published", "Musl"), ["20000"],
            ("LD_LIBRARY_PATH", libraries), ("LD_PRELOAD", Path.Combine(libraries, "musl-preload.so")));

        EveryForm.MustHaveRun(run, "on X64, linux-musl-x64, another libc,");
    }
}
