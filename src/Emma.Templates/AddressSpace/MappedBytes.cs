namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What is mapped, in bytes, and the limit.
        internal partial struct AddressSpace
        {
            // Whether more is mapped than a limit allows that was lowered.
            internal readonly bool IsOverLimit => IsBeyondLimit(ClrVolatile.Read(in _mapped), 0);

            // Bytes mapped now: what the limit bounds.
            internal readonly nuint Mapped
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => (nuint)ClrVolatile.Read(in _mapped) + KernelEntry.MappedBytes;
            }

            // The most bytes that were mapped at once; about, if one thread's mapping failed while another's succeeded.
            internal readonly nuint PeakMapped => (nuint)ClrVolatile.Read(in _peak) + KernelEntry.MappedBytes;

            // Bytes that could not be unmapped; part of Mapped.
            internal readonly nuint Retained => (nuint)ClrVolatile.Read(in _retained);

            // Bytes of the windows' metadata and the code pages; part of Mapped.
            internal readonly nuint Metadata => (nuint)ClrVolatile.Read(in _metadata) + KernelEntry.MappedBytes;

            // What is counted for the marks of so many bytes of a segment, whole pages.
            internal static nuint CountedMarks(nuint length) =>
                LiveMarks.CountedPerSegment / (Window.SlotSize / Window.PageSize) * (length / Window.PageSize);

            // Counts bytes as mapped before they are; false if they would exceed the limit.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal bool TryCharge(nuint bytes)
            {
                while (true)
                {
                    long mapped = ClrVolatile.Read(ref _mapped);
                    if (IsBeyondLimit(mapped, bytes))
                        return false;
                    if (ClrInterlocked.CompareExchange(ref _mapped, mapped + (long)bytes, mapped) == mapped)
                        return true;
                }
            }

            // To be called when what was charged has been mapped.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void NotePeak()
            {
                long mapped = ClrVolatile.Read(ref _mapped);
                long peak = ClrVolatile.Read(ref _peak);
                while (mapped > peak)
                {
                    long seen = ClrInterlocked.CompareExchange(ref _peak, mapped, peak);
                    if (seen == peak)
                        return;
                    peak = seen;
                }
            }

            // A code page, which is still charged, counts by itself from now on; the peak of before had none.
            internal void NoteCodePage(nuint bytes)
            {
                long peak, without;
                do
                {
                    peak = ClrVolatile.Read(ref _peak);
                    without = ClrMath.Max(peak, ClrVolatile.Read(ref _mapped)) - (long)bytes;
                }
                while (ClrInterlocked.CompareExchange(ref _peak, without, peak) != peak);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void Uncharge(nuint bytes) => ClrInterlocked.Add(ref _mapped, -(long)bytes);

            // As TryCharge, for a window's metadata.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal bool TryChargeMetadata(nuint bytes)
            {
                if (!TryCharge(bytes))
                    return false;
                ClrInterlocked.Add(ref _metadata, (long)bytes);
                return true;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void UnchargeMetadata(nuint bytes)
            {
                ClrInterlocked.Add(ref _metadata, -(long)bytes);
                Uncharge(bytes);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool IsBeyondLimit(long mapped, nuint bytes)
            {
                long limit = Policy.Limit;
                return limit != 0 && (long)bytes > limit - mapped - (long)KernelEntry.MappedBytes;
            }
        }
    }
}
