using Emma.Consumers.Harness;

namespace Emma.Consumers;

/// <summary>
/// Linux on arm64, emulated: the program's own arm64 runtime, with libc and libstdc++ of Debian's packages for it. Emulation on x64 shows
/// calls, code and layout, and no other order of memory than x64's.
/// </summary>
public sealed class Arm64Tests(Workspace workspace)
{
    private const string Emulator = "qemu-aarch64-static";

    private string Libraries => Path.Combine(workspace.Folder, "arm64");

    private string Published => Path.Combine(workspace.Folder, "Arm64", "published");

    /// <summary>The second time the process has 39 bits of addresses, as some kernels for arm64 give.</summary>
    [LongFact]
    public async Task A_heap_of_each_form_works_on_arm64_with_many_addresses_and_with_few()
    {
        Assert.SkipUnless(
            RunTests.HasTool(Emulator) && RunTests.HasTool("mmdebstrap"),
            "Not run on arm64, which needs an emulator and Debian's arm64 libraries: apt-get install qemu-user-static mmdebstrap");

        await PublishAsync();

        string program = Path.Combine(Published, "Arm64");
        await RunAsync([program, "5000"]);
        await RunAsync(["-R", "0x8000000000", program, "300"]);
    }

    [LongFact]
    public async Task A_program_compiled_to_native_code_works_on_arm64()
    {
        Assert.SkipUnless(
            RunTests.HasTool(Emulator) && RunTests.HasTool("mmdebstrap") && RunTests.HasTool("clang") && RunTests.HasTool("ld.lld"),
            "No native code for arm64, which needs a linker: apt-get install qemu-user-static mmdebstrap clang lld");

        await MakeLibrariesAsync();
        Finished publish = await workspace.DotnetAsync(
            "publish", "Arm64", "-o", Path.Combine("Arm64", "native"), "-p:PublishAot=true", "-p:CppCompilerAndLinker=clang",
            "-p:LinkerFlavor=lld", $"-p:SysRoot={Libraries}", "-p:StripSymbols=false");
        Assert.DoesNotContain("warning", publish.MustSucceed().Output);

        await RunAsync([Path.Combine(workspace.Folder, "Arm64", "native", "Arm64"), "5000"]);
    }

    /// <summary>The kernel is Debian's, on an emulated machine of two processors.</summary>
    [LongFact]
    public async Task A_heap_of_each_form_works_on_a_kernel_for_arm64()
    {
        Assert.SkipUnless(
            RunTests.HasTool("qemu-system-aarch64") && RunTests.HasTool(Emulator) && RunTests.HasTool("mmdebstrap"),
            "No kernel for arm64, which needs an emulated machine: apt-get install qemu-system-arm qemu-user-static mmdebstrap");

        await PublishAsync();
        string script = Path.Combine(Workspace.RepositoryRoot, "tests", "Everywhere", "boot-arm64");
        Finished boot = await CommandLine.RunAsync(workspace.Folder, "bash", [script, Libraries, Published, "Arm64", "5000"]);

        EveryForm.MustHaveRun(boot, "on Arm64, linux-arm64, glibc,");
    }

    private async Task PublishAsync()
    {
        await MakeLibrariesAsync();
        Finished publish = (await workspace.PublishAsync("Arm64")).MustSucceed();
        Assert.DoesNotContain("warning", publish.Output);
    }

    // What all of the tests need, once: libraries, what native code is linked with, and a kernel.
    private async Task MakeLibrariesAsync()
    {
        if (Directory.Exists(Libraries))
            return;

        string[] more = ["libc6-dev", "libstdc++-12-dev", "zlib1g-dev", "linux-image-arm64", "busybox-static"];
        await workspace.RunScriptAsync("arm64-libraries", [Libraries, .. more]);
    }

    private async Task RunAsync(string[] arguments)
    {
        // As in tests/Everywhere/run: the emulator does not notice code that is written by another mapping than it runs by.
        Finished run = await CommandLine.RunAsync(
            workspace.Folder, Emulator, ["-L", Libraries, .. arguments], ("DOTNET_EnableWriteXorExecute", "0"));
        EveryForm.MustHaveRun(run, "on Arm64, linux-arm64, glibc,");
    }
}
