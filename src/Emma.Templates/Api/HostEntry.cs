namespace Emma.Templates;

using ClrHandler = global::System.Func<nuint, bool>;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What a host asks of this heap, whoever wrote the plugin. The package Emma.Hosting finds the class by an attribute of the assembly
        // and the methods by their names, so that these are a contract between versions: methods are added, never changed. What the host
        // does not call is not compiled. The module initializer keeps it from being trimmed away.
        // Whoever destroys the heap has to see to it that nobody uses it, but knows of no host: so Destroy and what looks at memory here
        // exclude each other, by the lock of trimming.
        internal static class HostEntry
        {
            // What GetStatistics says, in an order that stays: a later version adds its figures behind these.
            // Returns: how many figures this heap has; as many are written as there is room for.
            // Throws OutOfMemoryException: There is no memory for the code that counts.
            internal static int ReadFigures(global::System.Span<long> figures)
            {
                HeapCount count = default;
                if (HeapState.IsRunning)
                {
                    Compilation.Require(CompilationGroups.ForUpkeep);
                    State->Trimming.Acquire();
                    count = Count();
                    State->Trimming.Release();
                }

                CountWithoutMemory(ref count);
                global::System.Span<long> all = stackalloc long[]
                {
                    count.Mapped, count.InUse, count.Free, count.Header, count.Cached, count.PeakMapped, count.Limit, count.LiveBlocks,
                    count.Failed, count.Segments, count.LargeBlocks, count.ThreadCaches, count.Owners, count.Pins, count.Arenas,
                    count.Callbacks,
                };
                all[..global::System.Math.Min(all.Length, figures.Length)].CopyTo(figures);
                return all.Length;
            }

            internal static long ReadLimit() => MemoryLimit;

            internal static void WriteLimit(long limit)
            {
                if (limit < 0)
                    ThrowBadLimit(limit);
                // At once, though trimming may have to wait.
                Policy.Limit = limit;
                if (HeapState.IsRunning && Space->IsOverLimit)
                    TrimAll();
            }

            internal static nuint TrimAll()
            {
                if (!HeapState.IsRunning || !Compilation.TryRequire(CompilationGroups.ForUpkeep))
                    return 0;

                State->Trimming.Acquire();
                nuint given = TrimSome(int.MaxValue, int.MaxValue);
                State->Trimming.Release();
                return given;
            }

            internal static bool OwnsAddress(nuint address)
            {
                if (!HeapState.IsRunning)
                    return false;

                State->Trimming.Acquire();
                bool owns = PageMap.ClassOf(address) != PageMap.None;
                State->Trimming.Release();
                return owns;
            }

            internal static ClrHandler? ReadHandler() => OutOfMemoryHandlers.Host;

            // False: another host has set one.
            internal static bool TryWriteHandler(ClrHandler? handler) => OutOfMemoryHandlers.TrySetHost(handler);
        }
    }
}
