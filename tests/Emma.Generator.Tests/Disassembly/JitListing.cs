using System.Text.RegularExpressions;

namespace Emma.Generator.Tests.Disassembly;

/// <summary>The machine code of one method as the just-in-time compiler lists it (DOTNET_JitDisasm).</summary>
internal sealed partial class JitListing
{
    private readonly string[] _instructions;
    private readonly Dictionary<string, int> _labels;

    private JitListing(string text)
    {
        Text = text;
        List<string> instructions = [];
        _labels = [];
        foreach (string line in text.Split('\n'))
        {
            if (Label().Match(line) is { Success: true } label)
                _labels.Add(label.Groups[1].Value, instructions.Count);
            else if (Instruction().Match(line) is { Success: true } instruction)
                instructions.Add($"{instruction.Groups[1].Value} {instruction.Groups[2].Value}".Trim());
        }

        _instructions = [.. instructions];
    }

    public string Text { get; }

    /// <summary>The instructions in the order in which they lie: mnemonic, a space, operands.</summary>
    public IReadOnlyList<string> Instructions => _instructions;

    /// <summary>All methods of a compiler's output, under their names alone.</summary>
    public static Dictionary<string, JitListing> Read(string output) =>
        Method().Matches(output).ToDictionary(method => method.Groups["name"].Value, method => new JitListing(method.Value.Trim()));

    public static bool IsBranch(string instruction) => instruction[0] == 'j' && !instruction.StartsWith("jmp ", StringComparison.Ordinal);

    /// <summary>Whether control goes elsewhere to come back, or for good: by name, or by a pointer.</summary>
    public static bool IsCall(string instruction) => Call().IsMatch(instruction);

    /// <summary>The longest way from the beginning to a return that leaves out what is excluded.</summary>
    public string[] LongestWay(Predicate<string> excluded) =>
        Way(0, excluded, []) ?? throw new InvalidOperationException($"Every way through is excluded:\n{Text}");

    private string[]? Way(int start, Predicate<string> excluded, HashSet<int> passed)
    {
        Assert.True(passed.Add(start), $"a loop:\n{Text}");
        string instruction = _instructions[start];
        string[]? rest = null;
        if (instruction == "ret")
        {
            rest = [];
        }
        else if (!excluded(instruction))
        {
            foreach (int next in Successors(start))
            {
                string[]? way = Way(next, excluded, passed);
                if (way is not null && (rest is null || way.Length > rest.Length))
                    rest = way;
            }
        }

        passed.Remove(start);
        return rest is null ? null : [instruction, .. rest];
    }

    private IEnumerable<int> Successors(int index)
    {
        string instruction = _instructions[index];
        if (instruction[0] == 'j')
            yield return _labels[instruction[(instruction.LastIndexOf(' ') + 1)..]];
        if (!instruction.StartsWith("jmp ", StringComparison.Ordinal) && instruction != "int3")
            yield return index + 1;
    }

    [GeneratedRegex(
        @"^; Assembly listing for method [^\n]*:(?<name>\w+)\(.*?^; Total bytes of code \d+",
        RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Method();

    [GeneratedRegex(@"^(G_M\d+_IG\d+):")]
    private static partial Regex Label();

    [GeneratedRegex(@"^ +(?!align )([a-z][\w.]*)\s*(.*?)\s*$")]
    private static partial Regex Instruction();

    [GeneratedRegex(@"^(call|tail\.jmp) ")]
    private static partial Regex Call();
}
