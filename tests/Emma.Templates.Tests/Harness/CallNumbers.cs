using System.Reflection;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // The tests name a heap's system calls by x86-64's numbers, whatever processor they run on. What is asked for here touches memory
        // alone: the heap calls with its locks held.
        private static class CallNumbers
        {
            // By arm64's number; 0, read's of x86-64, also where a heap makes no such call.
            private static readonly int* s_ofX64 = (int*)NativeMemory.AllocZeroed(Most, sizeof(int));

            // By x86-64's.
            private static readonly int* s_own = (int*)NativeMemory.AllocZeroed(Most, sizeof(int));

            private const int Most = 512;

            static CallNumbers()
            {
                foreach (FieldInfo field in typeof(CallNumber).GetFields(BindingFlags.NonPublic | BindingFlags.Static))
                {
                    int number = (int)field.GetRawConstantValue()!;
                    int x64 = number & CallNumber.X64Mask;
                    int arm64 = number >> CallNumber.Arm64Shift;
                    if (arm64 == 0)
                        continue;

                    s_ofX64[arm64] = x64;
                    s_own[x64] = Assumption.IsX64 ? x64 : arm64;
                }
            }

            internal static nint NamedOf(nint number) => Assumption.IsX64 ? number : s_ofX64[number];

            internal static nint OwnOf(nint named) => s_own[named];
        }
    }
}
