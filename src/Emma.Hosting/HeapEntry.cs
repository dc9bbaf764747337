using System.Diagnostics.CodeAnalysis;
using System.Reflection;

namespace Emma.Hosting;

// What a host may call of one heap: delegates of the plugin's, which keep its load context alive. They lie in a table that lives no longer
// than the plugin's assembly (AssemblyHeaps), and leave it only for the time of a call. What the heap's version lacks is null. To bind
// them runs nothing of the plugin; to call one may run its module initializers.
internal sealed class HeapEntry
{
    public HeapEntry(Assembly assembly, string entryType)
    {
        Type? type = FindType(assembly, entryType);
        ReadFigures = Bind<FiguresReader>(type, "ReadFigures");
        ReadLimit = Bind<Func<long>>(type, "ReadLimit");
        WriteLimit = Bind<Action<long>>(type, "WriteLimit");
        TrimAll = Bind<Func<nuint>>(type, "TrimAll");
        OwnsAddress = Bind<Func<nuint, bool>>(type, "OwnsAddress");
        ReadHandler = Bind<Func<Func<nuint, bool>?>>(type, "ReadHandler");
        TryWriteHandler = Bind<Func<Func<nuint, bool>?, bool>>(type, "TryWriteHandler");
    }

    public delegate int FiguresReader(Span<long> figures);

    public FiguresReader? ReadFigures { get; }

    public Func<long>? ReadLimit { get; }

    public Action<long>? WriteLimit { get; }

    public Func<nuint>? TrimAll { get; }

    public Func<nuint, bool>? OwnsAddress { get; }

    public Func<Func<nuint, bool>?>? ReadHandler { get; }

    public Func<Func<nuint, bool>?, bool>? TryWriteHandler { get; }

    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "The heap's module initializer keeps its entry.")]
    private static Type? FindType(Assembly assembly, string name) =>
        name.Length == 0 ? null : assembly.GetType(name, throwOnError: false);

    [UnconditionalSuppressMessage("Trimming", "IL2070", Justification = "The heap's module initializer keeps its entry's methods.")]
    private static T? Bind<T>(Type? type, string name)
        where T : Delegate
    {
        MethodInfo? method = type?.GetMethod(name, BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.DeclaredOnly);
        return method is null ? null : (T?)Delegate.CreateDelegate(typeof(T), method, throwOnBindFailure: false);
    }
}
