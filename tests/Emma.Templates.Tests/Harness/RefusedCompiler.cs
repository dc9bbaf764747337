using System.Reflection;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>As long as it exists, no further group of the heap's methods is compiled, as where there is no memory for it.</summary>
        internal sealed class RefusedCompiler : IDisposable
        {
            private readonly ThreadSet _preparing;

            /// <summary>Turns away who may have groups compiled.</summary>
            internal RefusedCompiler()
            {
                const BindingFlags hidden = BindingFlags.NonPublic | BindingFlags.Static;
                _preparing = (ThreadSet)typeof(Compilation).GetField("s_preparing", hidden)!.GetValue(null)!;
                _preparing.IsClosed = true;
            }

            /// <inheritdoc/>
            public void Dispose() => _preparing.IsClosed = false;
        }
    }
}
