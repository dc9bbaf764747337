namespace Emma.Templates;

using ClrEnvironment = global::System.Environment;
using ClrException = global::System.Exception;
using ClrGC = global::System.GC;
using ClrGCHandle = global::System.Runtime.InteropServices.GCHandle;
using ClrGCHandleType = global::System.Runtime.InteropServices.GCHandleType;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Gives an idle heap's memory back without being asked: looks at the heap after each collection of the oldest generation, and trims
        // it, a piece at a time, if it has not changed since the one before.
        // Nothing refers to the object, so each collection of its generation finalizes it, and it registers itself again as long as an
        // object in a static of this assembly lives, which it knows through a weak handle. When the assembly's load context is collected
        // the handle is empty, and this ends too. (A WeakReference is itself finalizable, and empty before it is asked.)
        internal sealed class IdleTrim
        {
            // The most magazines emptied, segments discarded and owners of caches looked for in one piece: well under a millisecond each.
            internal const int MaxMagazines = 64;

            internal const int MaxSegments = 8;

            // After a collection one piece follows another for so long, at most: other finalizers wait.
            private const int MaxMilliseconds = 150;

            private ClrGCHandle _assembly;
            private ulong _seen;

            private IdleTrim(object assembly) => _assembly = ClrGCHandle.Alloc(assembly, ClrGCHandleType.Weak);

            ~IdleTrim()
            {
                try
                {
                    if (_assembly.Target is null)
                    {
                        _assembly.Free();
                        return;
                    }

                    if (ClrGC.GetGeneration(this) == ClrGC.MaxGeneration)
                        TrimIfIdle();
                    ClrGC.ReRegisterForFinalize(this);
                }
                catch (ClrException)
                {
                    // An exception here would end the process; the heap stays as large as it is.
                }
            }

            // Begins to look at the heap after each collection, for as long as an object lives.
            internal static void Begin(object assembly) => ClrGC.KeepAlive(new IdleTrim(assembly));

            // Until a piece changes nothing. Other threads wait for a piece at most.
            private static void TrimInPieces()
            {
                long end = ClrEnvironment.TickCount64 + MaxMilliseconds;
                ulong before;
                nuint given;
                do
                {
                    before = HeapState.Fingerprint();
                    given = TrimSome(MaxMagazines, MaxSegments);
                }
                while ((given != 0 || HeapState.Fingerprint() != before) && ClrEnvironment.TickCount64 < end);
            }

            private void TrimIfIdle()
            {
                // Destroy may be under way. It does not wait for finalizers, nor they for it.
                if (!HeapState.IsRunning || !State->Trimming.TryAcquire())
                    return;

                try
                {
                    if (HeapState.Fingerprint() == _seen && Compilation.TryRequire(CompilationGroups.ForUpkeep))
                        TrimInPieces();
                    _seen = HeapState.Fingerprint();
                }
                finally
                {
                    State->Trimming.Release();
                }
            }
        }
    }
}
