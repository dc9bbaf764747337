using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What a thread that dies in Destroy leaves: nothing that leads to memory that is gone.</summary>
        public sealed class DestroyOrderTests : HeapTest
        {
            [Fact]
            public void Destroy_forgets_all_blocks_before_it_unmaps_any_memory()
            {
                UseMuch();
                int unmapped = 0;
                long known = 0;
                using (new KernelWatch(call =>
                {
                    if (call.Number == X64.Munmap && unmapped++ == 0)
                        known = Known();
                    return null;
                }))
                {
                    Expect.NotEqual(0, Known());
                    Destroy();
                }

                Expect.True(unmapped > 1);
                Expect.Equal(0, known);
            }

            [Fact]
            public void Destroy_forgets_a_window_before_it_unmaps_what_describes_it()
            {
                nuint window = (nuint)Space->Find(UseMuch());
                nuint start = ((Window*)window)->Base;
                int seen = 0;
                bool known = true;
                using (new KernelWatch(call =>
                {
                    if (call.Number == X64.Munmap && (nuint)call.A == window)
                    {
                        seen++;
                        known = Space->Find(start) != null || Space->FirstPages != 0;
                    }

                    return null;
                }))
                {
                    Destroy();
                }

                Expect.Equal(1, seen);
                Expect.False(known);
            }

            // Leaves blocks of all kinds, in use and kept.
            // Returns: The address of one.
            private static nuint UseMuch()
            {
                Free(Alloc(5 << 20));
                Alloc(9 << 20);
                Alloc(300_000);
                for (int i = 0; i < 1000; i++)
                    Free(Alloc(100));
                return (nuint)Alloc(100);
            }

            // Bytes of blocks that the heap still knows of, in use or kept.
            private static long Known()
            {
                long bytes = (long)Large->Bytes + (long)Large->CachedBytes + Form.BytesInCaches;
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                    bytes += Bin.Of(sizeClass)->Live * (long)SizeClasses.SizeOf(sizeClass);
                return bytes;
            }
        }
    }
}
