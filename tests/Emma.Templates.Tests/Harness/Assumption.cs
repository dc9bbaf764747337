using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

/// <summary>
/// Where the tests run, as far as some assume it: tests with the trait Runs=Everywhere run on musl, arm64 and Windows, too
/// (tests/Everywhere/run). What a test assumes that does not hold there it names, and is skipped.
/// </summary>
internal static class Assumption
{
    internal static bool IsGlibc { get; } =
        NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "gnu_get_libc_version", out _);

    internal static bool IsX64 => RuntimeInformation.ProcessArchitecture == Architecture.X64;

    /// <summary>glibc on x64 has a word of each thread's for a heap; elsewhere a heap finds its caches without machine code.</summary>
    internal static bool HasThreadWords => IsGlibc && IsX64;

    internal static void Glibc(string why) => Xunit.Assert.SkipUnless(IsGlibc, "Assumes glibc: " + why);

    internal static void X64(string why) => Xunit.Assert.SkipUnless(IsX64, "Assumes x64: " + why);

    internal static void NotWindows(string why) => Xunit.Assert.SkipWhen(OperatingSystem.IsWindows(), "Does not hold on Windows: " + why);

    internal static void RealKernel(string why) =>
        Xunit.Assert.SkipUnless(OwnProgram.Emulator is null, "Assumes a kernel that is not emulated: " + why);

    /// <summary>
    /// For tests that ask for more memory than there is: the tests behind them would find no place that is free (OperationTests).
    /// </summary>
    internal static void GivesRefusedAddressesBack() =>
        RealKernel("qemu 7.2 reserves addresses before it maps memory there, and keeps them where that is refused.");
}
