using System.Runtime.CompilerServices;

namespace Emma.Templates.Tests;

/// <summary>A test that runs in the long form alone. What it tests has a fast test beside it.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class LongFactAttribute : FactAttribute
{
    public LongFactAttribute([CallerFilePath] string? file = null, [CallerLineNumber] int line = -1)
        : base(file, line) => Explicit = !Length.IsLong;
}
