using Emma.Templates;

// dotnet run -c Release --project benchmarks/Emma.Benchmarks -- lookup|pairs
switch (args)
{
    case ["lookup"]:
        EmmaHeap.LookupBenchmark.Run();
        return 0;
    case ["pairs"]:
        PairBenchmark.Run();
        return 0;
    default:
        Console.Error.WriteLine("One of: lookup (page map against masked header), pairs (allocate, write, free against NativeMemory).");
        return 2;
}
