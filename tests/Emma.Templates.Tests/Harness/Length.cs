namespace Emma.Templates.Tests;

/// <summary>
/// How long tests take: a few minutes in all, or, where the environment has EMMA_LONG=1 as on the machine that every change passes, as long
/// as they are worth. Every promise has a test in the fast form.
/// </summary>
public static class Length
{
    public const string Variable = "EMMA_LONG";

    public static bool IsLong { get; } = Environment.GetEnvironmentVariable(Variable) == "1";

    /// <summary>How many rounds, threads, deaths or the like there are in the form that runs.</summary>
    public static int Of(int fast, int full) => IsLong ? full : fast;
}
