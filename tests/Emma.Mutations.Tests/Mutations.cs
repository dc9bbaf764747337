namespace Emma.Mutations.Tests;

// The seeded bugs of the models, and a few that no model has, as mutations of the code.
internal static class Mutations
{
    internal const string NoModel = "none";

    private const string Lock = "lock.pml";
    private const string Depot = "depot-stack.pml";
    private const string Handover = "magazine-handover.pml";
    private const string Reclaim = "cache-reclaim.pml";
    private const string Start = "start.pml";
    private const string Destroy = "destroy.pml";

    private const string EachStep =
        "CacheProtocolTests.At_every_instruction_each_block_is_in_one_place_or_the_cache_is_marked_as_being_changed";
    private const string DyingWithMark = "DeadThreadTests.The_blocks_of_a_thread_that_died_while_it_changed_its_cache_are_never_handed_out";
    private const string Emptying =
        "CacheProtocolTests.While_a_dead_threads_cache_is_emptied_it_is_marked_and_belongs_to_the_thread_that_empties_it";
    private const string CodePage =
        "StartRaceTests.A_thread_that_is_overtaken_while_it_makes_the_code_page_leaves_the_heap_to_the_one_that_was_first";

    private const string Barrier =
        "LockProtocolTests.Whoever_is_about_to_sleep_says_so_then_has_every_processor_pass_a_barrier_and_then_looks_again";

    private const string Woken = "LockProtocolTests.Whoever_gives_a_lock_back_wakes_each_thread_that_said_so_before_the_lock_was_free";

    private const string Sleeping = "LockProtocolTests.Whoever_sleeps_does_so_on_the_flag_which_it_has_raised_anew";

    private const string TakenWhileLocked =
        "MagazineStoreRaceTests.A_magazine_that_is_taken_just_before_all_are_discarded_is_not_and_the_others_are_not_lost";

    private const string Patience =
        "LockProtocolTests.Whoever_waits_asks_for_the_owner_after_each_short_sleep_and_takes_the_lock_when_it_is_dead";

