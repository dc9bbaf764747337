using System.Buffers;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>The heap as a <see cref="MemoryPool{T}"/>, by itself and in a pipe.</summary>
        public sealed class PoolTests : HeapTest
        {
            [Fact]
            public void It_rents_4096_bytes_where_nobody_says_how_many_and_else_so_many()
            {
                Expect.Equal(Array.MaxLength, Pool.MaxBufferSize);
                using IMemoryOwner<byte> page = Pool.Rent();
                using IMemoryOwner<byte> none = Pool.Rent(0);
                using IMemoryOwner<byte> some = Pool.Rent(100_000);
                Expect.Equal(4096, page.Memory.Length);
                Expect.Equal(0, none.Memory.Length);
                Expect.Equal(100_000, some.Memory.Length);
                Expect.Equal(3, GetStatistics().LiveOwners);
            }

            [Theory]
            [InlineData(-2)]
            [InlineData(int.MinValue)]
            [InlineData(int.MaxValue)]
            public void A_size_that_no_array_has_is_refused(int size) =>
                Expect.Throws<ArgumentOutOfRangeException>(() => Pool.Rent(size));

            [Fact]
            public void It_is_one_pool_that_goes_on_when_it_is_disposed()
            {
                Expect.Same(Pool, Pool);
                Pool.Dispose();
                Pool.Rent(10).Dispose();
            }

            [Fact]
            public void A_pipe_has_its_segments_from_the_heap_and_gives_all_of_them_back()
            {
                byte[] data = new byte[10_000];
                Random.Shared.NextBytes(data);
                const int times = 200;
                long sum = PipeRun.SumAsync(Pool, data, times).GetAwaiter().GetResult();
                Expect.Equal(data.Sum(value => (long)value) * times, sum);
                Expect.Equal(0, GetStatistics().LiveOwners);
                Expect.Equal(0, GetStatistics().LiveBlocks);
            }
        }
    }
}
