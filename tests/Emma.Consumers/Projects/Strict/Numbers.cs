using System.Runtime.InteropServices;

[assembly: CLSCompliant(false)]
[assembly: ComVisible(false)]
[assembly: EmmaAllocator("Strict.Memory", Public = true)]

namespace Strict;

/// <summary>Sums numbers in a block of the heap, so that this project has code of its own beside the emitted.</summary>
public static unsafe class Numbers
{
    /// <summary>The sum of the whole numbers below a bound.</summary>
    /// <param name="bound">The first number that is left out.</param>
    /// <returns>The sum.</returns>
    public static long SumBelow(int bound)
    {
        int* numbers = Memory.Alloc<int>((nuint)bound);
        long sum = 0;
        for (int i = 0; i < bound; i++)
        {
            numbers[i] = i;
            sum += numbers[i];
        }

        Memory.Free(numbers);
        return sum;
    }
}
