namespace Emma.Soak;

/// <summary>Signals that interrupt threads inside the allocator.</summary>
public sealed class SignalTests
{
    [Fact]
    public void A_registered_handler_allocates_and_frees_while_the_interrupted_threads_do() =>
        Child.MustSucceed(["signals", "--times", $"{Length.Of(1000, 3000)}"]);
}
