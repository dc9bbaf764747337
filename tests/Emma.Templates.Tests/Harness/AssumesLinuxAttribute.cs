using System.Reflection;
using Xunit.v3;

namespace Emma.Templates.Tests;

/// <summary>
/// A test of what holds on Linux alone, and why: skipped on Windows, and on the heap of Emma.Templates.Darwin.Tests.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class AssumesLinuxAttribute(string why) : BeforeAfterTestAttribute
{
    public override void Before(MethodInfo methodUnderTest, IXunitTest test) =>
        Expect.SkipUnless(OperatingSystem.IsLinux(), "Assumes Linux: " + why);
}
