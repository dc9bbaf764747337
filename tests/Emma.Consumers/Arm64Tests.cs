using Emma.Consumers.Harness;

namespace Emma.Consumers;

/// <summary>
/// Linux on arm64, emulated: the program's own arm64 runtime, with libc and libstdc++ of Debian's packages for it. Emulation on x64 shows
/// calls, code and layout, and no other order of memory than x64's.
/// </summary>
public sealed class Arm64Tests(Workspace workspace)
{
    private const string Emulator = "qemu-aarch64-static";

    /// <summary>The second time the process has 39 bits of addresses, as some kernels for arm64 give.</summary>
    [Fact]
    public async Task A_heap_of_each_form_works_on_arm64_with_many_addresses_and_with_few()
    {
        Assert.SkipUnless(
            RunTests.HasTool(Emulator) && RunTests.HasTool("mmdebstrap"),
            "Not run on arm64, which needs an emulator and Debian's arm64 libraries: apt-get install qemu-user-static mmdebstrap");

        string libraries = Path.Combine(workspace.Folder, "arm64");
        await workspace.RunScriptAsync("arm64-libraries", libraries);
        Finished publish = (await workspace.PublishAsync("Arm64")).MustSucceed();
        Assert.DoesNotContain("warning", publish.Output);

        string program = Path.Combine(workspace.Folder, "Arm64", "published", "Arm64");
        await RunAsync([program, Length.IsLong ? "5000" : "500"]);
        await RunAsync(["-R", "0x8000000000", program, "300"]);

        async Task RunAsync(string[] arguments)
        {
            Finished run = await CommandLine.RunAsync(workspace.Folder, Emulator, ["-L", libraries, .. arguments]);
            EveryForm.MustHaveRun(run, "on Arm64, linux-arm64, glibc,");
        }
    }
}
