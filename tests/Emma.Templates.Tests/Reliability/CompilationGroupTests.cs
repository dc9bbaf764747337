using System.Reflection;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Each group has what its operations may call while they hold a lock, as the IL of this form of the heap says.</summary>
        public sealed class CompilationGroupTests
        {
            // What is called where no lock is held, and is compiled then.
            private static readonly string[] s_lockless =
            [
                "HeapState.Start", "HeapInternals.ThrowBadPointer", "HeapInternals.ThrowNotLive", "Compilation.*", "Corruption.*",
                "OutOfMemoryHandlers.*",
                // Where it is called, all of it is compiled when the kernel is found.
                "WindowsKernel.*", "DarwinKernel.*",
            ];

            private static readonly string[] s_coreRoots =
            [
                "HeapInternals.AllocSlowly", "HeapInternals.TryAllocSlowly", "HeapInternals.AllocateSmall",
                "HeapInternals.AllocateBlockSlowly", "HeapInternals.ReleaseBlock", "HeapInternals.ReleaseBlockSlowly",
                "HeapInternals.Release", "ThreadCache.Free", "HeapInternals.AllocateSmallBlock", "ThreadCache.TryAllocateMany",
                "HeapInternals.FailAllocation",
            ];

            private static readonly string[] s_calledByPointer = ["Bin.TryEvict", "SmallBlocks.AreMarksRead"];

            // Whoever calls one of these has asked for the group, or has found a lock to be a dead thread's, which takes the group.
            private static readonly string[] s_sharingRoots =
            [
                "Lock.AcquireShared", "AddressSpace.Recover", "SegmentManager.Recover", "Bin.Recover", "LargeBlocks.Recover",
                "MagazineStore.Recover", "HeapInternals.AllocateReclaimed", "SmallBlocks.ReclaimBeforeMapping",
                "SmallBlocks.AllocateUncached", "ThreadCacheList.TakeOver", "SegmentManager.FindAnyhow", "SegmentManager.ReleaseShared",
                .. s_calledByPointer,
            ];

            private static readonly string[] s_largeRoots =
            [
                "HeapInternals.AllocateBig", "HeapInternals.ReleaseBig", "HeapInternals.Reallocate", "HeapInternals.ReallocateBlock",
                "HeapInternals.ResizeSlowly", "HeapInternals.UsableSizeOfBlock", "MappedBlocks.Allocate", "MappedBlocks.TryFree",
                "MappedBlocks.TryGetSize",
                // No run is kept before one was allocated, and nothing was freed last.
                "SegmentManager.TryFreeRun", "SegmentManager.GiveBackFreedLast", "LargeBlocks.UnmapFreedLast",
            ];

            private static readonly string[] s_upkeepRoots =
            [
                "HeapInternals.TrimSome", "HeapInternals.Count", "HeapInternals.ReasonForRefusal", "HeapState.Clear",
                "HeapState.Unload", "HeapState.Fingerprint",
            ];

            // Whoever calls one of these has asked for the group.
            private static readonly string[] s_purgeRoots = ["SegmentManager.Purge", "SegmentManager.CountMissed", "SmallBlocks.Shed"];

            [Fact]
            public void Each_group_has_what_its_operations_may_call()
            {
                List<string> missing = [];
                HashSet<string> present = [];
                string[] large = [.. s_largeRoots, "MappedBlocks.*"];
                string[] upkeep = [.. s_upkeepRoots, .. s_purgeRoots];
                AddMissing(CompilationGroups.Core, s_coreRoots, [.. s_sharingRoots, .. large, .. upkeep], present, missing);
                AddMissing(CompilationGroups.Sharing, s_sharingRoots, [.. large, .. upkeep], present, missing);
                AddMissing(CompilationGroups.Purge, s_purgeRoots, [], [.. present], missing);
                AddMissing(CompilationGroups.Large, s_largeRoots, upkeep, present, missing);
                AddMissing(CompilationGroups.Upkeep, s_upkeepRoots, s_purgeRoots, present, missing);
                Expect.True(missing.Count == 0, $"missing:\n{string.Join('\n', missing.Distinct())}\n");
            }

            // Adds the methods that are reached from some, but for those present, which a group lacks, and makes them present.
            private static void AddMissing(int group, string[] roots, string[] beyond, HashSet<string> present, List<string> missing)
            {
                Dictionary<string, bool> listed = Parse(CompilationGroups.Of(group));
                string[] further = [.. beyond.Except(roots)];
                HashSet<MethodBase> needed = CallGraph.Closure(
                    CallGraph.AllMethods().Where(method => roots.Contains(NameOf(method))),
                    callee => IsIn(callee, s_lockless) || IsIn(callee, further));
                HashSet<MethodBase> called = [.. needed.Where(IsNotOptimized).SelectMany(CallGraph.CalledBy)];
                foreach (MethodBase method in needed)
                {
                    string name = NameOf(method);
                    bool isInlined = IsInlined(method) && !called.Contains(method) && !s_calledByPointer.Contains(name);
                    if (present.Contains(name) || (listed.TryGetValue(name, out bool saidInlined) && (isInlined || !saidInlined)))
                        continue;
                    missing.Add($"{group} {method.DeclaringType!.Name} {(isInlined ? CompilationGroups.InlinedMark : "")}{method.Name}");
                    listed.TryAdd(name, isInlined);
                }

                present.UnionWith(listed.Keys);
            }

            private static bool IsIn(MethodBase method, string[] names) =>
                names.Contains(NameOf(method)) || names.Contains(method.DeclaringType!.Name + ".*");

            private static bool IsNotOptimized(MethodBase method) =>
                (method.MethodImplementationFlags & MethodImplAttributes.NoOptimization) != 0;

            // Where the compiler optimizes it puts so short a method into its callers, or one that says so.
            private static bool IsInlined(MethodBase method)
            {
                const int alwaysInlinedBytes = 16;
                MethodBody? body = method.GetMethodBody();
                bool isInlined = (method.MethodImplementationFlags & MethodImplAttributes.AggressiveInlining) != 0
                    || body?.GetILAsByteArray()!.Length <= alwaysInlinedBytes;
                return isInlined
                    && body!.ExceptionHandlingClauses.Count == 0
                    && (method.MethodImplementationFlags & MethodImplAttributes.NoInlining) == 0;
            }

            private static string NameOf(MethodBase method) => $"{method.DeclaringType!.Name}.{method.Name}";

            // The methods of a group, and of each whether it is said to be inlined.
            private static Dictionary<string, bool> Parse(string group) => group
                .Split(CompilationGroups.TypeSeparator, StringSplitOptions.RemoveEmptyEntries)
                .Where(CompilationGroups.IsOfThisForm)
                .Select(line => line.TrimStart(CompilationGroups.CheckedMark, CompilationGroups.LockedMark))
                .Select(line => line.Split(CompilationGroups.NameSeparator))
                .SelectMany(names => names.Skip(1).Select(name => (Type: names[0], Name: name)))
                .ToDictionary(
                    entry => $"{entry.Type}.{entry.Name.TrimStart(CompilationGroups.InlinedMark)}",
                    entry => entry.Name[0] == CompilationGroups.InlinedMark);
        }
    }
}
