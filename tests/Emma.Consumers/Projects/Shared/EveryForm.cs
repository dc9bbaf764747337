using System.Runtime.InteropServices;
using Emma;

[assembly: EmmaAllocator("PlainHeap", BoundaryChecks = false)]
[assembly: EmmaAllocator("CheckedHeap", BoundaryChecks = true)]
[assembly: EmmaAllocator("LockedHeap", BoundaryChecks = false, ThreadCache = false)]
[assembly: EmmaAllocator("HardenedHeap", Hardened = true)]
[assembly: EmmaAllocator("BoundedHeap", BoundaryChecks = true, MemoryLimit = 64 << 20)]

namespace EveryForm;

/// <summary>
/// Threads that allocate, resize and free each other's blocks at random, in a heap of each form. Each block is filled with a byte that says
/// which it is, and looked through before it is resized or freed.
/// </summary>
internal static unsafe class Program
{
    private const int Threads = 4;
    private const int Places = 64;

    private static readonly ulong[] s_places = new ulong[Places * 2];

    internal static int Main(string[] args)
    {
        int steps = args.Length > 0 ? int.Parse(args[0]) : 5000;
        string libc =
            OperatingSystem.IsWindows() ? "ntdll"
            : OperatingSystem.IsMacOS() ? "libSystem"
            : File.ReadAllText("/proc/self/maps").Contains("/libc.so.6") ? "glibc"
            : "another libc";
        Console.WriteLine(
            $"on {RuntimeInformation.ProcessArchitecture}, {RuntimeInformation.RuntimeIdentifier}, {libc}, "
            + $"pages of {Environment.SystemPageSize} bytes");
        Run("plain", steps, new Calls(&PlainHeap.TryAlloc, &PlainHeap.TryRealloc, &PlainHeap.Free));
        End("plain", PlainHeap.Kernel.ToString(), PlainHeap.GetStatistics().InUseBytes, PlainHeap.Trim, PlainHeap.Destroy);
        Run("checked", steps, new Calls(&CheckedHeap.TryAlloc, &CheckedHeap.TryRealloc, &CheckedHeap.Free));
        MustRefuse(() => CheckedHeap.Free((void*)0x1000));
        End("checked", CheckedHeap.Kernel.ToString(), CheckedHeap.GetStatistics().InUseBytes, CheckedHeap.Trim, CheckedHeap.Destroy);
        Run("locked", steps, new Calls(&LockedHeap.TryAlloc, &LockedHeap.TryRealloc, &LockedHeap.Free));
        End("locked", LockedHeap.Kernel.ToString(), LockedHeap.GetStatistics().InUseBytes, LockedHeap.Trim, LockedHeap.Destroy);
        Run("hardened", steps, new Calls(&HardenedHeap.TryAlloc, &HardenedHeap.TryRealloc, &HardenedHeap.Free));
        End("hardened", HardenedHeap.Kernel.ToString(), HardenedHeap.GetStatistics().InUseBytes, HardenedHeap.Trim, HardenedHeap.Destroy);
        Run("bounded", steps, new Calls(&BoundedHeap.TryAlloc, &BoundedHeap.TryRealloc, &BoundedHeap.Free));
        Must(BoundedHeap.TryAlloc(65 << 20) == null, "a block beyond the limit");
        End("bounded", BoundedHeap.Kernel.ToString(), BoundedHeap.GetStatistics().InUseBytes, BoundedHeap.Trim, BoundedHeap.Destroy);
        return 0;
    }

    private static void Run(string form, int steps, Calls calls)
    {
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(seed => new Thread(() => Work(seed, steps, calls)))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        for (int i = 0; i < Places; i++)
            Release(i, calls);
    }

    private static void Work(int seed, int steps, Calls calls)
    {
        Random random = new(seed);
        for (int step = 0; step < steps; step++)
        {
            int place = random.Next(Places);
            // A block that is being worked on is out of the others' sight.
            if (Take(place, out byte* block, out nuint size))
            {
                if (random.Next(4) != 0)
                {
                    calls.Free(block);
                    continue;
                }

                nuint wanted = SizeFrom(random);
                byte* resized = (byte*)calls.Realloc(block, wanted);
                Must(resized != null, "no memory to resize");
                Check(resized, Math.Min(size, wanted), (byte)place);
                block = resized;
                size = wanted;
            }
            else
            {
                size = SizeFrom(random);
                block = (byte*)calls.Alloc(size);
                Must(block != null, "no memory");
            }

            new Span<byte>(block, (int)size).Fill((byte)place);
            if (!Put(place, block, size))
                calls.Free(block);
        }
    }

    private static nuint SizeFrom(Random random) => (nuint)(random.Next(200) switch
    {
        0 => random.Next(1, 6 << 20),
        < 10 => random.Next(1, 400_000),
        < 60 => random.Next(1, 40_000),
        _ => random.Next(1, 700),
    });

    private static void Release(int place, Calls calls)
    {
        if (Take(place, out byte* block, out _))
            calls.Free(block);
    }

    // A place is the size, which is 0 while nobody may have the block, and the block.
    private static bool Take(int place, out byte* block, out nuint size)
    {
        size = (nuint)Interlocked.Exchange(ref s_places[place * 2 + 1], 0);
        block = null;
        if (size == 0)
            return false;

        block = (byte*)Interlocked.Exchange(ref s_places[place * 2], 0);
        Check(block, size, (byte)place);
        return true;
    }

    private static bool Put(int place, byte* block, nuint size)
    {
        if (Interlocked.CompareExchange(ref s_places[place * 2], (ulong)block, 0) != 0)
            return false;

        Interlocked.Exchange(ref s_places[place * 2 + 1], size);
        return true;
    }

    private static void Check(byte* block, nuint size, byte expected) =>
        Must(!new ReadOnlySpan<byte>(block, (int)size).ContainsAnyExcept(expected), $"contents of {size} bytes at 0x{(nuint)block:x}");

    private static void End(string form, string kernel, long inUse, Func<nuint> trim, Action destroy)
    {
        Must(inUse == 0, $"{inUse} bytes in use");
        trim();
        destroy();
        Console.WriteLine($"{form}: {kernel}");
    }

    private static void MustRefuse(Action action)
    {
        try
        {
            action();
        }
        catch (ArgumentException)
        {
            return;
        }

        Must(false, "nothing was refused");
    }

    internal static void Must(bool holds, string what)
    {
        if (!holds)
            throw new InvalidOperationException(what);
    }

    private sealed class Calls(delegate*<nuint, void*> alloc, delegate*<void*, nuint, void*> realloc, delegate*<void*, void> free)
    {
        public void* Alloc(nuint size) => alloc(size);

        public void* Realloc(void* block, nuint size) => realloc(block, size);

        public void Free(void* block) => free(block);
    }
}
