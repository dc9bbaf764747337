using System.Text;

namespace Emma.Generator.Tests.Harness;

/// <summary>
/// Source text that says where which diagnostic is expected: <c>{|EMMA0002:"class"|}</c> marks the text <c>"class"</c>. Marks may be
/// nested.
/// </summary>
internal sealed class Markup
{
    private Markup(string source, List<(string Id, int Start, int End)> expected)
    {
        Source = source;
        Expected = [.. expected.OrderBy(mark => mark.Start).ThenBy(mark => mark.Id, StringComparer.Ordinal)];
    }

    public string Source { get; }

    public (string Id, int Start, int End)[] Expected { get; }

    public static Markup Parse(string text)
    {
        StringBuilder source = new();
        Stack<(string Id, int Start)> open = new();
        List<(string, int, int)> expected = [];
        for (int i = 0; i < text.Length; i++)
        {
            if (text.AsSpan(i).StartsWith("{|"))
            {
                int colon = text.IndexOf(':', i);
                open.Push((text[(i + 2)..colon], source.Length));
                i = colon;
            }
            else if (text.AsSpan(i).StartsWith("|}"))
            {
                (string id, int start) = open.Pop();
                expected.Add((id, start, source.Length));
                i++;
            }
            else
            {
                source.Append(text[i]);
            }
        }

        return new Markup(source.ToString(), expected);
    }
}
