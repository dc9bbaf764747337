namespace Emma.Templates;

using ClrCriticalFinalizerObject = global::System.Runtime.ConstrainedExecution.CriticalFinalizerObject;
using ClrException = global::System.Exception;
using ClrGC = global::System.GC;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// Lives in a static, so that it is finalized when the assembly's collectible load context is collected. Finalizers of the assembly's own
    /// objects may still free blocks then. A critical finalizer runs after the ordinary ones of its round, and by waiting one more round
    /// this one comes after those of objects that outlived the first.
    /// </summary>
    private sealed class UnloadSentinel : ClrCriticalFinalizerObject
    {
        private bool _waited;

        ~UnloadSentinel()
        {
            if (!_waited)
            {
                _waited = true;
                ClrGC.ReRegisterForFinalize(this);
                return;
            }

            try
            {
                Heap.Unload();
            }
            catch (ClrException)
            {
                // An exception here would end the process of the host; what is left mapped is the lesser harm.
            }
        }
    }
}
