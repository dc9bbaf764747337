namespace Emma.Soak;

/// <summary>Runs this program, with arguments, in a process of its own.</summary>
public static class Child
{
    public static void MustSucceed(string[] arguments, params (string Name, string Value)[] variables)
    {
        (int exitCode, string output) = Run(arguments, variables);
        Assert.True(exitCode == 0, $"{string.Join(' ', arguments)}: exit code {exitCode}\n{output}");
        TestContext.Current.TestOutputHelper?.WriteLine(output);
    }

    public static (int ExitCode, string Output) Run(string[] arguments, params (string Name, string Value)[] variables) =>
        OwnProgram.Run(arguments, variables);
}
