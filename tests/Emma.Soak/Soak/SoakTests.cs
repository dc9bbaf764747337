namespace Emma.Soak;

/// <summary>Everything at once, for a short while.</summary>
public sealed class SoakTests
{
    [Fact]
    public void Everything_at_once_harms_nothing() => Child.MustSucceed(["--soak", Minutes, "--seed", "1"]);

    [Fact]
    public void Everything_at_once_harms_nothing_while_a_host_watches() =>
        Child.MustSucceed(["--soak", Minutes, "--seed", "2", "--watched"]);

    private static string Minutes => Length.IsLong ? "0.25" : "0.05";
}
