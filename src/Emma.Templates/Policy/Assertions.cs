namespace Emma.Templates;

using ClrConditional = global::System.Diagnostics.ConditionalAttribute;
using ClrEnvironment = global::System.Environment;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // States an invariant. Checked only where EMMA_ASSERT is defined, so that a Debug build of an application does not pay for it; a
        // failure ends the process, because the heap cannot be trusted any more.
        [ClrConditional("EMMA_ASSERT")]
        internal static void Assert(
            bool condition,
            [global::System.Runtime.CompilerServices.CallerArgumentExpressionAttribute(nameof(condition))] string? expression = null)
        {
            if (!condition)
                ClrEnvironment.FailFast($"{HeapName}: broken invariant: {expression}");
        }
    }
}
