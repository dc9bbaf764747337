namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        internal partial struct AddressSpace
        {
            // Whether an address lies where the marks of one of the windows are, or would be.
            internal readonly bool IsPlaceOfMarks(nuint address)
            {
                for (Window* window = First; window != null; window = window->Next)
                {
                    if (unchecked(address - (nuint)window->Marks) < BytesOfMarks(window))
                        return true;
                }

                return false;
            }

            // Bytes of addresses that the marks of a window would take.
            internal static nuint BytesOfMarks(Window* window) => (window->Size >> Window.SlotShift) * LiveMarks.BytesPerSegment;
        }
    }
}
