namespace Emma.Templates;

using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        internal static nuint AlignUp(nuint value, nuint alignment) => (value + (alignment - 1)) & ~(alignment - 1);

        // The bytes of a number of elements; so many that no heap has them if the product overflows.
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static nuint Product(nuint count, nuint size) =>
            (count | size) <= uint.MaxValue ? unchecked(count * size) : LargeProduct(count, size);

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static nuint LargeProduct(nuint count, nuint size) =>
            ClrMath.BigMul(count, size, out ulong low) == 0 ? (nuint)low : nuint.MaxValue;
    }
}
