namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Which methods are compiled together, and when. A test walks the IL of each form of the heap and says what is missing
        // (CompilationGroupTests).
        internal static class CompilationGroups
        {
            // Before the heap runs: small blocks, with all that may happen to them under a lock, and the way from the kernel's refusal to
            // the exception.
            internal const int Core = 1;

            // Before the first block that does not come from a slab, and before one is resized.
            internal const int Large = 2;

            // Before memory is given back although nobody needs it: Trim, Destroy, an idle heap, the end of the load context.
            internal const int Upkeep = 4;

            // What runs without locks alone: only if a program asks for it.
            internal const int Rest = 8;

            internal const int All = Core | Large | Upkeep | Rest;

            internal const char TypeSeparator = '\n';
            internal const char NameSeparator = ' ';

            // Before the name of a method that the compiler always puts into its callers where it optimizes.
            internal const char InlinedMark = '-';

            private const string CoreMethods =
                "AddressSpace Claim -CountedMarks Enter Find FreeSlots HasWindowIn IsBeyondLimit IsConceivable IsMarkedAt"
                + " KeptOfFirst KindAt LengthAt Map MapUncharged NotePeak Publish Recover Retain RetainMarks RetryRetained"
                + " SetMarked SlotCountOf TryCharge TryChargeMetadata TryExtend TryOwn Uncharge UnchargeMetadata Unmap"
                + " -Walk -get_First get_HasRetained get_IsOverLimit get_Mapped -get_MaxBytes get_Metadata get_PeakMapped"
                + " -get_Retained set_First\n"
                + "Bin AddSlab AddTo Allocate AllocateMany -Enter Examine FindSlab ForgetSlabs Free -FreeLocked FreeMany"
                + " -HasFreed Link ListOf Of Recover ReleaseIdleSlab Remove Retire TryEvict Unlink -get_BlockSize\n"
                + "BlockSizes -Of -get_Table\n"
                + "CacheOwner -IdIn -Leave TryChange -get_Word\n"
                + "Canary -AreNeighboursIntact AreNeighboursIntactAtEnds -AreZerosIn -Fill -IsAmidst IsBeforeIntact"
                + " IsBehindIntact -IsFilled -IsIntact IsTailFilled -KeyOf LooksIntactBefore -LooksIntactBehind"
                + " NeighboursOf -PatternOf RequireNeighbours -RequireUntouched -ShortTail TryOwn -TryReadSize -WordBefore"
                + " -WordOf -Write -get_NeverZero\n"
                + "CurrentThread Ask HasNewId -IdIn -IsDead IsOfBeforeFork Kept -NameOf Process TryKeep -get_Id -get_Known"
                + " -get_Name\n"
                + "Depot Flush -MaxDepthOf StackAt TryGive TryTake get_CachedBlocks -get_CachedBytes -get_Capacity\n"
                + "EmptyBlocks Allocate Map MarkOf -get_Live get_MappedBytes\n"
                + "Guards Close CloseFresh FindPlace HasMappings TryClose TryOpen WayOf\n"
                + "HeapInternals -AlignUp AllocSlowly -Allocate -AllocateBlock AllocateBlockSlowly AllocateLarger"
                + " AllocateSmall AllocateSmallBlock Assert Count CountIfRunning FinishRelease GiveBack NeededBeyond"
                + " PagesFor Release ReleaseBlock ReleaseBlockSlowly ThrowOutOfMemory TryAllocSlowly\n"
                + "HeapState -EnsureRunning -get_IsRunning get_IsUnloaded\n"
                + "KernelEntry Invoke get_MappedBytes\n"
                + "LargeBlocks EmptyCache Enter FitsPages IsWastedOnPages -LengthFor Recover Takes TryUnmapOldest Uncache"
                + " -get_Bytes get_Cached -get_CachedBytes -get_Count\n"
                + "LiveMarks Discard -IsSet Map MarkOf -Of -SetIfChecked TryClear TryUnmap\n"
                + "Lock -Acquire AcquireSlow -Release TryAcquire Wake get_IsHeld\n"
                + "Magazine -CapacityAt CountAt DepthOf Link -NextOf -Of Prepare -Slots -TopAt\n"
                + "MagazineStack -AddressIn Head Push TryPop get_Depth\n"
                + "MagazineStore Carve Enter -Give Recover Take TryGrow get_MappedBytes\n"
                + "MarkReaders Enter -HasMarks IsSet Leave Remain RemainCached RemainUncached TryClear UncachedOf\n"
                + "PageMap ClassInLaterWindow -ClassOf -IsRun -IsSmall Set\n"
                + "PageRun .ctor get_Address -get_IsNone\n"
                + "PageSpan Describe\n"
                + "PinnedMemory -.ctor Allocate\n"
                + "Policy -get_HasScarceSlabs -get_Homes -get_IsLimited -get_Limit -get_Reserves\n"
                + "Quarantine -BlockIn -ClassIn Count Empty -Hold HoldSlowly -Let -Next -Replace Reset -SizeIn -SlotOf"
                + " -TakeOldest -get_Blocks get_Bytes -get_IsSteady\n"
                + "Segment -AddressOf BitmapAt FindRun LongestRunLog2 -MappedBytes MappedPages MarkIdle MaskOf MultiplesOf"
                + " -Of -PageOf -PagesFor -SpanAt UnmarkIdle get_HoldsNothing\n"
                + "SegmentManager AddTo AdoptGrown Allocate -AllocateSlab Enter EvictIdleSlabs FindFitting ForgetSegments"
                + " FreeSlab Give GivePages GrowAny IsEmptyReserve IsReserve -IsWhole KeepHugePagesOff MapPages MapSegment"
                + " Recover Release ReleaseAllEmpty ReleaseIfEmpty Relist Remove StepFrom Take TryFreeRun TryGrow TryGrowTo"
                + " TryReserve Unlink get_Table\n"
                + "SizeClasses -Of -PagesPerScarceSlab PagesPerSlab SizeOf\n"
                + "Slab AddressOf -At BitmapOf GiveMany -IndexOf Initialize IsBlockStart IsFree -Of PagesOf Recount -Take"
                + " TakeMany -TryGive -get_IsEmpty\n"
                + "SlotKind -LengthIn\n"
                + "SlotWalk -.ctor Next\n"
                + "SmallBlocks AddTo Allocate AllocateFree AllocateUncached -AreMarksRead DepotOf Examine Flush Free"
                + " FreeMany FromSlabs ReclaimBeforeMapping -get_CurrentCache get_HasMachineCode get_SentinelTop"
                + " -get_UsesMachineCode\n"
                + "SpareMappings GiveUp -MayMap MayMapWithout NoteRefusal NoteUnmapped Now TryAdvise TryMake Unmap"
                + " -get_AreHeld\n"
                + "Syscalls Discard FutexWait FutexWake GetPid GetRandom GetTid Madvise Mmap Mprotect Munmap TgKill\n"
                + "ThreadCache -BeginReading CachedBlocks -Choose CountAt Cover Empty EmptyDead -EndReading Exchange Free"
                + " FreeMany -Give GiveSlowly -HasBlocks IsCovered -IsFull -IsSentinel LookAtWindow -Prepare -ReadAt Reset"
                + " ResetClass -Retire Return -TakeAny TakeAnyhow TakeLoaded TakeSlowly TakenOver -TopsOf -TryAllocate"
                + " TryAllocateMany TryLoadFull TryMakeRoom TryRefill -Uncover WasJustFreed\n"
                + "ThreadCacheList Add CachedBlocks Create Current Enter InKey IsAnyReading NoticeFork ReclaimDead"
                + " TakeFromDead TakeNobodys TakeOver -get_First -get_Static\n"
                + "ThreadKey TrySet get_Value\n"
                + "ThreadWord Set -get_IsUsed\n"
                + "Window -AddressOf -BitBytes Claim ClassOf Contains CopyLabel FindFree HasRoomFor Initialize Map"
                + " MarksReach MetadataBytes NextWith Overlaps Random -RecordBytes Recount Release SetBit SizeUnder -SlotOf"
                + " Take -get_DefaultSize -get_HighestBase get_Label -get_LabelCapacity -get_LowestBase get_MetadataReach"
                + " -get_Next -get_NotFound -get_SlotsUsed -get_SmallestSize -set_Next\n"
                + "Zeros -Any -Any128 -Are -AreMany -Clear -Clear128 -ClearFew -ClearMany";

            private const string LargeMethods =
                "AddressSpace ReleaseBehind TryClaimBehind TryUnmapTail TryUnmapWithin\n"
                + "Canary TryRequire\n"
                + "EmptyBlocks Contains IsLive TryFree\n"
                + "HeapInternals -Allocate -AllocateAligned AllocateAlignedBlock AllocateBig AllocateForCopy AllocateLarge"
                + " AllocateRun ClearDirty Grow -IsAligned -IsPageStart Reallocate ReallocateBlock ReallocateLarge Reclaim"
                + " ReleaseBig ReleaseCopied RequireBlock SizeOf TryResizeInPlace TryResizeSmall UsableSizeOfBlock\n"
                + "HeapState get_IsUnloaded\n"
                + "LargeBlocks AdviseHugePages Allocate Cache Disown FreeOwned GiveUpTarget Grow Register SetTail Shrink"
                + " TakeCached TryCache TryCut TryExtend TryFree TryGrowInPlace TryMove TryMovePages TryMoveTo TryOwn"
                + " TryResizeInPlace UncacheNearest Unregister -WithSlack -get_MostCached\n"
                + "LiveMarks -SetIfChecked -TryOwn\n"
                + "MappedBlocks Allocate BlockAt BlockIn FillAround IsLive LengthFor RecordOf RequireIntact -StartOf"
                + " TryFree TryGetSize TryOwn\n"
                + "MappingLine DigitOf Take TakeRight\n"
                + "MappingList HasInaccessible\n"
                + "PageMap -IsRun -KeptRunOf RunOf SetRun\n"
                + "Policy -get_KeepsRuns\n"
                + "SegmentManager -AllocateRun PagesOfRun ShrinkRun TryExtendRun TryFreeRun\n"
                + "SizeClasses OfAligned\n"
                + "SmallBlocks FreeRun -IsLiveRun -ReclaimBeforeMapping TakeKept\n"
                + "Syscalls Close Mremap Open Read\n"
                + "Window AreFree";

            private const string UpkeepMethods =
                "AddressSpace DiscardEmptyWindows UnmapAll UnmapWindows\n"
                + "Bin -Reset -get_Live\n"
                + "CLibrary TryFind\n"
                + "CodePage Call Unmap\n"
                + "CurrentThread -ReleaseKey\n"
                + "Depot Reset get_Fingerprint\n"
                + "EmptyBlocks Reset\n"
                + "FastPathEntries Lead\n"
                + "HeapInternals TrimSome\n"
                + "HeapState Clear Fingerprint Unload\n"
                + "KernelEntry -Release UnmapCode\n"
                + "LargeBlocks Reset -get_EverAllocated\n"
                + "MagazineStack TakeAll -get_Fingerprint\n"
                + "MagazineStore DiscardIfUnused Reset\n"
                + "MarkReaders Reset\n"
                + "Quarantine get_Fingerprint\n"
                + "SegmentManager Discard Reset Trim\n"
                + "SizeClasses -OfTable -get_Table\n"
                + "SmallBlocks Fingerprint -GiveToStatic Reset TakeFromStatic -TakeSizedFromStatic -TrimMagazines Unload\n"
                + "SpareMappings Reset\n"
                + "ThreadCache Fingerprint -TryGive -TryGiveMarked -TryGiveUnmarked -TryMark -TryPushMarked"
                + " -TryPushUnmarked -TryTake TryTakeLarge -TryTakeSized -TryUnmark\n"
                + "ThreadCacheList Fingerprint -ReleaseKey ResetAll\n"
                + "ThreadKey Delete Release\n"
                + "ThreadWord -Delete Release\n"
                + "Window DiscardIfEmpty TryUnmap";

            internal static string Of(int group) => group switch
            {
                Core => CoreMethods,
                Large => LargeMethods,
                _ => UpkeepMethods,
            };
        }
    }
}
