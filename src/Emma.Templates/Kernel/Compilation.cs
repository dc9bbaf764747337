namespace Emma.Templates;

using ClrArray = global::System.Array;
using ClrBindingFlags = global::System.Reflection.BindingFlags;
using ClrEnvironment = global::System.Environment;
using ClrException = global::System.Exception;
using ClrGC = global::System.GC;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMarshal = global::System.Runtime.InteropServices.Marshal;
using ClrMethodBase = global::System.Reflection.MethodBase;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplAttributes = global::System.Reflection.MethodImplAttributes;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrNativeMemory = global::System.Runtime.InteropServices.NativeMemory;
using ClrOutOfMemoryException = global::System.OutOfMemoryException;
using ClrRuntimeFeature = global::System.Runtime.CompilerServices.RuntimeFeature;
using ClrRuntimeHelpers = global::System.Runtime.CompilerServices.RuntimeHelpers;
using ClrStopwatch = global::System.Diagnostics.Stopwatch;
using ClrThread = global::System.Threading.Thread;
using ClrType = global::System.Type;
using ClrUnconditionalSuppressMessage = global::System.Diagnostics.CodeAnalysis.UnconditionalSuppressMessageAttribute;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Has the heap's methods compiled before they run. A method compiled at its first call may find the compiler out of memory just
        // when the kernel refuses mappings, and throw, with a lock held and work half done. To compile all of them takes longer than most
        // programs allocate, so they are compiled in groups (CompilationGroups), each before the first lock of an operation that may need
        // it; what runs without a lock is compiled when it is called. A forked child cannot compile at all: the runtime writes machine code
        // to memory that child and parent share, so that both would go astray; programs that fork have everything compiled first.
        [ClrUnconditionalSuppressMessage("Trimming", "IL2026")] // What is trimmed away is not called.
        [ClrUnconditionalSuppressMessage("Trimming", "IL2070")]
        [ClrUnconditionalSuppressMessage("Trimming", "IL2075")]
        internal static class Compilation
        {
            // Bytes from which the base library's methods for memory do their work in another way, twice.
            private const int ManyBytes = 8192;

            // Whether the runtime's compiler puts short methods into their callers, so that none has to be compiled by itself. Where an
            // assembly cannot be unloaded it begins without.
            private static bool Inlines => IsOptimized && IsCollectible;

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

            // Whether some groups have been compiled.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool Has(int groups) => (ClrVolatile.Read(ref *PreparedWord) & groups) == groups;

            // Has groups compiled unless they are. The caller holds no lock. False: there is no memory for it; nothing has changed.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryRequire(int groups) => Has(groups) || TryPrepare(groups);

            // The same. Throws OutOfMemoryException: There is no memory for it; nothing has changed.
            internal static void Require(int groups)
            {
                if (!Has(groups))
                    Prepare(groups);
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static bool TryPrepare(int groups)
            {
                try
                {
                    Prepare(groups);
                    return Has(groups);
                }
                catch (ClrOutOfMemoryException)
                {
                    return false;
                }
            }

            // Has groups compiled, whether anybody has called their methods or not. Any number of threads may race.
            // Throws OutOfMemoryException: There is no memory for them.
            internal static void Prepare(int groups)
            {
                // To compile a method may run a load context's resolver on this thread, which may use the heap: then it does without.
                ThreadPlace? place = s_preparing.TryEnter();
                if (place is null)
                    return;

                try
                {
                    if (ClrRuntimeFeature.IsDynamicCodeCompiled)
                    {
                        for (int group = 1; group <= CompilationGroups.Rest; group <<= 1)
                        {
                            if ((groups & ~ClrVolatile.Read(ref *PreparedWord) & group) == 0)
                                continue;

                            PrepareGroup(group);
                            // Each as soon as it is there: a resolver that the next one runs may need it.
                            ClrInterlocked.Or(ref *PreparedWord, group);
                        }
                    }
                }
                catch (ClrException exception) when (exception is not ClrOutOfMemoryException)
                {
                    // In the last group: a type that a member of the user's names cannot be loaded. The heap works, but its parts are
                    // compiled as they are called.
                }
                finally
                {
                    place.Leave();
                }

                ClrInterlocked.Or(ref *PreparedWord, groups);
            }

            private static void PrepareGroup(int group)
            {
                if (group == CompilationGroups.Core)
                    UseBaseLibrary();
                // Bound by being called: in a forked child it would be too late.
                if (group == CompilationGroups.Purge)
                    ClrGC.KeepAlive(ClrEnvironment.TickCount64);
                if (group == CompilationGroups.Rest)
                {
                    PrepareRest();
                    return;
                }

                foreach (string line in CompilationGroups.Of(group).Split(CompilationGroups.TypeSeparator))
                {
                    if (!CompilationGroups.IsOfThisForm(line))
                        continue;

                    string[] names = line.TrimStart(CompilationGroups.CheckedMark, CompilationGroups.LockedMark)
                        .Split(CompilationGroups.NameSeparator);
                    PrepareMethods(names[0] == nameof(HeapInternals) ? typeof(HeapInternals) : Part(names[0]), names);
                }
            }

            // Has a type's methods compiled, and what they call of HeapInternals, and of another type, that is in no group.
            // Throws OutOfMemoryException: There is no memory for them.
            internal static void PrepareEntries(ClrType type, string[] called, ClrType? other = null)
            {
                if (ClrRuntimeFeature.IsDynamicCodeCompiled)
                {
                    PrepareMethods(typeof(HeapInternals), called);
                    PrepareMethods(other, called);
                    PrepareMethods(type, names: null);
                }
            }

            private static void PrepareRest()
            {
                PrepareMethods(typeof(HeapInternals).DeclaringType, names: null);
                PrepareMethods(typeof(HeapStatistics), names: null);
                PrepareMethods(typeof(LocalHeap), names: null);
                foreach (ClrType type in ManagedTypes.All)
                    PrepareMethods(type, names: null);
                PrepareMethods(typeof(HeapInternals), names: null);
                // Another system's is not needed, and on its own it is compiled when its functions are found.
                foreach (ClrType part in typeof(HeapInternals).GetNestedTypes(ClrBindingFlags.NonPublic))
                    PrepareMethods(part == typeof(WindowsKernel) || part == typeof(DarwinKernel) ? null : part, names: null);
            }

            // A type of the heap's. To ask for a nested type has the runtime load all of them, 20 KiB in each plugin; to ask by full name
            // has the base library's parser of names compiled, 3 ms in each process.
            private static ClrType? Part(string name) => IsCollectible
                ? typeof(HeapInternals).Assembly.GetType($"{typeof(HeapInternals).FullName}+{name}")
                : typeof(HeapInternals).GetNestedType(name, ClrBindingFlags.NonPublic);

            // Has methods of a type compiled: those of some names, or all. To list a type's methods once takes less than to ask for each.
            private static void PrepareMethods(ClrType? type, string[]? names)
            {
                if (type is null)
                    return;

                foreach (ClrMethodBase method in type.GetMethods(Declared))
                    PrepareIfNamed(method, names);
                foreach (ClrMethodBase constructor in type.GetConstructors(Declared))
                    PrepareIfNamed(constructor, names);
            }

            private static void PrepareIfNamed(ClrMethodBase method, string[]? names)
            {
                bool isNeeded = names is null
                    ? !(Inlines && IsInlined(method))
                    : ClrArray.IndexOf(names, method.Name) >= 0
                        || (!Inlines && ClrArray.IndexOf(names, CompilationGroups.InlinedMark + method.Name) >= 0);
                try
                {
                    if (isNeeded && !method.ContainsGenericParameters)
                        ClrRuntimeHelpers.PrepareMethod(method.MethodHandle);
                }
                catch (ClrException exception) when (exception is not ClrOutOfMemoryException)
                {
                    // One that the user has added to the class, and that cannot be compiled: whoever calls it will see.
                }
            }

            // Whether the heap alone calls a method, and has it inlined.
            private static bool IsInlined(ClrMethodBase method) =>
                !method.IsPublic && (method.MethodImplementationFlags & ClrMethodImplAttributes.AggressiveInlining) != 0;

            // Has what the heap calls of the base library bound to its code.
            private static void UseBaseLibrary()
            {
                byte* bytes = stackalloc byte[ManyBytes];
                ClrNativeMemory.Clear(bytes, ManyBytes);
                ClrNativeMemory.Copy(bytes, bytes + ManyBytes / 2, ManyBytes / 2);
                ClrThread.SpinWait(1);
                ClrThread.Yield();
            }
        }
    }
}
