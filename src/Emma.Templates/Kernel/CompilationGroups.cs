namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Which methods are compiled together, and when. A test walks the IL of each form of the heap and says what is missing
        // (CompilationGroupTests).
        internal static class CompilationGroups
        {
            // Before the heap runs: small blocks of one thread in one segment, and the way from the kernel's refusal to the exception.
            internal const int Core = 1;

            // Before a second thread, before a second segment, and after the first refusal: waiting for locks, mending what the dead have
            // left, giving back what is free. Until then a segment stays mapped, a second one is refused, and who meets a held lock, as a
            // thread may that frees and finds no memory for the compiler, tries again until it is free or the group is there.
            internal const int Sharing = 2;

            // Before the first block that does not come from a slab, and before one is resized.
            internal const int Large = 4;
            internal const int ForLarge = Sharing | Large;

            // Before memory is given back although nobody needs it, Trim, Destroy, an idle heap, the end of the load context, and before
            // the heap is counted.
            internal const int Upkeep = 8;
            internal const int ForUpkeep = Sharing | Upkeep;

            // Before free pages are given back because they are too many.
            internal const int Purge = 16;
            internal const int ForPurge = Sharing | Purge;

            // What runs without locks alone: only if a program asks for it.
            internal const int Rest = 32;

            internal const int All = Core | Sharing | Large | Upkeep | Purge | Rest;

            // What a heap begins with. Without caches nothing tells one thread from another.
            internal const int AtStart = HasThreadCaches ? Core : Core | Sharing;

            internal const char TypeSeparator = '\n';
            internal const char NameSeparator = ' ';

            // Before the name of a method that the compiler always puts into its callers where it optimizes.
            internal const char InlinedMark = '-';

            // Before a type whose methods only heaps need that check boundaries, or that have no caches.
            internal const char CheckedMark = '+';
            internal const char LockedMark = '~';

            private const string CoreMethods =
                "AddressSpace Claim -CountedMarks Enter Find -FreeSlots -HasWindowIn -IsBeyondLimit -IsConceivable"
                + " -KeptOfFirst -LengthAt Map MapUncharged -NotePeak -Publish -RetainMarks -SetMarked -SlotCountOf"
                + " -TryCharge -TryChargeMetadata TryExtend -Uncharge -UnchargeMetadata -get_First -get_Mapped -get_MaxBytes"
                + " -set_First\n"
                + "Bin AddSlab AllocateMany -Enter FindSlab Free -FreeLocked FreeMany -HasFreed -Link -ListOf -Of -Remove"
                + " Retire -Unlink -get_BlockSize\n"
                + "CacheOwner -Leave -TryChange -get_Word\n"
                + "CurrentThread Ask -HasNewId -IdIn Kept -NameOf -Process -TryKeep -get_Id -get_Known -get_Name\n"
                + "Depot -MaxDepthOf -StackAt -TryGive -TryTake -get_Capacity -get_MagazineBytes\n"
                + "Guards Close\n"
                + "HeapInternals -AlignUp AllocSlowly -Allocate -AllocateBlock AllocateSmall Assert FailAllocation"
                + " FinishRelease -GiveBackSurplus Release ReleaseBlock ThrowOutOfMemory TryAllocSlowly\n"
                + "HeapState -EnsureRunning -get_IsRunning\n"
                + "KernelEntry Invoke -get_MappedBytes -get_TakesCode\n"
                + "KernelThreads -CurrentId -Pin -ProcessId -WakeOne\n"
                + "LiveMarks -Discard -Map MarkOf -SetIfChecked -TryUnmap\n"
                + "Lock -AcquireInlined AcquireSlow -Release Wake -get_IsHeld\n"
                + "Magazine -CapacityAt -CountAt -DepthOf -Link -NextOf -Of -Prepare -Slots -TopAt\n"
                + "MagazineStack -AddressIn -Head Push TryPop -get_Depth\n"
                + "MagazineStore Carve -Enter -Give -Take -TryGrow\n"
                + "PageMap ClassInLaterWindow -ClassOf -IsSmall Set\n"
                + "PageRun -.ctor -get_Address -get_IsNone\n"
                + "PageSpan -Describe\n"
                + "PinnedMemory -.ctor Allocate\n"
                + "Policy -get_HasScarceSlabs -get_Homes -get_IsLimited -get_Limit\n"
                + "Quarantine Reset\n"
                + "Segment -AddressOf -BitmapAt FindRun -LongestRunLog2 -MarkIdle -MaskOf -MultiplesOf -Of -PageOf -SpanAt"
                + " -UnmarkIdle -get_HoldsNothing\n"
                + "SegmentManager -AddDirtyFree Allocate -AllocateSlab Enter FindFitting -FindPages -FreeSlab -Give"
                + " -GivePages -IsReserve -KeepHugePagesOff -MapFirst MapSegment -NoteMissed -PurgeSurplus -PutBack"
                + " -ReleaseIfEmpty Relist -Take -TakeOpened -TakeOut -TryCommit -TryOpen Unlink -get_ExcessPages"
                + " -get_MayBeRefused -get_Table -get_TakenBytes\n"
                + "SizeClasses -Of -SizeOf\n"
                + "Slab -AddressOf -At -BitmapOf -GiveMany -IndexOf -Initialize -Of -PagesOf -TakeMany -TryGive -get_IsEmpty\n"
                + "SlotKind -LengthIn\n"
                + "SmallBlocks -Allocate -CountDeposits -DepotOf -Free -FreeMany -FromSlabs -ShedSurplus -get_CurrentCache"
                + " -get_HasMachineCode -get_HasTooMuchInDepots -get_SentinelTop -get_UsesMachineCode\n"
                + "SpareMappings -MayMap NoteRefusal\n"
                + "Syscalls -Discard -FutexWake -GetPid -GetRandom -GetTid -Madvise -MapAt -Mmap -Munmap\n"
                + "ThreadCache -CountDeposit -Cover -EndReading -Exchange GiveSlowly -HasBlocks -IsCovered -IsFull"
                + " -IsSentinel -LookAtWindow Reset -TakeAnyhow -TakeLoaded TakeSlowly -TellDeposits -TopsOf -TryLoadFull"
                + " -TryMakeRoom -TryRefill -Uncover -WasJustFreed\n"
                + "ThreadCacheList -Add Create -Current Enter InKey -Leave NoticeFork -get_First -get_Static\n"
                + "ThreadKey -TrySet -get_Value\n"
                + "ThreadWord -Set -get_IsUsed\n"
                + "VirtualMemory -AdviseHugePages -IsConceivable -MapAt -MapPieceAt -ReserveAt -TryCommit -TryDiscard"
                + " -TryDraw -TryMapBehind -TryUnmap -TryUnmapPiece -get_CommitsPages\n"
                + "Window -AddressOf -BitBytes Claim -ClassOf -Contains -CopyLabel FindFree -HasRoomFor -Initialize Map"
                + " MarksReach -MetadataBytes NextWith -Overlaps -Random -RecordBytes Release -SetBit -SizeUnder -SlotOf"
                + " -Take -get_DefaultSize -get_Label -get_LabelCapacity -get_MetadataReach -get_Next -get_NotFound"
                + " -get_SmallestSize -set_Next\n"
                + "+AddressSpace KindAt\n"
                + "+Bin Examine\n"
                + "+BlockSizes -Of -get_Table\n"
                + "+Canary -AreNeighboursIntact AreNeighboursIntactAtEnds -AreZerosIn -Fill -IsAmidst IsBeforeIntact"
                + " IsBehindIntact -IsFilled -IsIntact IsTailFilled -KeyOf LooksIntactBefore -LooksIntactBehind NeighboursOf"
                + " -PatternOf RequireNeighbours -RequireUntouched -ShortTail TryOwn -TryReadSize -WordBefore -WordOf -Write"
                + " -get_NeverZero\n"
                + "+EmptyBlocks Allocate Map MarkOf -get_MappedAreaBytes\n"
                + "+Guards CloseFresh FindPlace HasMappings TryClose TryOpen WayOf -get_HeaderBytes -get_SlabTail\n"
                + "+HeapInternals AllocateBlockSlowly AllocateSmallBlock ReleaseBlockSlowly\n"
                + "+HeapState -get_IsUnloaded\n"
                + "+KernelThreads -Milliseconds\n"
                + "+LiveMarks -IsSet -Of TryClear\n"
                + "+Lock Acquire\n"
                + "+MarkReaders Enter -HasMarks IsSet Leave TryClear UncachedOf\n"
                + "+Quarantine -BlockIn -ClassIn Count -Hold HoldSlowly -Let -Next -Replace -SizeIn -SlotOf -TakeOldest"
                + " get_Bytes -get_IsSteady\n"
                + "+Segment -MappedBytes MappedPages\n"
                + "+Slab IsBlockStart IsFree\n"
                + "+SmallBlocks Examine\n"
                + "+SpareMappings GiveUp MayMapWithout TryMake Unmap -get_AreHeld\n"
                + "+Syscalls Milliseconds Mprotect\n"
                + "+ThreadCache -BeginReading -Choose Free FreeMany -Give -Prepare -Retire -TakeAny -TryAllocate"
                + " TryAllocateMany\n"
                + "+VirtualMemory -ReserveReadable -TryGuard -TryProtect -TryTellApart -TryUnguard -get_CountsMappings\n"
                + "+Zeros -Any -Any128 -Are -AreMany -Clear -Clear128 -ClearFew -ClearMany\n"
                + "~Bin Allocate\n"
                + "~Slab -Take";

            private const string SharingMethods =
                "AddressSpace IsMarkedAt KindAt Recover Retain RetryRetained TryOwn Unmap -Walk get_HasRetained"
                + " get_IsOverLimit -get_Retained\n"
                + "Bin Allocate ForgetSlabs Recover ReleaseIdleSlab TryEvict\n"
                + "CacheOwner -IdIn\n"
                + "CurrentThread IsDead IsOfBeforeFork\n"
                + "Depot -Flush get_CachedBlocks -get_CachedBytes\n"
                + "HeapInternals AllocateLarger AllocateReclaimed GiveBack\n"
                + "KernelThreads -IsDead -WaitInVain\n"
                + "LargeBlocks EmptyCache Enter Recover TryUnmapOldest Uncache get_Cached\n"
                + "Lock Acquire AcquireShared TryAcquire\n"
                + "MagazineStore Recover\n"
                + "MarkReaders Remain RemainCached RemainUncached UncachedOf\n"
                + "Policy -get_Reserves\n"
                + "Quarantine Empty\n"
                + "Segment -MappedBytes MappedPages\n"
                + "SegmentManager -AddPages AdoptGrown -CountIn -CountOut EvictIdleSlabs FindAnyhow ForgetSegments GrowAny"
                + " IsEmptyReserve -IsWhole -MapPages Recover Release ReleaseAllEmpty ReleaseShared Remove -ResetCounts"
                + " StepFrom TryGrow TryGrowTo TryReserve\n"
                + "Slab Recount -Take\n"
                + "SlotWalk -.ctor Next\n"
                + "SmallBlocks AllocateFree AllocateUncached AreMarksRead Flush ReclaimBeforeMapping\n"
                + "SpareMappings NoteUnmapped\n"
                + "Syscalls FutexWait TgKill\n"
                + "ThreadCache Empty -EmptyDead -ReadAt -ResetClass Return -TakenOver\n"
                + "ThreadCacheList IsAnyReading ReclaimDead TakeFromDead TakeNobodys -TakeOver -get_Count\n"
                + "VirtualMemory -TryDecommit\n"
                + "Window Recount -get_SlotsUsed\n"
                + "~AddressSpace -LengthAt TryExtend\n"
                + "~CurrentThread -IdIn\n"
                + "~SlotKind -LengthIn\n"
                + "~Syscalls -Discard\n"
                + "~VirtualMemory -TryMapBehind";

            private const string LargeMethods =
                "AddressSpace -ReleaseBehind TryClaimBehind TryUnmapTail -TryUnmapWithin\n"
                + "HeapInternals -AllocateAligned AllocateAlignedBlock AllocateAnyBlock AllocateBig AllocateForCopy"
                + " AllocateGrowingRun AllocateLarge AllocateRun ClearDirty Grow -IsAligned -IsPageStart MakeBlock Reallocate"
                + " ReallocateBlock ReallocateLarge Reclaim ReleaseBig ReleaseCopied RequireBlock ResizeSlowly SizeOf TryResizeInPlace"
                + " UsableSizeOfBlock\n"
                + "HeapState -get_IsUnloaded\n"
                + "LargeBlocks AdviseHugePages Allocate Cache Disown FitsPages FreeOwned GiveUpTarget Grow IsWastedOnPages"
                + " -LengthFor -LengthIn -MappingIn Register SetTail -Shrink TakeCached Takes TryCache TryCut TryExtend -TryFree"
                + " TryGrowInPlace TryMove TryMovePages TryMoveTo -TryOwn TryResizeInPlace UncacheNearest -WithSlack -get_Bytes"
                + " -get_BytesFreedLast -get_MostCached Retire -TakeFreedLast -TryKeepFreed UnmapFreedLast Unregister\n"
                + "MappingLine DigitOf Take TakeRight\n"
                + "MappingList HasInaccessible\n"
                + "PageMap -IsRun -KeptRunOf RunOf -SetHead SetRun TryClearRun\n"
                + "Policy -get_KeepsRuns\n"
                + "Segment -PagesFor\n"
                + "SegmentManager -AllocateRun -AllocateRunIn -FreedLastOf FreeRun GiveBackFreedLast -PagesIn -PagesOfRun -RunIn"
                + " -ShrinkRun TakeBack -TakeFreedLast -TryExtendRun TryFreeRun\n"
                + "SizeClasses OfAligned -OfTable -get_Table\n"
                + "SmallBlocks FreeRun -GiveToStatic -IsLiveRun -TakeKept -TakeSizedFromStatic -TryGive -TryTake\n"
                + "Syscalls Close Mremap Open Read\n"
                + "ThreadCache -TryGive -TryGiveUnmarked -TryPushUnmarked -TryTake TryTakeLarge -TryTakeSized\n"
                + "VirtualMemory -TryLengthen -TryMove -get_CanMove\n"
                + "Window -AreFree\n"
                + "+Canary TryRequire\n"
                + "+EmptyBlocks Contains IsLive TryFree\n"
                + "+HeapInternals -Allocate TryResizeSmall\n"
                + "+LiveMarks -TryOwn\n"
                + "+MappedBlocks Allocate BlockAt BlockIn FillAround IsLive LengthFor RecordOf RequireIntact -StartOf"
                + " TryFree TryGetSize TryOwn\n"
                + "+ThreadCache -TryGiveMarked -TryMark -TryPushMarked -TryUnmark\n"
                + "~LiveMarks -SetIfChecked";

            private const string UpkeepMethods =
                "AddressSpace DiscardEmptyWindows UnmapAll UnmapWindows get_Metadata get_PeakMapped\n"
                + "Bin AddTo -Reset -get_Live\n"
                + "CLibrary TryFind\n"
                + "CodePage Call Unmap\n"
                + "Depot Reset get_Fingerprint\n"
                + "EmptyBlocks Reset -get_Live get_MappedBytes\n"
                + "FastPathEntries Lead\n"
                + "HeapInternals Count CountIfRunning -CountWithoutMemory NeededBeyond Number PagesFor ReasonForRefusal"
                + " TrimSome\n"
                + "HeapState Clear Fingerprint Unload\n"
                + "KernelEntry -Release UnmapCode\n"
                + "KernelThreads -Unpin -get_PinsIds\n"
                + "LargeBlocks Reset -get_CachedBytes -get_Count -get_EverAllocated\n"
                + "Loans Of Reset\n"
                + "MagazineStack TakeAll -get_Fingerprint\n"
                + "MagazineStore DiscardIfUnused Reset get_MappedBytes\n"
                + "MarkReaders Reset\n"
                + "Quarantine -get_Blocks -get_Bytes get_Fingerprint\n"
                + "SegmentManager AddTo -CountFreedLast Discard -ForgetFreedLast Reset TakeDirty Trim\n"
                + "SizeClasses -OfTable -PagesPerScarceSlab PagesPerSlab -get_Table\n"
                + "SmallBlocks AddTo Fingerprint -GiveToStatic Reset ResetSurplus -TakeFromStatic -TakeSizedFromStatic"
                + " -TrimMagazines Unload\n"
                + "SpareMappings Reset\n"
                + "ThreadCache CachedBlocks CountAt Fingerprint -TryGive -TryGiveUnmarked -TryPushUnmarked -TryTake"
                + " TryTakeLarge -TryTakeSized\n"
                + "ThreadCacheList CachedBlocks Fingerprint -ReleaseKey ResetAll UnpinAll\n"
                + "ThreadKey Delete Release\n"
                + "ThreadWord -Delete Release\n"
                + "Window DiscardIfEmpty -TryUnmap\n"
                + "+ThreadCache -TryGiveMarked -TryMark -TryPushMarked -TryUnmark\n"
                + "~CurrentThread -ReleaseKey\n"
                + "~KernelThreads -UnpinNames\n"
                + "~VirtualMemory -TryDiscard";

            private const string PurgeMethods =
                "Bin -get_Live -get_LiveBytes -get_SlabBytes\n"
                + "Lock TryAcquireFromDead\n"
                + "PageMap -IsRun TryClearRun\n"
                + "SegmentManager BeginTurn CountMissed Discard Purge TakeAged TakeBack TryFreeRun get_SurplusPages\n"
                + "SmallBlocks AskOwners BeginGathering BeginTurn Gather Look Shed ShedMagazines Shrink get_CacheShare\n"
                + "ThreadCache CountAt EmptyLoaded EmptySpare Measure ShrinkTo\n"
                + "ThreadCacheList -get_Owned";

            // Whether a line of a group, a type and some of its methods, is for heaps of this form.
            internal static bool IsOfThisForm(string line) =>
                line[0] == CheckedMark ? ChecksBoundaries : line[0] != LockedMark || !HasThreadCaches;

            internal static string Of(int group) => group switch
            {
                Core => CoreMethods,
                Sharing => SharingMethods,
                Large => LargeMethods,
                Upkeep => UpkeepMethods,
                _ => PurgeMethods,
            };
        }
    }
}
