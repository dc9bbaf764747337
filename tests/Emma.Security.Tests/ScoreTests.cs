using System.Text;

namespace Emma.Security.Tests;

public class ScoreTests
{
    // Set to a file's path, it has the table of docs/security.md written there: all programs against all heaps, which takes a minute or
    // two.
    private const string TableVariable = "EMMA_SECURITY_TABLE";

    // What a hardened heap does not catch: nothing of the heap runs, or is touched, after the write.
    private static readonly (string Program, nuint Size)[] s_missed = [("write_after_free", 8), ("write_after_free", 4096)];

    [Fact]
    public void There_are_37_programs() => Assert.Equal(37, Misuse.Programs.Count);

    /// <summary>In the fast form with blocks of eight bytes alone.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_hardened_heap_catches_all_misuse_but_writes_to_freed_small_blocks_that_nobody_uses_again(bool withoutMarkers)
    {
        Dictionary<(string Program, nuint Size), (Outcome Outcome, string Output)> outcomes = Misuse
            .RunAll(nameof(Hardened), withoutMarkers);
        StringBuilder failures = new();
        foreach (((string program, nuint size), (Outcome outcome, string output)) in outcomes)
        {
            bool isCaught = outcome is Outcome.Harmless or Outcome.Refused or Outcome.Ended;
            if (isCaught == s_missed.Contains((program, size)))
                failures.AppendLine($"{program} at {size} bytes: {outcome}\n{output}");
        }

        Assert.True(failures.Length == 0, failures.ToString());
    }

    [Fact]
    public void What_ends_the_process_says_which_block_of_which_heap_and_what_was_found()
    {
        string output = Misuse.Run(nameof(Hardened), "one_byte_overflow", 8).Output;
        Assert.Contains("Emma.Security.Tests.HardenedHeap: memory is corrupted at the block 0x", output, StringComparison.Ordinal);
        Assert.Contains("the block was written to behind its end, 8 bytes after its beginning", output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_table_is_written_where_it_is_asked_for()
    {
        if (Environment.GetEnvironmentVariable(TableVariable) is not string path)
            return;

        Dictionary<(string Program, nuint Size), (Outcome Outcome, string Output)>[] scores = [.. Misuse.Heaps.Select(Misuse.RunAll)];
        StringBuilder table = new("| program | plain | BoundaryChecks | Hardened |\n|---|---|---|---|\n");
        foreach (string program in Misuse.Programs)
        {
            table.Append($"| {program} ");
            foreach (Dictionary<(string Program, nuint Size), (Outcome Outcome, string Output)> score in scores)
                table.Append($"| {string.Join(" ", Misuse.Sizes.Select(size => SignOf(score[(program, size)].Outcome)))} ");
            table.Append("|\n");
        }

        table.Append("| **caught of 111** ");
        foreach (Dictionary<(string Program, nuint Size), (Outcome Outcome, string Output)> score in scores)
            table.Append($"| **{score.Values.Count(run => run.Outcome is Outcome.Harmless or Outcome.Refused or Outcome.Ended)}** ");
        table.Append("|\n");
        File.WriteAllText(path, table.ToString());
    }

    private static string SignOf(Outcome outcome) => outcome switch
    {
        Outcome.NotCaught => "–",
        Outcome.Harmless => "o",
        Outcome.Refused => "r",
        Outcome.Ended => "x",
        _ => "?",
    };
}
