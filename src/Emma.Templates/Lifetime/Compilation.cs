namespace Emma.Templates;

using ClrBindingFlags = global::System.Reflection.BindingFlags;
using ClrDynamicallyAccessedMembers = global::System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembersAttribute;
using ClrDynamicallyAccessedMemberTypes = global::System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes;
using ClrMethodInfo = global::System.Reflection.MethodInfo;
using ClrRuntimeFeature = global::System.Runtime.CompilerServices.RuntimeFeature;
using ClrRuntimeHelpers = global::System.Runtime.CompilerServices.RuntimeHelpers;
using ClrType = global::System.Type;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// Has the layers below the API compiled before they run. A method compiled at its first call may find the compiler out of memory just when
    /// the kernel refuses mappings, and throw, with a lock held and work half done.
    /// </summary>
    private static class Compilation
    {
        private const ClrDynamicallyAccessedMemberTypes Methods =
            ClrDynamicallyAccessedMemberTypes.PublicMethods | ClrDynamicallyAccessedMemberTypes.NonPublicMethods;

        internal static void Prepare()
        {
            if (!ClrRuntimeFeature.IsDynamicCodeCompiled)
                return;

            Prepare(typeof(Lock));
            Prepare(typeof(CurrentThread));
            Prepare(typeof(KernelEntry));
            Prepare(typeof(Syscalls));
            Prepare(typeof(AddressSpace));
            Prepare(typeof(Window));
            Prepare(typeof(SlotWalk));
            Prepare(typeof(PageMap));
            Prepare(typeof(Segment));
            Prepare(typeof(SegmentManager));
            Prepare(typeof(LargeBlocks));
            Prepare(typeof(SizeClasses));
            Prepare(typeof(Slab));
            Prepare(typeof(Bin));
            SmallBlocks.Prepare();
        }

        internal static void Prepare([ClrDynamicallyAccessedMembers(Methods)] ClrType type)
        {
            const ClrBindingFlags declared = ClrBindingFlags.DeclaredOnly | ClrBindingFlags.Static | ClrBindingFlags.Instance
                | ClrBindingFlags.Public | ClrBindingFlags.NonPublic;
            foreach (ClrMethodInfo method in type.GetMethods(declared))
                ClrRuntimeHelpers.PrepareMethod(method.MethodHandle);
        }
    }
}
