using System.Reflection;
using Emma.Templates;

namespace System.Runtime.InteropServices;

/// <summary>Finds functions as on macOS: those of libSystem are <see cref="EmmaHeap.HeapInternals.DarwinSystem"/>'s.</summary>
internal static class NativeLibrary
{
    /// <summary>What stands for a handle of libSystem, and of a program that is linked to it.</summary>
    private const nint System = 0x5153;

    private delegate bool Loader(string name, out nint library);

    private delegate bool Finder(nint library, string name, out nint address);

    private static readonly Type s_real = typeof(object).Assembly.GetType("System.Runtime.InteropServices.NativeLibrary")!;

    private static readonly Loader s_load = Real<Loader>(nameof(TryLoad), typeof(string), typeof(nint).MakeByRefType());

    private static readonly Finder s_find =
        Real<Finder>(nameof(TryGetExport), typeof(nint), typeof(string), typeof(nint).MakeByRefType());

    internal static nint GetMainProgramHandle() => System;

    internal static bool TryLoad(string name, out nint library)
    {
        if (!name.EndsWith(".dylib", StringComparison.Ordinal))
            return s_load(name, out library);

        library = name == "/usr/lib/libSystem.B.dylib" ? System : 0;
        return library != 0;
    }

    internal static bool TryLoad(string name, Assembly assembly, DllImportSearchPath? path, out nint library) =>
        TryLoad(name, out library);

    internal static nint Load(string name) => TryLoad(name, out nint library) ? library : throw new DllNotFoundException(name);

    internal static bool TryGetExport(nint library, string name, out nint address) =>
        library == System ? EmmaHeap.HeapInternals.DarwinSystem.TryFind(name, out address) : s_find(library, name, out address);

    /// <summary>The address of a function of Linux's C library.</summary>
    internal static nint RealExport(string name) =>
        s_load("libc.so.6", out nint libc) && s_find(libc, name, out nint address) ? address : throw new EntryPointNotFoundException(name);

    internal static nint GetExport(nint library, string name) =>
        TryGetExport(library, name, out nint address) ? address : throw new EntryPointNotFoundException(name);

    private static T Real<T>(string name, params Type[] parameters)
        where T : Delegate =>
        s_real.GetMethod(name, parameters)!.CreateDelegate<T>();
}
