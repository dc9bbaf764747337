using System.Reflection;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>As long as it exists, no further group of the heap's methods is compiled, as where there is no memory for it.</summary>
        internal sealed class RefusedCompiler : IDisposable
        {
            private readonly int[] _threads;
            private readonly int[] _before;
            private readonly FieldInfo _room;
            private readonly object _preparing;

            /// <summary>Fills the places of those who may have groups compiled.</summary>
            internal RefusedCompiler()
            {
                const int nobody = -1;
                const BindingFlags hidden = BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance;
                object preparing = typeof(Compilation).GetField("s_preparing", hidden)!.GetValue(null)!;
                _threads = (int[])typeof(ThreadSet).GetField("_threads", hidden)!.GetValue(preparing)!;
                _before = [.. _threads];
                _preparing = preparing;
                _room = typeof(ThreadSet).GetField("_mostParts", hidden)!;
                _room.SetValue(preparing, 0);
                Array.Fill(_threads, nobody);
            }

            /// <inheritdoc/>
            public void Dispose()
            {
                _room.SetValue(_preparing, 1000);
                for (int i = 0; i < _threads.Length; i++)
                    Volatile.Write(ref _threads[i], _before[i]);
            }
        }
    }
}
