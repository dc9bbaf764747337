namespace Emma.Consumers.Harness;

/// <summary>What the program of Projects/Shared/EveryForm.cs has to say, wherever it ran.</summary>
internal static class EveryForm
{
    private const int Forms = 5;

    /// <summary>Every form of the heap worked, there, and entered the kernel by its own code.</summary>
    public static void MustHaveRun(Finished run, string where)
    {
        string output = run.MustSucceed().Output;
        Assert.Contains(where, output);
        Assert.Equal(Forms, output.Split('\n').Count(line => line.TrimEnd().EndsWith(": Trampolines", StringComparison.Ordinal)));
    }
}
