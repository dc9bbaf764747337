using System.Text.RegularExpressions;
using Iced.Intel;

namespace Emma.Templates.Tests;

/// <summary>
/// The machine code of a source file, as its author wrote it: a line for each instruction, with the bytes as code and, in the comment, the
/// offset, the assembly and a remark.
/// </summary>
public sealed partial class Listing
{
    private Listing(string name, string[] lines)
    {
        Name = name;
        Lines = [.. lines.Select(Line.Parse)];
    }

    /// <summary>The member that returns the bytes.</summary>
    public string Name { get; }

    public Line[] Lines { get; }

    /// <summary>Every listing of a template file, given below the templates' folder.</summary>
    public static Listing[] AllIn(string file) =>
        [
            .. Member().Matches(File.ReadAllText(Path.Combine(RepositoryRoot(), "src", "Emma.Templates", file)))
                .Select(match => new Listing(
                    match.Groups["name"].Value,
                    match.Groups["lines"].Value.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))),
        ];

    /// <summary>Demands that the listing is the disassembly of the bytes that the compiler made of it.</summary>
    public void AssertIsDisassemblyOf(ReadOnlySpan<byte> code)
    {
        Assert.Equal(Convert.ToHexString(code), string.Concat(Lines.Select(line => line.Bytes)));
        Instruction[] instructions = Disassembler.Decode(code);
        string[] wanted = new string[instructions.Length];
        for (int i = 0; i < wanted.Length; i++)
        {
            string bytes = Convert.ToHexString(code.Slice((int)instructions[i].IP, instructions[i].Length));
            wanted[i] = $"{bytes,-26} // {instructions[i].IP:x2} {Disassembler.Format(instructions[i])}";
        }

        string[] listed = [.. Lines.Select(line => $"{line.Bytes,-26} // {line.Offset} {line.Assembly}")];
        Assert.True(listed.SequenceEqual(wanted),
            $"{Name} should be listed as\n{string.Join('\n', wanted)}\nbut is as\n{string.Join('\n', listed)}");
    }

    private static string RepositoryRoot()
    {
        // tests/Everywhere/run publishes the tests to somewhere else, and says where it is itself.
        string start = Environment.GetEnvironmentVariable("EMMA_REPOSITORY") ?? AppContext.BaseDirectory;
        DirectoryInfo? directory = new DirectoryInfo(start);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Emma.Generator.sln")))
            directory = directory.Parent;
        return directory?.FullName ?? throw new InvalidOperationException("The tests run outside the repository.");
    }

    [GeneratedRegex(@"ReadOnlySpan<byte> (?<name>\w+) => ([!\w]+ \? default : )?new byte\[\]\s*\{(?<lines>[^}]*)\}")]
    private static partial Regex Member();

    /// <summary>One instruction as listed. What a line does not say is empty.</summary>
    public sealed partial record Line(string Bytes, string Offset, string Assembly)
    {
        internal static Line Parse(string text)
        {
            Match match = Format().Match(text);
            string bytes = string.Concat(match.Groups["byte"].Captures.Select(capture => capture.Value.ToUpperInvariant()));
            return new Line(bytes, match.Groups["offset"].Value, match.Groups["assembly"].Value);
        }

        [GeneratedRegex(@"^(0x(?<byte>[0-9A-Fa-f]{2}),\s*)*(//\s*((?<offset>[0-9a-f]{2,3})\s)?\s*(?<assembly>[^;]*?)\s*(;.*)?)?$")]
        private static partial Regex Format();
    }
}
