using System.Runtime.CompilerServices;
using Emma;

[assembly: EmmaAllocator("Forms.Plain", BoundaryChecks = false)]
[assembly: EmmaAllocator("Forms.Locked", ThreadCache = false, BoundaryChecks = false)]
[assembly: EmmaAllocator("Forms.Checked", BoundaryChecks = true, Public = true)]
[assembly: EmmaAllocator("Forms.Hardened", Hardened = true)]
[assembly: EmmaAllocator("Forms.Limited", BoundaryChecks = false, MemoryLimit = 40 << 20)]

namespace Forms;

/// <summary>What the plugin does with each of its heaps, by the heap's name, in plain types.</summary>
public static unsafe class Entry
{
    private const string StartsName = "Emma.Hosting.Plugin.Starts";
    private const string OnStartName = "Emma.Hosting.Plugin.OnStart";
    private const string Plain = "Forms.Plain";
    private const string Locked = "Forms.Locked";
    private const string Checked = "Forms.Checked";
    private const string Hardened = "Forms.Hardened";

    /// <summary>
    /// Counts the loads that have run their module initializers, so that the host sees it without running anything here; and does then what
    /// the host has left to be done.
    /// </summary>
    [ModuleInitializer]
    internal static void CountStart()
    {
        AppContext.SetData(StartsName, (int)(AppContext.GetData(StartsName) ?? 0) + 1);
        ((Action?)AppContext.GetData(OnStartName))?.Invoke();
    }

    public static nint Alloc(string heap, nint size) => heap switch
    {
        Plain => (nint)Forms.Plain.Alloc((nuint)size),
        Locked => (nint)Forms.Locked.Alloc((nuint)size),
        Checked => (nint)Forms.Checked.Alloc((nuint)size),
        Hardened => (nint)Forms.Hardened.Alloc((nuint)size),
        _ => (nint)Limited.Alloc((nuint)size),
    };

    public static nint TryAlloc(string heap, nint size) => heap switch
    {
        Plain => (nint)Forms.Plain.TryAlloc((nuint)size),
        Locked => (nint)Forms.Locked.TryAlloc((nuint)size),
        Checked => (nint)Forms.Checked.TryAlloc((nuint)size),
        Hardened => (nint)Forms.Hardened.TryAlloc((nuint)size),
        _ => (nint)Limited.TryAlloc((nuint)size),
    };

    /// <summary>Lends memory of the plain heap: two owners, one of them pinned twice, an arena; and takes a function pointer.</summary>
    /// <returns>What gives all back, the pins first.</returns>
    public static IDisposable[] Lend()
    {
        System.Buffers.IMemoryOwner<byte> owner = Forms.Plain.Rent<byte>(100);
        _ = Forms.Plain.Callbacks.Malloc;
        return [owner.Memory.Pin(), owner.Memory.Pin(), owner, Forms.Plain.Rent<int>(3), Forms.Plain.CreateArena()];
    }

    public static nint GoodSize(string heap, nint size) => heap switch
    {
        Plain => (nint)Forms.Plain.GoodSize((nuint)size),
        Locked => (nint)Forms.Locked.GoodSize((nuint)size),
        Checked => (nint)Forms.Checked.GoodSize((nuint)size),
        Hardened => (nint)Forms.Hardened.GoodSize((nuint)size),
        _ => (nint)Limited.GoodSize((nuint)size),
    };

    public static void Free(string heap, nint block)
    {
        switch (heap)
        {
            case Plain: Forms.Plain.Free((void*)block); break;
            case Locked: Forms.Locked.Free((void*)block); break;
            case Checked: Forms.Checked.Free((void*)block); break;
            case Hardened: Forms.Hardened.Free((void*)block); break;
            default: Limited.Free((void*)block); break;
        }
    }

    public static void Destroy(string heap)
    {
        switch (heap)
        {
            case Plain: Forms.Plain.Destroy(); break;
            case Locked: Forms.Locked.Destroy(); break;
            case Checked: Forms.Checked.Destroy(); break;
            case Hardened: Forms.Hardened.Destroy(); break;
            default: Limited.Destroy(); break;
        }
    }

    public static void SetHandler(string heap, Func<nuint, bool>? handler)
    {
        switch (heap)
        {
            case Plain: Forms.Plain.OutOfMemoryHandler = handler; break;
            case Locked: Forms.Locked.OutOfMemoryHandler = handler; break;
            case Checked: Forms.Checked.OutOfMemoryHandler = handler; break;
            case Hardened: Forms.Hardened.OutOfMemoryHandler = handler; break;
            default: Limited.OutOfMemoryHandler = handler; break;
        }
    }

    public static void Prepare(string heap)
    {
        switch (heap)
        {
            case Plain: Forms.Plain.Prepare(); break;
            case Locked: Forms.Locked.Prepare(); break;
            case Checked: Forms.Checked.Prepare(); break;
            case Hardened: Forms.Hardened.Prepare(); break;
            default: Limited.Prepare(); break;
        }
    }
}
