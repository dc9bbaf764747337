namespace Emma.Templates;

using ClrBindingFlags = global::System.Reflection.BindingFlags;
using ClrException = global::System.Exception;
using ClrGC = global::System.GC;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMarshal = global::System.Runtime.InteropServices.Marshal;
using ClrMethodBase = global::System.Reflection.MethodBase;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrNativeMemory = global::System.Runtime.InteropServices.NativeMemory;
using ClrOutOfMemoryException = global::System.OutOfMemoryException;
using ClrRuntimeFeature = global::System.Runtime.CompilerServices.RuntimeFeature;
using ClrRuntimeHelpers = global::System.Runtime.CompilerServices.RuntimeHelpers;
using ClrStopwatch = global::System.Diagnostics.Stopwatch;
using ClrThread = global::System.Threading.Thread;
using ClrType = global::System.Type;
using ClrUnconditionalSuppressMessage = global::System.Diagnostics.CodeAnalysis.UnconditionalSuppressMessageAttribute;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Has the heap's methods compiled before they run, whether anybody has called them or not. A method compiled at its first call may
        // find the compiler out of memory just when the kernel refuses mappings, and throw, with a lock held and work half done. And a
        // forked child cannot compile at all: the runtime writes machine code to memory that child and parent share, so that both would go
        // astray. Members that users have added to the class are compiled with it: nothing tells them from the heap's own.
        [ClrUnconditionalSuppressMessage("Trimming", "IL2070")] // What is trimmed away is not called.
        [ClrUnconditionalSuppressMessage("Trimming", "IL2075")]
        internal static class Compilation
        {
            // Bytes from which the base library's methods for memory do their work in another way, twice.
            private const int ManyBytes = 8192;

            private static readonly ThreadSet s_preparing = new ThreadSet();

            private const ClrBindingFlags Declared = ClrBindingFlags.DeclaredOnly | ClrBindingFlags.Static | ClrBindingFlags.Instance
                | ClrBindingFlags.Public | ClrBindingFlags.NonPublic;

            // Loads the assemblies that the heap's code refers to, one type of each. The runtime loads an assembly when the first method
            // that needs it is compiled, which may be too late: a load that fails for want of a descriptor fails for ever, and the first
            // use of a reference may run a load context's resolver on this thread, which may use the heap: never while a lock is held.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static void LoadBaseLibrary()
            {
                ClrGC.KeepAlive(typeof(ClrInterlocked));
                ClrGC.KeepAlive(typeof(ClrMarshal));
                ClrGC.KeepAlive(typeof(ClrStopwatch));
                ClrGC.KeepAlive(typeof(ClrThread));
            }

            internal static void Prepare()
            {
                // To compile a user's method may run a load context's resolver on this thread, which may use the heap: then it does
                // without.
                if (!ClrRuntimeFeature.IsDynamicCodeCompiled || !s_preparing.TryEnter())
                    return;

                try
                {
                    UseBaseLibrary();
                    Prepare(typeof(HeapInternals).DeclaringType!);
                    Prepare(typeof(HeapStatistics));
                    Prepare(typeof(LocalHeap));
                    Prepare(typeof(HeapInternals));
                    foreach (ClrType part in typeof(HeapInternals).GetNestedTypes(ClrBindingFlags.NonPublic))
                        Prepare(part);
                }
                catch (ClrException exception) when (exception is not ClrOutOfMemoryException)
                {
                    // A type that a member of the user's names cannot be loaded. The heap works, but its parts are compiled as they are
                    // called.
                }
                finally
                {
                    s_preparing.Leave();
                }
            }

            private static void Prepare(ClrType type)
            {
                foreach (ClrMethodBase method in type.GetMethods(Declared))
                    Prepare(method);
                foreach (ClrMethodBase constructor in type.GetConstructors(Declared))
                    Prepare(constructor);
            }

            private static void Prepare(ClrMethodBase method)
            {
                try
                {
                    if (!method.ContainsGenericParameters)
                        ClrRuntimeHelpers.PrepareMethod(method.MethodHandle);
                }
                catch (ClrException exception) when (exception is not ClrOutOfMemoryException)
                {
                    // One that the user has added to the class, and that cannot be compiled: whoever calls it will see.
                }
            }

            // Has what the heap calls of the base library bound to its code.
            private static void UseBaseLibrary()
            {
                byte* bytes = stackalloc byte[ManyBytes];
                ClrNativeMemory.Fill(bytes, ManyBytes, 1);
                ClrNativeMemory.Clear(bytes, ManyBytes);
                ClrNativeMemory.Copy(bytes, bytes + ManyBytes / 2, ManyBytes / 2);
                ClrThread.SpinWait(1);
            }
        }
    }
}
