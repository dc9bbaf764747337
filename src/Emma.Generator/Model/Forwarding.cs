namespace Emma.Generator.Model;

// What takes a heap's place where the framework is older than net8.0: a class over Marshal.
internal enum Forwarding
{
    // A heap is written.
    None,

    WithoutSpans,

    // The compilation has Span, of the framework's own or of the package System.Memory.
    WithSpans,
}
