namespace Emma.Templates;

using ClrCriticalFinalizerObject = global::System.Runtime.ConstrainedExecution.CriticalFinalizerObject;
using ClrException = global::System.Exception;
using ClrGC = global::System.GC;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Lives in a static, so that it is finalized when the assembly's collectible load context is collected. Finalizers of the
        // assembly's own objects may still free blocks then. A critical finalizer runs after the ordinary ones of its round, and this one
        // waits one more round, and then for as long as each finds the heap changed since the one before: whoever came back to life in
        // between is still using it.
        internal sealed class UnloadSentinel : ClrCriticalFinalizerObject
        {
            private bool _waited;
            private ulong _seen;

            ~UnloadSentinel()
            {
                try
                {
                    ulong now = HeapState.Fingerprint();
                    if (!_waited || now != _seen || !Compilation.TryRequire(CompilationGroups.ForUpkeep))
                    {
                        _waited = true;
                        _seen = now;
                        ClrGC.ReRegisterForFinalize(this);
                        return;
                    }

                    HeapState.Unload();
                }
                catch (ClrException)
                {
                    // An exception here would end the process of the host; what is left mapped is the lesser harm.
                }
            }
        }
    }
}
