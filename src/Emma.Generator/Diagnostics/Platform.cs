using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Emma.Generator.Diagnostics;

// Whether a project says that it is built for something else than Linux, Windows or macOS on x64 or arm64. Most projects say nothing.
internal static class Platform
{
    private static readonly string[] s_otherSystems =
    [
        "android", "browser", "freebsd", "haiku", "illumos", "ios", "iossimulator", "maccatalyst", "netbsd", "openbsd", "solaris",
        "tizen", "tvos", "tvossimulator", "wasi",
    ];

    // The setting that rules all of them out, for a message; null where none does.
    public static string? WhyNotSupported(Compilation compilation, AnalyzerConfigOptions buildProperties)
    {
        string runtime = BuildProperty(buildProperties, "RuntimeIdentifier");
        if (runtime.Length > 0 && !MayBeSupported(runtime))
            return $"RuntimeIdentifier {runtime}";

        string system = BuildProperty(buildProperties, "TargetPlatformIdentifier");
        if (s_otherSystems.Contains(system, StringComparer.OrdinalIgnoreCase))
            return $"target platform {system}";

        // The compiler's own word for the property PlatformTarget
        return compilation.Options.Platform is Microsoft.CodeAnalysis.Platform.AnyCpu or Microsoft.CodeAnalysis.Platform.X64
            or Microsoft.CodeAnalysis.Platform.Arm64
            ? null
            : $"PlatformTarget {compilation.Options.Platform}";
    }

    // Whether a runtime identifier allows one, such as `linux-musl-x64`, `osx-arm64` or `any`.
    private static bool MayBeSupported(string runtime)
    {
        int dash = runtime.IndexOf('-');
        if (dash < 0)
            return !s_otherSystems.Contains(runtime, StringComparer.OrdinalIgnoreCase);

        // "win10" and "osx.13" name versions as well
        string system = runtime.Substring(0, dash).TrimEnd("0123456789.".ToCharArray());
        return !s_otherSystems.Contains(system, StringComparer.OrdinalIgnoreCase)
            && (runtime.EndsWith("-x64", StringComparison.OrdinalIgnoreCase)
                || runtime.EndsWith("-arm64", StringComparison.OrdinalIgnoreCase));
    }

    private static string BuildProperty(AnalyzerConfigOptions options, string name) =>
        options.TryGetValue($"build_property.{name}", out string? value) ? value.Trim() : "";
}
