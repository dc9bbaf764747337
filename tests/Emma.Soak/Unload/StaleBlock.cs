using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Emma.Soak;

/// <summary>
/// <c>stale read|write|copy</c>: touches a block whose plugin is gone, while other plugins' heaps live. The process is to end by it.
/// </summary>
public static unsafe class StaleBlock
{
    private const int OtherPlugins = 5;

    /// <summary>Printed right before the block is touched.</summary>
    public const string Announcement = "touching the block";

    /// <summary>Printed if nothing happened.</summary>
    public const string Survived = "nothing happened";

    public static int Touch(string how)
    {
        nuint block = LoadAndUse(out WeakReference alive);
        Plugin.CollectUntil(() => !alive.IsAlive && !ProcessMaps.IsMapped(block));
        List<Plugin> others = [];
        for (int i = 0; i < OtherPlugins; i++)
        {
            var other = new Plugin();
            other.Use((ulong)i);
            if (other.Owns(block))
                throw new InvalidDataException("another plugin's heap has the block");
            others.Add(other);
        }

        Console.WriteLine(Announcement);
        byte* stale = (byte*)block;
        byte* target = stackalloc byte[64];
        switch (how)
        {
            case "read":
                Console.WriteLine(Volatile.Read(ref *stale));
                break;
            case "write":
                Volatile.Write(ref *stale, 1);
                break;
            default:
                ((delegate* unmanaged<void*, void*, nuint, void*>)NativeLibrary
                    .GetExport(NativeLibrary.GetMainProgramHandle(), "memcpy"))(target, stale, 64);
                break;
        }

        Console.WriteLine(Survived);
        GC.KeepAlive(others);
        return 0;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static nuint LoadAndUse(out WeakReference alive)
    {
        var plugin = new Plugin();
        alive = plugin.Alive;
        nuint block = plugin.OneBlock(1);
        plugin.Unload();
        return block;
    }
}
