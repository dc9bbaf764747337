using System.Buffers;
using System.IO.Pipelines;

namespace Emma.Templates.Tests;

/// <summary>A pipe whose segments a pool rents out. Not in the heap's class, which is unsafe: nothing is awaited there.</summary>
internal static class PipeRun
{
    /// <summary>Sends bytes through some times, while another task reads them, and adds them up.</summary>
    internal static async Task<long> SumAsync(MemoryPool<byte> pool, byte[] data, int times)
    {
        var pipe = new Pipe(new PipeOptions(pool));
        Task<long> reading = ReadAllAsync(pipe.Reader);
        for (int i = 0; i < times; i++)
            await pipe.Writer.WriteAsync(data);
        await pipe.Writer.CompleteAsync();
        return await reading;
    }

    private static async Task<long> ReadAllAsync(PipeReader reader)
    {
        long sum = 0;
        ReadResult result;
        do
        {
            result = await reader.ReadAsync();
            foreach (ReadOnlyMemory<byte> part in result.Buffer)
                sum += Sum(part.Span);
            reader.AdvanceTo(result.Buffer.End);
        }
        while (!result.IsCompleted);
        await reader.CompleteAsync();
        return sum;
    }

    private static long Sum(ReadOnlySpan<byte> bytes)
    {
        long sum = 0;
        for (int i = 0; i < bytes.Length; i++)
            sum += bytes[i];
        return sum;
    }
}
