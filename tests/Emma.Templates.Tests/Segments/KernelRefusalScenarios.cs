using System.Reflection;
using System.Runtime.CompilerServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public static partial class Scenarios
        {
            private const nuint Block = (nuint)68 << 20;

            public static void RunOutOfAddressSpace()
            {
                WarmFailures();
                void* pin = Alloc(1);
                foreach (nuint size in new nuint[] { 64, 5000, 100_000, 3 << 20 })
                {
                    nuint[] blocks = new nuint[100_000];
                    ulong limit = LimitAddressSpace((nuint)48 << 20);
                    int count = 0;
                    while (count < blocks.Length && (blocks[count] = (nuint)TryAlloc(size)) != 0)
                        Pattern.Write((void*)blocks[count], 64, (ulong)count++);
                    bool threw = false;
                    try
                    {
                        Alloc((nuint)60 << 20);
                    }
                    catch (OutOfMemoryException)
                    {
                        threw = true;
                    }

                    Libc.Change(Libc.LimitOfAddressSpace, limit);
                    Expect.True(threw, $"size {size}");
                    Expect.True(count == blocks.Length || (nuint)count * GoodSize(size) > 40 << 20, $"{count} blocks of {size}");
                    AssertStatisticsAddUp(pin);
                    Expect.Equal((nuint)count * GoodSize(size) + 16, (nuint)GetStatistics().InUseBytes);
                    for (int i = 0; i < count; i++)
                    {
                        Expect.True(Pattern.FirstDifference((void*)blocks[i], 64, (ulong)i) < 0);
                        Free((void*)blocks[i]);
                    }

                    Expect.Equal((nuint)16, (nuint)GetStatistics().InUseBytes);
                    Trim();
                }
            }

            public static void ReclaimUnderAddressSpaceLimit()
            {
                WarmFailures();
                ulong limit = LimitAddressSpace(40 << 20);
                void* cached = TryAlloc(24 << 20);
                Free(cached);
                nuint kept = (nuint)GetStatistics().CachedBytes;
                // More than is left beside the cached mapping, and larger than it.
                void* block = TryAlloc(30 << 20);
                Libc.Change(Libc.LimitOfAddressSpace, limit);
                Expect.Equal((nuint)24 << 20, kept);
                Expect.True(block != null);
                Expect.Equal((nuint)0, (nuint)GetStatistics().CachedBytes);
                AssertStatisticsAddUp(block);
            }

            public static void ReclaimSmallBlocksUnderAddressSpaceLimit()
            {
                WarmFailures();
                Trim();
                ulong limit = LimitAddressSpace(40 << 20);
                nuint[] blocks = new nuint[1 << 20];
                int count = 0;
                for (nuint size = 16, bytes = 0; bytes < 32 << 20; size = size == 32_768 ? 16 : size * 2)
                {
                    blocks[count] = (nuint)TryAlloc(size);
                    bytes += blocks[count++] == 0 ? 0 : size;
                }

                for (int i = 0; i < count; i++)
                    Free((void*)blocks[i]);
                HeapStatistics kept = GetStatistics();
                // Has room only if the kernel gets back all that the caller and the depots keep.
                void* block = TryAlloc(35 << 20);
                Libc.Change(Libc.LimitOfAddressSpace, limit);
                Expect.Equal(Form.HasThreadCaches, (nuint)kept.CachedBytes > 2 << 20);
                Expect.True(block != null);
                Expect.Equal((nuint)0, (nuint)GetStatistics().CachedBytes);
                Expect.Equal(UsableSize(block), (nuint)GetStatistics().InUseBytes);
                AssertStatisticsAddUp(block);
            }

            public static void FreeWhileMunmapFails()
            {
                UseTheHeap(5);
                void* left = Alloc(Block);
                byte* middle = (byte*)Alloc(Block);
                void* right = Alloc(Block);
                Expect.Equal((nuint)left + Block, (nuint)middle);
                Expect.Equal((nuint)middle + Block, (nuint)right);
                middle[5] = 5;
                HeapStatistics before = GetStatistics();

                using (new FullTableOfMappings(0))
                    Free(middle);

                HeapStatistics after = GetStatistics();
                Expect.Equal(Block, Space->Retained);
                Expect.Equal((nuint)before.MappedBytes, (nuint)after.MappedBytes);
                Expect.Equal((nuint)before.InUseBytes - Block, (nuint)after.InUseBytes);
                Expect.Equal((nuint)before.CachedBytes + Block, (nuint)after.CachedBytes);
                AssertStatisticsAddUp(left);
                Expect.True(ProcessMaps.IsMapped((nuint)middle));
                Expect.Equal(0, middle[5]);
                Expect.False(Owns(middle));
                Expect.Throws<ArgumentException>(() => Free(middle));

                Trim();
                Expect.Equal((nuint)0, Space->Retained);
                Expect.False(ProcessMaps.IsMapped((nuint)middle));
                AssertStatisticsAddUp(left);
                Free(left);
                Free(right);
            }

            public static void DestroyWhileMunmapFails()
            {
                UseTheHeap(6);
                Destroy();
                nuint[] blocks = new nuint[5];
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = (nuint)Alloc(Block);
                using (new FullTableOfMappings(0))
                    Destroy();
                Expect.Equal(KernelEntry.MappedBytes, (nuint)GetStatistics().MappedBytes);
                foreach (nuint block in blocks)
                    Expect.False(ProcessMaps.IsMapped(block));
                UseTheHeap(7);
            }

            public static void DestroyBetweenForeignNeighbours()
            {
                UseTheHeap(8);
                Destroy();
                nuint small = (nuint)Alloc(100);
                void* gap = Alloc(3 << 20);
                nuint large = (nuint)Alloc(Block);
                Free(gap);
                Trim();
                // Others have mapped on both sides of every mapping, and the kernel has made one mapping of each three.
                nuint segment = (nuint)Segment.Of(small);
                nuint[] mappings = [segment, large, .. SlotsOf(SlotKind.Magazines)];
                List<nuint> neighbours = [];
                nuint retained = 0;
                foreach (nuint mapping in mappings)
                {
                    nuint length = Space->LengthAt(mapping);
                    retained += length;
                    foreach (nuint neighbour in new[] { mapping - 4096, mapping + length })
                    {
                        neighbours.Add(neighbour);
                        Expect.Equal((nint)neighbour, Syscalls.Mmap(neighbour, 4096, Syscalls.ProtReadWrite, Syscalls.MapAtFreeAddress));
                        if (mapping == segment)
                            Expect.Equal(0, Syscalls.Madvise(neighbour, 4096, Syscalls.MadvNoHugePage));
                    }
                }

                using (new FullTableOfMappings(0))
                    Destroy();

                Expect.Equal(Block + Segment.Size + Form.FirstMagazinesBytes, retained);
                Expect.Equal(retained, Space->Retained);
                foreach (nuint stale in new[] { small, large })
                {
                    Expect.False(Owns((void*)stale));
                    Expect.Throws<ArgumentException>(() => UsableSize((void*)stale));
                    Expect.Throws<ArgumentException>(() => Free((void*)stale));
                }

                foreach (nuint neighbour in neighbours)
                    Expect.Equal(0, Syscalls.Munmap(neighbour, 4096));
                UseTheHeap(9);
                Trim();
                Expect.Equal((nuint)0, Space->Retained);
                Expect.All(mappings, mapping => Expect.False(ProcessMaps.IsMapped(mapping)));
            }

            public static void ReallocWhileMremapFails()
            {
                void* block = GrowWhileMremapFails(out nuint size, out _);
                Expect.True(UsableSize(block) >= size);
                Expect.Equal(-1, Pattern.FirstDifference(block, 5 << 20, 1));
                AssertStatisticsAddUp();
                Free(block);
                Destroy();
                UseTheHeap(11);
            }

            public static void CountWhileMremapFails()
            {
                void* block = GrowWhileMremapFails(out _, out _);
                AssertStatisticsAddUp(block);
            }

            public static void DestroyAfterMremapFailed()
            {
                GrowWhileMremapFails(out _, out Window window);
                Destroy();
                Expect.Equal((nuint)0, ProcessMaps.BytesIn(window.Base, window.Base + window.Size));
            }

            // Grows a block of 5 MiB that cannot grow in place.
            // Returns: The block; it holds pattern 1.
            private static void* GrowWhileMremapFails(out nuint size, out Window window)
            {
                UseTheHeap(10);
                WarmFailures();
                byte* block = (byte*)Alloc(5 << 20);
                Alloc(3 << 20);
                window = *Space->Find((nuint)block);
                Pattern.Write(block, 5 << 20, 1);
                size = 9 << 20;
                void* grown;
                // Room for the mapping of a target or of a copy, but not for what mremap needs to move one.
                using (new FullTableOfMappings(3))
                    grown = TryRealloc(block, size);
                if (grown != null)
                    return grown;
                size = 5 << 20;
                return block;
            }

            // Has everything compiled that runs when memory is short.
            private static void WarmFailures()
            {
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                    Free(Alloc(SizeClasses.SizeOf(sizeClass)));
                void* block = Alloc(5 << 20);
                void* wall = Alloc(3 << 20);
                Free(Realloc(block, 9 << 20));
                Free(wall);
                Pattern.Write(&block, 8, 1);
                Trim();
                foreach (Type type in typeof(HeapInternals).GetNestedTypes(BindingFlags.NonPublic).Where(type => !type.IsGenericType))
                {
                    const BindingFlags all =
                        BindingFlags.Public | BindingFlags.NonPublic
                            | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;
                    foreach (MethodInfo method in type.GetMethods(all).Where(method => !method.IsAbstract && !method.IsGenericMethod))
                        RuntimeHelpers.PrepareMethod(method.MethodHandle);
                }

                // The heap reads the list of mappings when mremap has failed: so does this.
                Expect.DoesNotContain(File.ReadLines("/proc/self/maps"), line => line
                    .StartsWith($"{(nuint)1:x}-", StringComparison.Ordinal));
                // The compiler has the room it needs, the block has not.
                ulong limit = LimitAddressSpace(16 << 20);
                try
                {
                    Alloc(200 << 20);
                }
                catch (OutOfMemoryException)
                {
                }
                finally
                {
                    Libc.Change(Libc.LimitOfAddressSpace, limit);
                }

                Trim();
            }

            private static ulong LimitAddressSpace(nuint room)
            {
                ulong mapped = ulong.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[0]) * 4096;
                return Libc.Change(Libc.LimitOfAddressSpace, mapped + room);
            }
        }
    }
}
