using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks;

// What the command line asks for.
internal sealed record Settings
{
    internal const string Usage = """
        usage: dotnet run -c Release --project benchmarks/Emma.Benchmarks -- [mode] [options]

          micro      what one thread does over and over, every peer in turn in one process
          lifetimes  arenas and memory owners beside pairs, the stack, arrays of a pool and NativeMemory
          callbacks  a loop in machine code that allocates and frees through function pointers, as a C library does
          workloads  allocator workloads with one and two threads, every peer in a process of its own
          lifetime   what stays resident while programs work, shrink, end threads and rest, every peer in a process of its own
          start      what is compiled before a heap's first block is there, and how long it takes
          footprint  what idle heaps cost: resident bytes, mappings, addresses, time, size of the assembly
          scaling    cost per operation as the live heap and the number of threads grow
          lookup     the page map against a header found by masking the pointer
          all        all of these (the default)

          --quick    everything small: shows that it works, its figures mean nothing
          --filter   only the patterns and workloads whose names contain the text
          --peer NAME=PATH[:prefix]
                     another native allocator beside those that Debian has, as often as there are some;
                     its functions are found by what stands before "malloc" in their names
        """;

    internal static IReadOnlyList<string> Modes { get; } =
        ["micro", "lifetimes", "callbacks", "workloads", "lifetime", "start", "footprint", "scaling", "lookup"];

    internal string Mode { get; private init; } = "all";

    internal bool Quick { get; private init; }

    internal string Filter { get; private init; } = "";

    // Reads the command line; null if it cannot be understood.
    internal static Settings? Parse(string[] args)
    {
        Settings settings = new();
        for (int i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--quick":
                    settings = settings with { Quick = true };
                    break;
                case "--filter" when i + 1 < args.Length:
                    settings = settings with { Filter = args[++i] };
                    break;
                case "--peer" when i + 1 < args.Length && LibraryPeers.TryAdd(args[i + 1]):
                    i++;
                    break;
                case string mode when mode == "all" || Modes.Contains(mode):
                    settings = settings with { Mode = mode };
                    break;
                default:
                    return null;
            }
        }

        return settings;
    }

    internal bool Runs(string mode) => Mode == "all" || Mode == mode;

    internal bool Wants(string name) => name.Contains(Filter, StringComparison.OrdinalIgnoreCase);
}
