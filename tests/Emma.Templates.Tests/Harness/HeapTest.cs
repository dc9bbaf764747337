using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>A test that begins with an empty heap and leaves one behind.</summary>
        public abstract class HeapTest : IDisposable
        {
            protected HeapTest()
            {
                // Tests that reach below the API do not start the heap, and come first in some orders.
                HeapState.EnsureRunning();
                // Caches of threads that earlier tests left dead are nobody's then.
                Trim();
                Destroy();
                Segments->LeastKeptPages = SegmentManager.LeastKept;
                Segments->LeastUseBytes = SegmentManager.LeastUse;
            }

            public void Dispose()
            {
                Destroy();
                GC.SuppressFinalize(this);
            }

            // Frees a page run, which does not stay among those freed last.
            protected static void FreeToSegment(void* run)
            {
                Free(run);
                Segments->GiveBackFreedLast(givingIsHeld: false);
            }

            // What the heap holds: its statistics but for the number of failed allocations.
            protected static string Figures()
            {
                HeapStatistics all = GetStatistics();
                return string.Join(", ", typeof(HeapStatistics).GetProperties()
                    .Where(property => property.Name != nameof(HeapStatistics.FailedAllocations))
                    .Select(property => $"{property.Name}: {property.GetValue(all)}"));
            }

            // Bytes that exist while no block memory does.
            protected static nuint BytesOfEmptyHeap => KernelEntry.MappedBytes;
        }

        // Puts the heap, empty, on a kernel without guard markers, for good.
        internal static void UseOldKernel()
        {
            HeapState.EnsureRunning();
            Destroy();
            OldKernel.Install(typeof(KernelEntry));
        }

        // What is counted as mapped for the marks of segments: less than is mapped for them, where a segment may still grow.
        internal static nuint CountedMarks()
        {
            nuint bytes = 0;
            foreach (nuint slot in SlotsOf(SlotKind.Segment).Concat(SlotsOf(SlotKind.Retained)).Where(slot => Space->IsMarkedAt(slot)))
            {
                nuint length = Space->LengthAt(slot);
                bytes += length == 0 ? LiveMarks.CountedPerSegment : AddressSpace.CountedMarks(length);
            }

            return bytes;
        }

        // Demands that the statistics add up, and that they are what the kernel says, if a live block leads to the windows. Not on Windows,
        // which knows of reservations of whole slots.
        internal static void AssertStatisticsAddUp(void* anyBlock = null)
        {
            HeapStatistics s = GetStatistics();
            Expect.Equal((nuint)s.MappedBytes, (nuint)s.InUseBytes + (nuint)s.FreeBytes + (nuint)s.HeaderBytes + (nuint)s.CachedBytes);
            if (anyBlock == null || OperatingSystem.IsWindows())
                return;

            // Tests of failing kernels leave places that heaps had to abandon: addresses without memory, which a later window may happen to
            // include.
            Mapping[] mappings = [.. ProcessMaps.Read().Where(mapping => IsHardened || mapping.Rights != "---p")];
            nuint mapped = KernelEntry.MappedBytes + CountedMarks();
            for (Window* window = Space->Find((nuint)anyBlock); window != null; window = window->Next)
            {
                if (HasOtherHeapIn(window))
                    return;
                mapped += ProcessMaps.BytesIn((nuint)window, (nuint)window + window->MetadataLength, mappings);
                mapped += ProcessMaps.BytesIn(window->Base, window->Base + window->Size, mappings);
            }

            Expect.True(mapped == (nuint)s.MappedBytes,
                $"the kernel has mapped {mapped} bytes, the statistics " +
                $"{(nuint)s.MappedBytes}:\n{string.Join('\n', mappings.Where(mapping => mapping.Path == ""))}");
        }

        // The addresses of the heap's mappings of some kind.
        private static nuint[] SlotsOf(nuint kind)
        {
            List<nuint> slots = [];
            SlotWalk walk = Space->Walk();
            for (nuint slot = walk.Next(kind); slot != 0; slot = walk.Next(kind))
                slots.Add(slot);
            return [.. slots];
        }

        // Whether another heap of the process has mapped within a window's addresses, which are not reserved. Then the kernel's list does
        // not say whose a mapping is. Reads through the kernel: the other heap may be unmapped meanwhile.
        private static bool HasOtherHeapIn(Window* window)
        {
            nuint start = window->Marks == null ? (nuint)window : (nuint)window->Marks;
            nuint end = window->Base + window->Size;
            using Microsoft.Win32.SafeHandles.SafeFileHandle memory = File.OpenHandle("/proc/self/mem");
            foreach (Mapping mapping in ProcessMaps.Read().Where(m => m.Rights == "rw-p" && m.Path == ""))
            {
                Window other = default;
                try
                {
                    RandomAccess.Read(memory, new Span<byte>(&other, sizeof(Window)), (long)mapping.Start);
                }
                catch (IOException)
                {
                    continue;
                }

                bool isOwn = Space->Find(other.Base) != null && (nuint)Space->Find(other.Base) == mapping.Start;
                if (other.IsOfAnyHeap && !isOwn && mapping.Start < end && other.Base + other.Size > start)
                    return true;
            }

            return false;
        }
    }
}
