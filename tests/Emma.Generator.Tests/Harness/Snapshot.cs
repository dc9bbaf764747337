using System.Runtime.CompilerServices;

namespace Emma.Generator.Tests.Harness;

/// <summary>
/// Compares a text with the one that was accepted before, in the file convention of Verify: the accepted text stands in
/// <c>Class.Method.verified.cs</c> beside the test, and a text that differs is written to <c>Class.Method.received.cs</c>.
/// </summary>
internal static class Snapshot
{
    public static void Matches(string text, [CallerFilePath] string file = "", [CallerMemberName] string test = "")
    {
        // The caller's path may be a mapped one, so only its name is taken
        string name = $"{Path.GetFileNameWithoutExtension(file)}.{test}";
        string verified = Repository.Path("tests", "Emma.Generator.Tests", $"{name}.verified.cs");
        string received = Repository.Path("tests", "Emma.Generator.Tests", $"{name}.received.cs");

        string expected = File.Exists(verified) ? File.ReadAllText(verified) : "";
        if (text == expected)
        {
            File.Delete(received);
            return;
        }

        File.WriteAllText(received, text);
        Assert.Fail($"The text differs from {name}.verified.cs; it was written to {name}.received.cs:\n{text}");
    }
}