    internal static Mutation[] All { get; } =
    [
        new(Lock, "NO_BARRIER", Barrier,
            new Edit(
                "ClrInterlocked.Exchange(ref _flag, Raised); ClrInterlocked.MemoryBarrierProcessWide();",
                "ClrInterlocked.Exchange(ref _flag, Raised);")),
        new(Lock, "BARRIER_BEFORE_FLAG", Barrier,
            new Edit(
                "ClrInterlocked.Exchange(ref _flag, Raised); ClrInterlocked.MemoryBarrierProcessWide();",
                "ClrInterlocked.MemoryBarrierProcessWide(); ClrInterlocked.Exchange(ref _flag, Raised);")),
        new(Lock, "FLAG_READ_FIRST", Woken,
            new Edit(
                "ClrVolatile.Write(ref _owner, 0); if (ClrVolatile.Read(ref _flag) != Lowered) Wake();",
                "bool raised = ClrVolatile.Read(ref _flag) != Lowered; ClrVolatile.Write(ref _owner, 0); if (raised) Wake();")),
        new(Lock, "NOT_LOWERED", Woken,
            new Edit("ClrVolatile.Write(ref _flag, Lowered);", "")),
        new(Lock, "LOWERED_LATE", Woken,
            new Edit(
                "ClrVolatile.Write(ref _flag, Lowered); KernelThreads.WakeOne((int*)ClrUnsafe.AsPointer(ref _flag));",
                "KernelThreads.WakeOne((int*)ClrUnsafe.AsPointer(ref _flag)); ClrVolatile.Write(ref _flag, Lowered);")),
        new(Lock, "RAISED_ONCE", Sleeping,
            new Edit("ClrInterlocked.Exchange(ref _flag, Raised);", "if (!asks) ClrInterlocked.Exchange(ref _flag, Raised);")),
        new(Lock, "ASLEEP_ON_OWNER", Sleeping,
            new Edit(
                "KernelThreads.WaitInVain((int*)ClrUnsafe.AsPointer(ref _flag), Raised, PatienceInMilliseconds)",
                "KernelThreads.WaitInVain((int*)ClrUnsafe.AsPointer(ref _owner), id, PatienceInMilliseconds)")),
        new(Lock, "NO_TAKE_OVER", Patience,
            new Edit("|| ((asks || CurrentThread.IsOfBeforeFork(owner)) && CurrentThread.IsDead(id))", "")),
        new(Lock, "ENDLESS_PATIENCE", Patience,
            new Edit("PatienceInMilliseconds = 20;", "PatienceInMilliseconds = int.MaxValue;")),
        new(Lock, "TAKE_OVER_WITHOUT_ASKING", "LockProtocolTests.An_owner_that_lives_keeps_its_lock_however_long_another_waits",
            new Edit("|| ((asks || CurrentThread.IsOfBeforeFork(owner)) && CurrentThread.IsDead(id))", "|| asks")),
        new(Lock, "TAKE_OVER_BY_STORE", "LockProtocolTests.A_dead_owners_lock_is_not_taken_from_whoever_took_it_over_meanwhile",
            new Edit(
                "if (ClrInterlocked.CompareExchange(ref _owner, self, owner) == owner) break;",
                """
                if (owner != 0)
                {
                    ClrVolatile.Write(ref _owner, self);
                    break;
                }

                if (ClrInterlocked.CompareExchange(ref _owner, self, owner) == owner)
                    break;
                """)),
        new(Lock, "OWNER_WITHOUT_BIRTH", "LockProtocolTests.Threads_to_which_the_kernel_gave_one_id_have_different_names",
            new Edit("((long)number << IdBits) | (uint)id", "(long)(uint)id")),
        new(Lock, "NOTHING_MENDED", "LockTests.A_dead_owners_lock_is_taken_over_by_one_of_those_who_wait_and_it_is_told",
            new Edit("return owner != 0;", "return false;")),

        new(Depot, "NO_TAG", "MagazineStackTests.The_head_is_never_what_it_was_although_the_same_magazine_lies_on_top",
            new Edit("((((ulong)previous >> AddressBits) + 1) << AddressBits)", "(((ulong)previous >> AddressBits) << AddressBits)")),
        new(Depot, "UNMAPPED_INSTEAD",
            "MagazineStoreRaceTests.Discarded_magazines_stay_mapped_because_a_thread_that_was_overtaken_still_reads_one",
            new Edit("VirtualMemory.TryDiscard((nuint)_areas[area], length)",
                "VirtualMemory.TryUnmap((nuint)_areas[area], length)")),
        new(Depot, "DISCARD_UNCHECKED", TakenWhileLocked,
            new Edit("if (_carved != 0 && Magazine.DepthOf(all) == _carved)", "if (_carved != 0)")),
        new(Depot, "CARVE_WITHOUT_LOCK",
            "MagazineStoreRaceTests.Who_makes_a_magazine_waits_for_whoever_is_making_or_discarding_some_and_takes_what_that_one_leaves",
            new Edit("private Magazine* Carve() { Enter();", "private Magazine* Carve() {"),
            new Edit("ClrVolatile.Write(ref _carved, _carved + 1); } _lock.Release();", "ClrVolatile.Write(ref _carved, _carved + 1); }")),
        new(Depot, "NEXT_READ_TOO_LATE", TakenWhileLocked,
            new Edit("Magazine* next = Magazine.NextOf(all); _unused.Push(all);",
                "_unused.Push(all); Magazine* next = Magazine.NextOf(all);")),

        new(Handover, "NO_MARK", EachStep, TakesWithoutMark),
        new(Handover, "NO_MARK", EachStep,
            new Edit(
                "block)) return false; ClrVolatile.Write(ref cache->_changing, 1);",
                "block)) return false;")),
        new(Handover, "MARK_NOT_READ", DyingWithMark, EmptiesWithoutLooking),
        new(Handover, "MARK_NOT_READ", DyingWithMark, TakesOverWithoutLooking),
        new(Handover, "EMPTIED_WITHOUT_MARK", EachStep,
            new Edit("nuint unmapped = 0; ClrVolatile.Write(ref cache->_changing, 1);", "nuint unmapped = 0;")),
        new(Handover, "TOP_BEFORE_BLOCK", EachStep,
            new Edit(
                "EndReading(cache); *top = (ulong)block; TopsOf(cache)[pageClass] = unchecked((ulong)(top + 1));",
                "EndReading(cache); TopsOf(cache)[pageClass] = unchecked((ulong)(top + 1)); ClrVolatile.Write(ref *top, (ulong)block);")),

        new(Reclaim, "OWNER_WITHOUT_COUNT",
            "DeadThreadTests.Who_found_an_owner_dead_does_not_get_a_cache_that_has_changed_hands_since_even_to_a_thread_with_the_same_id",
            new Edit("long changes = (word >> IdBits) + 1;", "long changes = 0;")),
        new(Reclaim, "TAKE_OVER_WITHOUT_ASKING",
            "DeadThreadTests.A_cache_in_the_name_of_a_living_thread_is_left_alone_until_that_thread_wants_it",
            new Edit("owner > 0 && CurrentThread.IsDead(process, owner) && ", "owner > 0 && ")),
        new(Reclaim, "LEFT_BEFORE_EMPTIED", Emptying,
            new Edit("unmapped += ThreadCache.EmptyDead(dead); Leave(dead);",
                "Leave(dead); unmapped += ThreadCache.EmptyDead(dead);")),
        new(Reclaim, "NO_MARK", EachStep, TakesWithoutMark),
        new(Reclaim, "MARK_NOT_READ", DyingWithMark, TakesOverWithoutLooking),
        new(Reclaim, "MARK_CLEARED_EARLY", EachStep,
            new Edit("LookAtWindow(cache); nuint alone = 0;",
                "LookAtWindow(cache); ClrVolatile.Write(ref cache->_changing, 0); nuint alone = 0;")),
        new(Reclaim, "CACHE_OF_NO_THREAD", Emptying,
            new Edit("TakeFromDead(CurrentThread.Id, ref checks)", "TakeFromDead(-1, ref checks)")),
        new(Reclaim, "ADDED_BY_STORE",
            "CacheProtocolTests.A_cache_joins_the_list_though_others_join_at_every_instruction_and_none_falls_off",
            new Edit(
                "if (ClrInterlocked.CompareExchange(ref _first, (nint)cache, first) == first) break;",
                "ClrVolatile.Write(ref _first, (nint)cache); break;")),

        new(Start, "PUBLISHED_BEFORE_BUILT", CodePage,
            new Edit(
                "private readonly nint _syscall; private readonly nint _codeBehind; private readonly nint _page;",
                "private nint _syscall; private nint _codeBehind; private nint _page;"),
            new Edit(
                "KernelEntry created = ClrOperatingSystem.IsLinux() ? Create(codeBehind) : CreateElsewhere(); " +
                "if (ClrInterlocked.CompareExchange(ref s_current, created, null) is not null) created.UnmapCode();",
                """
                KernelEntry created = new KernelEntry(0, 0, 0);
                if (ClrInterlocked.CompareExchange(ref s_current, created, null) is not null)
                    return;

                KernelEntry built = Create(codeBehind);
                created._page = built._page;
                created._codeBehind = built._codeBehind;
                ClrVolatile.Write(ref created._syscall, built._syscall);
                """)),
        new(Start, "RUNNING_FIRST", CodePage,
            new Edit(
                "Compilation.Prepare(CompilationGroups.AtStart);",
                "ClrInterlocked.CompareExchange(ref *StateWord, Running, NotStarted); " +
                "Compilation.Prepare(CompilationGroups.AtStart);")),
        new(Start, "CODE_OF_THE_LOSER", CodePage,
            new Edit("private static KernelEntry? s_current;",
                "private static KernelEntry? s_current; [global::System.ThreadStatic] private static KernelEntry? t_made;"),
            new Edit("KernelEntry created = ClrOperatingSystem.IsLinux() ? Create(codeBehind) : CreateElsewhere();",
                "KernelEntry created = t_made = Create(codeBehind);"),
            new Edit("CodeBehind => s_current!._codeBehind", "CodeBehind => (t_made ?? s_current)!._codeBehind")),
        new(Start, "PUBLISHED_BY_STORE", CodePage,
            new Edit(
                "if (ClrInterlocked.CompareExchange(ref s_current, created, null) is not null) created.UnmapCode();",
                "ClrVolatile.Write(ref s_current, created);")),
        new(Start, "LOSER_KEEPS_ITS_PAGE", CodePage,
            new Edit(
                "if (ClrInterlocked.CompareExchange(ref s_current, created, null) is not null) created.UnmapCode();",
                "ClrInterlocked.CompareExchange(ref s_current, created, null);")),
        new(Start, "LOOKED_AFTER_TWICE", "StartRaceTests.Of_threads_that_start_a_heap_together_one_has_it_looked_after",
            new Edit(
                "if (ClrInterlocked.CompareExchange(ref *StateWord, Running, NotStarted) == NotStarted)",
                """
                bool won = ClrVolatile.Read(ref *StateWord) == NotStarted;
                ClrVolatile.Write(ref *StateWord, Running);
                if (won)
                """)),
        new(Start, "SENTINEL_LAST", CodePage,
            new Edit("if (IsCollectible) KeepSentinel();", ""),
            new Edit(
                "KernelEntry.EnsureCreated(SmallBlocks.MachineCode());",
                """
                KernelEntry.EnsureCreated(SmallBlocks.MachineCode());
                if (typeof(Root).IsCollectible)
                    KeepSentinel();
                """)),

        new(Destroy, "CACHES_NOT_RESET", "CacheDestroyTests.After_Destroy_a_cache_of_the_dead_holds_nothing",
            new Edit("Caches.ResetAll();", "")),
        new(Destroy, "UNMAPPED_BEFORE_FORGOTTEN", "DestroyOrderTests.Destroy_forgets_all_blocks_before_it_unmaps_any_memory",
            new Edit("Small->Reset();", "Space->UnmapAll(); Small->Reset();"),
            new Edit("Large->Reset(); Space->UnmapAll();", "Large->Reset();")),
        new(Destroy, "WINDOW_FORGOTTEN_LATE", "DestroyOrderTests.Destroy_forgets_a_window_before_it_unmaps_what_describes_it",
            new Edit(
                "First = null; _spent = 0; long left = UnmapWindows(windows) + UnmapWindows(spent);",
                "_spent = 0; long left = UnmapWindows(windows) + UnmapWindows(spent); First = null;")),
        new(Destroy, "TRIMMED_WITHOUT_LOCK", "IdleTrimTests.A_collection_trims_nothing_while_the_heap_is_being_destroyed",
            new Edit("if (!HeapState.IsRunning || !State->Trimming.TryAcquire()) return;", "if (!HeapState.IsRunning) return;"),
            new Edit("finally { State->Trimming.Release(); }", "finally { }")),
        new(Destroy, "UNLOADED_AT_ONCE",
            "UnloadTests.An_object_of_the_plugin_that_comes_back_to_life_has_its_block_in_the_next_round_of_finalizers",
            new Edit(
                "if (!_waited || now != _seen || !Compilation.TryRequire(CompilationGroups.ForUpkeep))",
                "if (_seen == ulong.MaxValue)")),
        new(Destroy, "CODE_UNMAPPED_FIRST", "UnloadTests.Unloading_unmaps_everything",
            new Edit("Small->Unload(); KernelEntry.Release();", "Small->Unload();"),
            new Edit("internal static void Unload() {", "internal static void Unload() { KernelEntry.Release();")),

        new(NoModel, "UNMAPPED_UNDER_A_READER", "MarkReaderTests.What_a_thread_reads_is_discarded_but_stays_mapped_until_it_has_done",
            new Edit("if ((isMarked && _areMarksRead(address)) || ", "if (")),
        new(NoModel, "READ_WITHOUT_SAYING_SO",
            "MarkReaderTests.A_free_of_what_is_free_may_be_overtaken_by_the_end_of_its_segment_at_any_instruction",
            new Edit("0x48, 0x89, 0xBA, 0x40, 0x05, 0x00, 0x00,", "0x48, 0x89, 0x82, 0x40, 0x05, 0x00, 0x00,")),
        new(NoModel, "SLOTS_RELEASED_UPWARDS",
            "SlotOrderTests.Slots_are_taken_and_freed_in_an_order_in_which_none_is_ever_a_tail_without_a_head",
            new Edit("for (nuint i = count; i > 0; i--)", "for (nuint i = 1; i <= count; i++)")),
    ];

    internal static IReadOnlyCollection<Mutation> Of(string model) => [.. All.Where(mutation => mutation.Model == model)];

    private static Edit TakesWithoutMark => new Edit(
        "private static nuint TakeSlowly(ThreadCache* cache, int sizeClass) { ClrVolatile.Write(ref cache->_changing, 1);",
        "private static nuint TakeSlowly(ThreadCache* cache, int sizeClass) {");

    private static Edit EmptiesWithoutLooking =>
        new Edit("if (ClrVolatile.Read(ref cache->_changing) == 0) return Empty(cache);", "return Empty(cache);");

    private static Edit TakesOverWithoutLooking => new Edit(
        "if (ClrVolatile.Read(ref cache->_changing) != 0) Reset(cache, SmallBlocks.SentinelTop); return cache;",
        "return cache;");
}
