using System.Text;

namespace Emma.Mutations.Tests;

// A change of the templates: a fragment of code that is found exactly once in all of their files, and what takes its place. White space
// does not count, so that files may be indented anew and code may move between them.
internal sealed record Edit(string Find, string Replace)
{
    // Where the fragment begins in each file that has it, and how long it is there.
    internal static List<(int Start, int Length)> Places(string text, string fragment)
    {
        // The text without white space, and where each of its characters was.
        StringBuilder dense = new StringBuilder(text.Length);
        List<int> positions = new List<int>(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsWhiteSpace(text[i]))
                continue;
            dense.Append(text[i]);
            positions.Add(i);
        }

        string all = dense.ToString();
        string sought = string.Concat(fragment.Where(c => !char.IsWhiteSpace(c)));
        List<(int, int)> places = [];
        for (int at = all.IndexOf(sought, StringComparison.Ordinal); at >= 0; at = all.IndexOf(sought, at + 1, StringComparison.Ordinal))
            places.Add((positions[at], positions[at + sought.Length - 1] + 1 - positions[at]));
        return places;
    }

    // Makes the change in one of the files.
    internal void Apply(Dictionary<string, string> files)
    {
        List<(string File, int Start, int Length)> found =
            [.. files.SelectMany(file => Places(file.Value, Find).Select(place => (file.Key, place.Start, place.Length)))];
        Assert.True(found.Count == 1, $"Found {found.Count} times{string.Concat(found.Select(f => ", in " + f.File))}:\n{Find}");
        (string name, int start, int length) = found[0];
        files[name] = string.Concat(files[name].AsSpan(0, start), Replace, files[name].AsSpan(start + length));
    }
}

// A bug of a model, seeded in the code.
// Model: The model's file; none of a model's: the issue's or a user's.
// Bug: The macro, without its prefix.
// Test: The test that must fail: its class and its method.
// Edits: What makes the bug.
internal sealed record Mutation(string Model, string Bug, string Test, params Edit[] Edits)
{
    // Unique: some bugs can be seeded in several places.
    public override string ToString() => $"{Model} {Bug}: {Test}";
}
