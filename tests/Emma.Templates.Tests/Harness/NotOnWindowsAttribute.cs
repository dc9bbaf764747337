using System.Reflection;
using Xunit.v3;

namespace Emma.Templates.Tests;

/// <summary>A test of what does not hold on Windows, or cannot be seen there, and why: skipped there.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class NotOnWindowsAttribute(string why) : BeforeAfterTestAttribute
{
    public override void Before(MethodInfo methodUnderTest, IXunitTest test) => Assumption.NotWindows(why);
}
