using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

/// <summary>
/// Has every heap of this assembly believe that the kernel's pages are larger than they are: with <c>EMMA_KERNEL_PAGE=65536</c> the whole
/// suite runs so.
/// </summary>
public static unsafe class LargerPages
{
    public const string Variable = "EMMA_KERNEL_PAGE";

    // What the generator says of each heap to hosts.
    private const string HeapKey = "Emma.Heap";

    /// <summary>The size that is forced; null: none is.</summary>
    public static nuint? Forced => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } bytes ? nuint.Parse(bytes) : null;

    /// <summary>What the heaps take for the bytes of a page of the kernel's.</summary>
    public static nuint Bytes => Forced ?? (nuint)Environment.SystemPageSize;

    // Before any code of the assembly runs, and so before its heaps have mapped anything; in a plugin's copy, too.
    [ModuleInitializer]
    internal static void Use()
    {
        if (Forced is not nuint bytes)
            return;

        Assembly assembly = typeof(LargerPages).Assembly;
        foreach (AssemblyMetadataAttribute heap in assembly.GetCustomAttributes<AssemblyMetadataAttribute>())
        {
            if (heap.Key == HeapKey)
                Use(assembly.GetType(heap.Value!.Split(';')[0])!.DeclaringType!, bytes);
        }
    }

    private static void Use(Type internals, nuint bytes)
    {
        FieldInfo heap = internals.GetField(
            nameof(EmmaHeap.HeapInternals.Heap), BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)!;
        nint offset = Marshal.OffsetOf(heap.FieldType.GetElementType()!, nameof(EmmaHeap.HeapInternals.Root.KernelPage));
        *(nuint*)((byte*)Pointer.Unbox(heap.GetValue(null)!) + offset) = bytes;
    }
}
