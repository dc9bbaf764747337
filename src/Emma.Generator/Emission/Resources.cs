using System.Reflection;

namespace Emma.Generator.Emission;

// The texts embedded in this assembly.
internal static class Resources
{
    private static readonly Assembly s_assembly = typeof(Resources).Assembly;

    // The names of all resources that begin so, in ordinal order.
    public static IEnumerable<string> Names(string prefix) =>
        s_assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith(prefix, StringComparison.Ordinal))
            .OrderBy(static name => name, StringComparer.Ordinal);

    public static string Read(string name)
    {
        using StreamReader reader = new(s_assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}
