namespace System;

/// <summary>Says that this is macOS. Constants to the compiler, as those of the base library are.</summary>
internal static class OperatingSystem
{
    internal static bool IsLinux() => false;

    internal static bool IsWindows() => false;

    internal static bool IsMacOS() => true;
}
