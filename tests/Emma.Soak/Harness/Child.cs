namespace Emma.Soak;

/// <summary>Runs this program, with arguments, in a process of its own.</summary>
public static class Child
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    public static void MustSucceed(string[] arguments, params (string Name, string Value)[] variables)
    {
        (int exitCode, string output) = Run(arguments, variables);
        Assert.True(exitCode == 0, $"{string.Join(' ', arguments)}: exit code {exitCode}\n{output}");
        TestContext.Current.TestOutputHelper?.WriteLine(output);
    }

    public static (int ExitCode, string Output) Run(string[] arguments, params (string Name, string Value)[] variables) =>
        OwnProgram.Run(s_patience, arguments, variables);
}
