namespace Emma.Templates;

using ClrRuntimeHelpers = global::System.Runtime.CompilerServices.RuntimeHelpers;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Where the fast paths lie, machine code or methods in its place: what each call reads first, and nothing writes between the start
        // of a heap and its end.
        // This is memory of the type, which the runtime puts near the code it compiles, so that an instruction can name it; the root,
        // farther away, costs one more. CoreCLR shares it with forked processes, which only read it.
        internal struct FastPathEntries
        {
            internal static readonly FastPathEntries* Current = Create();

            // Takes a block of a class.
            internal nint Take;

            // Takes a block of a size above those that the table of classes has.
            internal nint TakeLarge;

            internal nint Give;

            // Machine code; 0: there is none, and a thread static finds the cache.
            internal nint Cache;

            // Has the entries lead to machine code; 0: to methods that find the cache by a thread static, if there is one, which is none
            // before the heap starts, and an empty one once it has ended.
            internal static void Lead(FastPathEntries* entries, nint code)
            {
                ClrVolatile.Write(ref entries->Cache, code == 0 ? 0 : code + FastPathCode.CacheOffset);
                ClrVolatile.Write(ref entries->Take,
                    code == 0 ? (nint)(delegate*<nuint, void*>)&SmallBlocks.TakeFromStatic : code + FastPathCode.TakeOffset);
                ClrVolatile.Write(ref entries->TakeLarge,
                    code == 0 ? (nint)(delegate*<nuint, void*>)&SmallBlocks.TakeSizedFromStatic : code + FastPathCode.TakeLargeOffset);
                ClrVolatile.Write(ref entries->Give,
                    code == 0 ? (nint)(delegate*<void*, void*>)&SmallBlocks.GiveToStatic : code + FastPathCode.GiveOffset);
            }

            private static FastPathEntries* Create()
            {
                FastPathEntries* entries =
                    (FastPathEntries*)ClrRuntimeHelpers.AllocateTypeAssociatedMemory(typeof(FastPathEntries), sizeof(FastPathEntries));
                Lead(entries, 0);
                return entries;
            }
        }
    }
}
