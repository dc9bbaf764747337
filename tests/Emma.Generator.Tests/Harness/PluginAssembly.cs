using System.Reflection;
using System.Runtime.Loader;

namespace Emma.Generator.Tests.Harness;

/// <summary>A compiled assembly in a load context of its own, which is unloaded in the end.</summary>
internal sealed class PluginAssembly : IDisposable
{
    private readonly AssemblyLoadContext _context = new("plugin", isCollectible: true);

    private readonly Assembly _assembly;

    /// <summary>An assembly, and those that it refers to.</summary>
    public PluginAssembly(byte[] assembly, params byte[][] libraries)
    {
        foreach (byte[] library in libraries)
            _context.LoadFromStream(new MemoryStream(library));
        _assembly = _context.LoadFromStream(new MemoryStream(assembly));
    }

    /// <summary>Calls a public static method of any type that takes nothing; its exceptions come out as they are.</summary>
    public object? Call(string type, string method) =>
        _assembly.GetType(type, throwOnError: true)!
            .GetMethod(method)!
            .Invoke(null, BindingFlags.DoNotWrapExceptions, null, null, null);

    public void Dispose() => _context.Unload();
}
