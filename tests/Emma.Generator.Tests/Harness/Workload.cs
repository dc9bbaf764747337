namespace Emma.Generator.Tests.Harness;

/// <summary>A program that works a heap over, to be compiled with what the generator emits.</summary>
internal static class Workload
{
    /// <summary>
    /// The source of a class <c>Workload</c> with a method <c>Run</c>, which returns "ok" or what went wrong. It goes through small, medium
    /// and large blocks, every kind of request, the thread's own view of the heap, several threads, and the end of the heap.
    /// </summary>
    public static string For(string heap) => Source.Replace("{heap}", $"global::{heap}", StringComparison.Ordinal);

    private const string Source =
        """
        static unsafe class Workload
        {
            public static string Run()
            {
                string? failure = Blocks(1) ?? Zeroed() ?? Aligned() ?? Typed() ?? Refused() ?? Local({heap}.Local) ?? Threads();
                if (failure is not null)
                    return failure;

                {heap}.HeapStatistics statistics = {heap}.GetStatistics();
                if (statistics.InUseBytes != 0)
                    return $"{statistics.InUseBytes} bytes are still in use";
                if (statistics.MappedBytes == 0)
                    return "nothing was ever mapped";

                {heap}.LocalHeap local = {heap}.Local;
                {heap}.Trim();
                {heap}.Destroy();
                statistics = {heap}.GetStatistics();
                if (statistics.InUseBytes != 0 || statistics.Segments != 0)
                    return "something outlived Destroy";

                return Local(local) ?? Blocks(2) ?? "ok";
            }

            private static string? Blocks(int seed)
            {
                const int Count = 200;
                System.Random random = new(seed);
                byte** blocks = stackalloc byte*[Count];
                nuint* sizes = stackalloc nuint[Count];
                for (int i = 0; i < Count; i++)
                    blocks[i] = null;

                for (int round = 0; round < 4000; round++)
                {
                    int i = random.Next(Count);
                    nuint size = random.Next(100) switch
                    {
                        < 80 => (nuint)random.Next(0, 2000),
                        < 95 => (nuint)random.Next(2000, 100_000),
                        < 99 => (nuint)random.Next(100_000, 3_000_000),
                        _ => (nuint)random.Next(3_000_000, 6_000_000),
                    };
                    if (Broken(blocks[i], sizes[i], (byte)i))
                        return $"block {i} of {sizes[i]} bytes lost its content in round {round}, seed {seed}";

                    if (blocks[i] == null)
                    {
                        blocks[i] = (byte*){heap}.Alloc(size);
                    }
                    else if (random.Next(3) == 0)
                    {
                        nuint kept = size < sizes[i] ? size : sizes[i];
                        blocks[i] = (byte*){heap}.Realloc(blocks[i], size);
                        if (Broken(blocks[i], kept, (byte)i))
                            return $"Realloc from {sizes[i]} to {size} bytes lost the content, seed {seed}";
                    }
                    else
                    {
                        {heap}.Free(blocks[i]);
                        blocks[i] = null;
                        continue;
                    }

                    if (((nuint)blocks[i] & 15) != 0)
                        return $"a block of {size} bytes is not aligned";
                    if ({heap}.UsableSize(blocks[i]) < size || {heap}.GoodSize(size) < size || !{heap}.Owns(blocks[i]))
                        return $"a block of {size} bytes does not know its size";
                    sizes[i] = size;
                    {heap}.Fill(blocks[i], size, (byte)i);
                }

                for (int i = 0; i < Count; i++)
                    {heap}.Free(blocks[i]);
                return null;
            }

            private static bool Broken(byte* block, nuint size, byte expected) =>
                block != null && System.MemoryExtensions.IndexOfAnyExcept(new System.ReadOnlySpan<byte>(block, (int)size), expected) >= 0;

            private static string? Zeroed()
            {
                foreach (nuint size in new nuint[] { 1, 100, 40_000, 5_000_000 })
                {
                    for (int again = 0; again < 2; again++)
                    {
                        byte* block = (byte*){heap}.AllocZeroed(size);
                        if (Broken(block, size, 0))
                            return $"{size} zeroed bytes are not zero";
                        {heap}.Fill(block, size, 0xEE);
                        {heap}.Free(block);
                    }
                }

                return null;
            }

            private static string? Aligned()
            {
                for (nuint alignment = 1; alignment <= 1 << 20; alignment <<= 1)
                {
                    void* block = {heap}.AlignedAlloc(100, alignment);
                    if (((nuint)block & (alignment - 1)) != 0)
                        return $"a block is not aligned to {alignment}";
                    block = {heap}.AlignedRealloc(block, 100_000, alignment);
                    if (((nuint)block & (alignment - 1)) != 0)
                        return $"a grown block is not aligned to {alignment}";
                    {heap}.AlignedFree(block);
                }

                return null;
            }

            private static string? Typed()
            {
                long* numbers = {heap}.Alloc<long>(1000);
                numbers[999] = 42;
                {heap}.Free(numbers);
                System.Span<int> span = {heap}.AllocSpan<int>(1000);
                span.Fill(7);
                {heap}.Free(span);
                {heap}.Free({heap}.TryAlloc(8));
                {heap}.Free(null);
                return null;
            }

            private static string? Refused()
            {
                int local = 0;
                try
                {
                    {heap}.Free(&local);
                    return "the stack was freed";
                }
                catch (System.ArgumentException)
                {
                }

                try
                {
                    {heap}.Alloc(nuint.MaxValue, 2);
                    return "an impossible size was allocated";
                }
                catch (System.OutOfMemoryException)
                {
                    return {heap}.TryAlloc(nuint.MaxValue) == null ? null : "an impossible size was allocated";
                }
            }

            private static string? Local({heap}.LocalHeap local)
            {
                const int Count = 1000;
                byte** blocks = stackalloc byte*[Count];
                for (int round = 0; round < 3; round++)
                {
                    for (int i = 0; i < Count; i++)
                    {
                        nuint size = (nuint)(i * 7 % 1500);
                        void* block = i % 3 == 0 ? local.Alloc(size) : i % 3 == 1 ? local.AllocZeroed(size) : local.TryAlloc(size);
                        blocks[i] = (byte*)block;
                        if (((nuint)block & 15) != 0 || {heap}.UsableSize(block) < size)
                            return $"a block of {size} bytes of Local is misplaced";
                        if (i % 3 == 1 && Broken(blocks[i], size, 0))
                            return $"{size} zeroed bytes of Local are not zero";
                        {heap}.Fill(block, size, (byte)(i % 251));
                    }

                    for (int i = 0; i < Count; i++)
                    {
                        if (Broken(blocks[i], (nuint)(i * 7 % 1500), (byte)(i % 251)))
                            return $"block {i} of Local lost its content in round {round}";
                        if (i % 2 == 0)
                            local.Free(blocks[i]);
                        else
                            {heap}.Free(blocks[i]);
                    }
                }

                local.Free(local.Alloc<long>());
                local.Free(local.Alloc<long>(1_000_000));
                local.Free({heap}.Alloc(40_000));
                local.Free(null);
                try
                {
                    local.Free(&blocks);
                    return "the stack was freed through Local";
                }
                catch (System.ArgumentException)
                {
                    return local.TryAlloc(nuint.MaxValue) == null ? null : "an impossible size was allocated through Local";
                }
            }

            private static string? Threads()
            {
                string?[] failures = new string?[4];
                System.Threading.Thread[] threads = new System.Threading.Thread[failures.Length];
                for (int i = 0; i < threads.Length; i++)
                {
                    int seed = i;
                    threads[i] = new System.Threading.Thread(() =>
                    {
                        try
                        {
                            failures[seed] = Blocks(10 + seed) ?? Local({heap}.Local);
                        }
                        catch (System.Exception exception)
                        {
                            failures[seed] = exception.ToString();
                        }
                    });
                    threads[i].Start();
                }

                foreach (System.Threading.Thread thread in threads)
                    thread.Join();
                return System.Array.Find(failures, static failure => failure is not null);
            }
        }
        """;
}
