namespace Emma.Generator.Tests.Disassembly;

/// <summary>A program with a method for each use of a heap that the compiler shall make short work of.</summary>
internal static class FastPathProgram
{
    /// <summary>
    /// The source of a program that uses the heap <c>MyHeap</c> first and runs the methods then, so that they are compiled as they are in a
    /// program that has run for a while. With the argument <c>early</c> it has them compiled before anything of the heap has run but the
    /// module initializer. With <c>collectible</c> it does so in a collectible load context, as a plugin would.
    /// </summary>
    public const string Source =
        """
        using System.Reflection;
        using System.Runtime.CompilerServices;
        using System.Runtime.Loader;

        internal static unsafe class Program
        {
            [MethodImpl(MethodImplOptions.NoInlining)]
            private static void* FastAlloc(nuint size) => MyHeap.Alloc(size);

            [MethodImpl(MethodImplOptions.NoInlining)]
            private static void* FastAllocConstant() => MyHeap.Alloc(64);

            [MethodImpl(MethodImplOptions.NoInlining)]
            private static long* FastAllocType() => MyHeap.Alloc<long>();

            [MethodImpl(MethodImplOptions.NoInlining)]
            private static void* FastAllocZeroedConstant() => MyHeap.AllocZeroed(64);

            [MethodImpl(MethodImplOptions.NoInlining)]
            private static void FastFree(void* block) => MyHeap.Free(block);

            [MethodImpl(MethodImplOptions.NoInlining)]
            private static void* FastLocalAlloc(MyHeap.LocalHeap local, nuint size) => local.Alloc(size);

            [MethodImpl(MethodImplOptions.NoInlining)]
            private static void* FastLocalAllocConstant(MyHeap.LocalHeap local) => local.Alloc(64);

            [MethodImpl(MethodImplOptions.NoInlining)]
            private static void FastLocalFree(MyHeap.LocalHeap local, void* block) => local.Free(block);

            [System.ThreadStatic]
            private static int t_uses;

            [MethodImpl(MethodImplOptions.NoInlining)]
            private static void UseThreadStatic() => t_uses++;

            public static void Run(bool early)
            {
                if (early)
                    Compile();
                MyHeap.Free(MyHeap.Alloc(64));
                MyHeap.LocalHeap local = MyHeap.Local;
                local.Free(local.Alloc(64));

                FastFree(FastAlloc(100));
                FastFree(FastAllocConstant());
                FastFree(FastAllocType());
                FastFree(FastAllocZeroedConstant());
                FastLocalFree(local, FastLocalAlloc(local, 100));
                FastLocalFree(local, FastLocalAllocConstant(local));
                UseThreadStatic();
            }

            private static void Compile()
            {
                foreach (MethodInfo method in typeof(Program).GetMethods(BindingFlags.NonPublic | BindingFlags.Static))
                {
                    if (method.Name.StartsWith("Fast"))
                        RuntimeHelpers.PrepareMethod(method.MethodHandle);
                }
            }

            private static void Main(string[] arguments)
            {
                bool early = System.Array.IndexOf(arguments, "early") >= 0;
                if (System.Array.IndexOf(arguments, "collectible") < 0)
                {
                    Run(early);
                    return;
                }

                AssemblyLoadContext plugin = new("plugin", isCollectible: true);
                System.Type program = plugin.LoadFromAssemblyPath(typeof(Program).Assembly.Location).GetType("Program")!;
                program.GetMethod("Run")!.Invoke(null, [early]);
            }
        }
        """;
}
