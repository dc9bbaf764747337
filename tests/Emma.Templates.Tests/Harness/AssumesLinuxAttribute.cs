using System.Reflection;
using Xunit.v3;

namespace Emma.Templates.Tests;

/// <summary>
/// A test of what holds on Linux alone, and why: skipped on the heap of Emma.Templates.Darwin.Tests. On Windows it is left out by its
/// trait (tests/Everywhere/run): under Wine the second exception that passes through the runtime's own code ends the process, and
/// skipping is one.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class AssumesLinuxAttribute(string why) : BeforeAfterTestAttribute, ITraitAttribute
{
    public override void Before(MethodInfo methodUnderTest, IXunitTest test) =>
        Expect.SkipUnless(OperatingSystem.IsLinux(), "Assumes Linux: " + why);

    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new("Assumes", "Linux")];
}
