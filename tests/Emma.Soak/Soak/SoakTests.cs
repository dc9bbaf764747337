namespace Emma.Soak;

/// <summary>Everything at once, for a short while.</summary>
public sealed class SoakTests
{
    [Fact]
    public void Everything_at_once_harms_nothing() => Child.MustSucceed(["--soak", Length.IsLong ? "0.25" : "0.05", "--seed", "1"]);
}
