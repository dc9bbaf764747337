using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public sealed partial class LocalHeapTests
        {
            [Fact]
            public void A_second_free_and_an_address_inside_a_block_are_refused()
            {
                LocalHeap local = Local;
                foreach (nuint size in s_sizes)
                {
                    ShadowBlock block = Stamp.Write(local.Alloc(size), size);
                    for (nuint offset = 1; offset < size; offset += 1 + size / 13)
                        Expect.True(Throws<ArgumentException>(heap => heap.Free((void*)(block.Address + offset))),
                            $"size {size}, offset {offset}");
                    Stamp.Check(block);
                    local.Free((void*)block.Address);
                    HeapStatistics before = GetStatistics();
                    Expect.True(Throws<ArgumentException>(heap => heap.Free((void*)block.Address)), $"size {size}, through Local");
                    Expect.Throws<ArgumentException>(() => Free((void*)block.Address));
                    Expect.Equal(before, GetStatistics());
                    Free(local.Alloc(size));
                    Expect.True(Throws<ArgumentException>(heap => heap.Free((void*)block.Address)), $"size {size}, freed by the heap");
                }
            }
        }
    }
}
