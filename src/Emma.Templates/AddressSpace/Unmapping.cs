namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // How mappings go back to the kernel, which may refuse.
        internal partial struct AddressSpace
        {
            // Unmaps a whole mapping whose head slot is Busy, and its marks. What the kernel refuses to unmap, or a thread reads that frees
            // what has been free all along, is retained.
            // Returns: the bytes given back: unmapped, or at least discarded.
            internal nuint Unmap(nuint address, nuint length)
            {
                Assert(KindAt(address) == SlotKind.Busy);
                bool isMarked = IsMarkedAt(address);
                if ((isMarked && _areMarksRead(address)) || (length != 0 && !VirtualMemory.TryUnmap(address, length)))
                    return Retain(address, length, isMarked);

                Uncharge(length);
                Spares->NoteUnmapped(length);
                if (isMarked)
                {
                    nuint marks = length == 0 ? LiveMarks.CountedPerSegment : CountedMarks(length);
                    UnchargeMetadata(marks);
                    if (!LiveMarks.TryUnmap(address))
                    {
                        RetainMarks(address);
                        return length;
                    }

                    FreeSlots(address, Window.SlotSize);
                    return length + marks;
                }

                FreeSlots(address, length);
                return length;
            }

            private nuint Retain(nuint address, nuint length, bool isMarked)
            {
                bool discarded = length == 0 || VirtualMemory.TryDecommit(address, length);
                if (isMarked)
                    LiveMarks.Discard(address);
                if (length == 0)
                    ClrInterlocked.Increment(ref _marksRetained);
                else
                    ClrInterlocked.Add(ref _retained, (long)length);
                Publish(address, length, SlotKind.Retained);
                return discarded ? length : 0;
            }

            // Keeps a slot of which nothing but the marks is mapped, which the kernel will not unmap. They are counted as a whole.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void RetainMarks(nuint address)
            {
                LiveMarks.Discard(address);
                ClrInterlocked.Add(ref _mapped, (long)LiveMarks.CountedPerSegment);
                ClrInterlocked.Add(ref _metadata, (long)LiveMarks.CountedPerSegment);
                ClrInterlocked.Increment(ref _marksRetained);
                Publish(address, 0, SlotKind.Retained);
            }

            // Cuts the tail off a mapping the caller owns. False: the kernel refused, and nothing changed.
            internal bool TryUnmapTail(nuint address, nuint oldLength, nuint newLength)
            {
                if (!VirtualMemory.TryUnmap(address + newLength, oldLength - newLength))
                    return false;

                Window* window = Find(address);
                Enter();
                window->Release(SlotCountOf(newLength) + window->SlotOf(address), SlotCountOf(oldLength) - SlotCountOf(newLength));
                _lock.Release();
                Uncharge(oldLength - newLength);
                return true;
            }

            // Unmaps part of a mapping the caller owns, which keeps its slots. False: the kernel refused, and nothing changed.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal bool TryUnmapWithin(nuint address, nuint length)
            {
                if (length != 0 && !VirtualMemory.TryUnmap(address, length))
                    return false;

                Uncharge(length);
                return true;
            }

            private readonly bool HasRetained => Retained != 0 || ClrVolatile.Read(in _marksRetained) != 0;

            // Tries again to unmap what could not be unmapped before.
            // Returns: bytes unmapped; they were discarded already.
            internal nuint RetryRetained()
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                nuint unmapped = 0;
                if (!HasRetained)
                    return 0;

                SlotWalk walk = Walk();
                for (nuint address = walk.Next(SlotKind.Retained); address != 0; address = walk.Next(SlotKind.Retained))
                {
                    if (!TryOwn(address, SlotKind.Retained, out nuint length))
                        continue;

                    if (length == 0)
                        ClrInterlocked.Decrement(ref _marksRetained);
                    else
                        ClrInterlocked.Add(ref _retained, -(long)length);
                    Unmap(address, length);
                    if (KindAt(address) != SlotKind.Retained)
                        unmapped += length;
                }

                return unmapped;
            }

            // Discards what describes windows in which nothing is mapped.
            internal void DiscardEmptyWindows()
            {
                Enter();
                for (Window* window = First; window != null; window = window->Next)
                    window->DiscardIfEmpty();
                _lock.Release();
            }

            // Unmaps everything. No other thread uses the heap, and no block of it survives.
            internal void UnmapAll()
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                Spares->Reset();
                for (nuint kind = SlotKind.Segment; kind <= SlotKind.Busy; kind++)
                {
                    SlotWalk walk = Walk();
                    for (nuint address = walk.Next(kind); address != 0; address = walk.Next(kind))
                    {
                        nuint length = LengthAt(address);
                        // A thread died before it could say what it had mapped here, if anything.
                        if (length == 0 && !IsMarkedAt(address))
                            continue;

                        if (length != 0)
                            PageMap.Set(address, length, PageMap.None, PageMap.None);
                        Publish(address, length, SlotKind.Busy);
                        Unmap(address, length);
                    }
                }

                // The neighbours of a range that could not be unmapped are gone now, so that it can.
                RetryRetained();
                if (HasRetained)
                    return;

                Window* windows = First;
                if (windows != null)
                {
                    _formerBase = windows->Base;
                    _formerSize = windows->Size;
                }

                Window* spent = (Window*)_spent;
                First = null;
                _spent = 0;
                long left = UnmapWindows(windows) + UnmapWindows(spent);
                // What threads had charged when they died is nobody's now.
                ClrVolatile.Write(ref _mapped, left);
                ClrVolatile.Write(ref _metadata, left);
            }

            // Unmaps windows in which nothing is mapped. Those that the kernel refuses to unmap are tried again the next time.
            // Returns: bytes of metadata that are still mapped.
            private long UnmapWindows(Window* window)
            {
                long left = 0;
                while (window != null)
                {
                    Window* next = window->Next;
                    long length = (long)window->MetadataLength;
                    if (!Window.TryUnmap(window))
                    {
                        window->Next = (Window*)_spent;
                        _spent = (nint)window;
                        left += length;
                    }

                    window = next;
                }

                return left;
            }
        }
    }
}
