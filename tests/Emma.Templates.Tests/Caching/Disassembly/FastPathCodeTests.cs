using System.Buffers.Binary;
using System.Numerics;
using System.Reflection;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;
using Iced.Intel;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// The machine code of the fast paths, held against its listing, the structures whose offsets it knows, and the code page.
        /// </summary>
        public class FastPathCodeTests
        {
            private static readonly Listing[] s_listings = Listing.AllIn("Caching/Cached/FastPathCode.cs");

            // What a C function, and managed code with it, may change without saving it.
            private static readonly Register[] s_scratch =
            [
                Register.RAX, Register.RCX, Register.RDX, Register.RSI, Register.RDI, Register.R8, Register.R9, Register.R10, Register.R11,
            ];

            private delegate ReadOnlySpan<byte> Getter();

            public static TheoryData<string, int, int, int> Figures => ChecksBoundaries
                ? new()
                {
                    { nameof(FastPathCode.Cache), 4, 1, 28 },
                    { nameof(FastPathCode.TakeChecked), 20, 4, 89 },
                    { nameof(FastPathCode.GiveChecked), 33, 7, 220 },
                }
                : new()
                {
                    { nameof(FastPathCode.Cache), 4, 1, 28 },
                    { nameof(FastPathCode.Take), 13, 3, 60 },
                    { nameof(FastPathCode.Give), 25, 6, 129 },
                };

            /// <summary>The routines of this form: with BoundaryChecks or without.</summary>
            public static TheoryData<string> Routines => [.. s_listings.Select(listing => listing.Name).Where(IsOfThisForm)];

            /// <summary>Those of them that find a cache: all but the one that finds the class for another.</summary>
            public static TheoryData<string> RoutinesWithCache =>
                [.. s_listings.Select(listing => listing.Name).Where(name => IsOfThisForm(name) && name != nameof(FastPathCode.TakeLarge))];

            [Fact]
            public void Every_routine_is_listed()
            {
                string[] routines =
                [
                    .. typeof(FastPathCode).GetProperties(BindingFlags.Static | BindingFlags.NonPublic)
                        .Where(property => property.PropertyType == typeof(ReadOnlySpan<byte>))
                        .Select(property => property.Name),
                ];

                Expect.Contains(nameof(FastPathCode.Take), routines);
                Expect.Equal(routines.Order(), s_listings.Select(listing => listing.Name).Order());
            }

            [Theory]
            [MemberData(nameof(Routines))]
            public void The_comments_beside_the_bytes_are_their_disassembly(string routine) =>
                s_listings.Single(listing => listing.Name == routine).AssertIsDisassemblyOf(BytesOf(routine));

            /// <summary>
            /// The recorded figures: what runs where the magazine serves, which is the code in a row up to the first return, and the length
            /// of all of it. Whoever changes the code records its new figures here.
            /// </summary>
            [Theory]
            [MemberData(nameof(Figures))]
            public void A_hit_takes_as_many_instructions_and_branches_as_recorded(string routine, int instructions, int branches, int bytes)
            {
                Instruction[] code = Disassembler.Decode(BytesOf(routine));

                Instruction[] hit = code[..(Array.FindIndex(code, instruction => instruction.Mnemonic == Mnemonic.Ret) + 1)];
                Expect.Equal((instructions, branches, bytes), (hit.Length, hit.Count(IsBranch), BytesOf(routine).Length));
            }

            [Theory]
            [MemberData(nameof(RoutinesWithCache))]
            public void Nothing_waits_calls_or_loops_and_every_way_ends_in_a_return(string routine)
            {
                Instruction[] code = Disassembler.Decode(BytesOf(routine));

                Expect.Equal(Mnemonic.Ret, code[^1].Mnemonic);
                Expect.All(code, instruction =>
                {
                    Expect.False(instruction.HasLockPrefix, $"{routine}: {Disassembler.Format(instruction)}");
                    Expect.Contains(instruction.FlowControl, new[] { FlowControl.Next, FlowControl.ConditionalBranch, FlowControl.Return });
                    Expect.True(
                        !IsBranch(instruction)
                            || (instruction.NearBranchTarget > instruction.IP
                                && code.Any(other => other.IP == instruction.NearBranchTarget)),
                        $"{routine}: {Disassembler.Format(instruction)} at 0x{instruction.IP:x} leads back, or to no instruction");
                });
            }

            [Theory]
            [MemberData(nameof(Routines))]
            public void Only_registers_that_a_caller_expects_to_lose_are_written_and_the_stack_is_left_alone(string routine)
            {
                InstructionInfoFactory factory = new InstructionInfoFactory();
                foreach (Instruction instruction in Disassembler.Decode(BytesOf(routine))
                    .Where(instruction => instruction.Mnemonic != Mnemonic.Ret))
                {
                    InstructionInfo info = factory.GetInfo(instruction);
                    Expect.All(
                        info.GetUsedRegisters().Where(used => used.Access is not (OpAccess.Read or OpAccess.CondRead)),
                        used => Expect.Contains(used.Register.GetFullRegister(), s_scratch));
                    Expect.DoesNotContain(info.GetUsedRegisters(), used => used.Register.GetFullRegister() == Register.RSP);
                }
            }

            [Theory]
            [MemberData(nameof(RoutinesWithCache))]
            public void The_numbers_of_the_threads_word_are_where_the_heap_writes_them(string routine)
            {
                ReadOnlySpan<byte> bytes = BytesOf(routine);
                Instruction[] code = Disassembler.Decode(bytes);
                Instruction sequence = code[0];
                Instruction value = code[2];
                ConstantOffsets inSequence = Disassembler.OffsetsIn(bytes, sequence);
                ConstantOffsets inValue = Disassembler.OffsetsIn(bytes, value);

                Expect.Equal([sequence, value], code.Where(instruction => instruction.SegmentPrefix == Register.FS));
                Expect.Equal((Mnemonic.Cmp, Mnemonic.Jne, Mnemonic.Mov), (sequence.Mnemonic, code[1].Mnemonic, value.Mnemonic));
                Expect.Equal((4, 4, 4), (inSequence.DisplacementSize, inSequence.ImmediateSize, inValue.DisplacementSize));
                Expect.Equal(ConstantOf("SequenceOffsetAt"), (int)sequence.IP + inSequence.DisplacementOffset);
                Expect.Equal(ConstantOf("SequenceAt"), (int)sequence.IP + inSequence.ImmediateOffset);
                Expect.Equal(ConstantOf("ValueOffsetAt"), (int)value.IP + inValue.DisplacementOffset);
                Expect.Equal((0UL, 0U, 0UL), (sequence.MemoryDisplacement64, sequence.Immediate32, value.MemoryDisplacement64));
            }

            [Theory]
            [MemberData(nameof(RoutinesWithCache))]
            public void The_check_that_may_be_left_out_is_the_first_two_instructions_and_nothing_behind_leads_into_it(string routine)
            {
                Instruction[] code = Disassembler.Decode(BytesOf(routine));

                Expect.Equal((ulong)ConstantOf("CheckLength"), code[2].IP);
                Expect.DoesNotContain(code[2..], instruction => IsBranch(instruction) && instruction.NearBranchTarget < code[2].IP);
            }

            /// <summary>All memory that the code names, but for the slots of magazines, which rcx points at.</summary>
            [Theory]
            [MemberData(nameof(RoutinesWithCache))]
            public void Offsets_and_numbers_are_those_of_the_structures(string routine)
            {
                foreach (Instruction instruction in Disassembler.Decode(BytesOf(routine)))
                {
                    string text = $"{routine}: {Disassembler.Format(instruction)} at 0x{instruction.IP:x}";
                    ulong displacement = instruction.MemoryDisplacement64;
                    if (instruction.MemoryBase == Register.RDX && instruction.MemoryIndexScale == sizeof(ulong))
                        Expect.True(displacement == OffsetOf("_tops"), text);
                    else if (instruction.MemoryBase == Register.RDX && instruction.MemoryIndex == Register.None)
                        Expect.True(displacement == OffsetOf(FieldFor(instruction, routine)), text);
                    else if (instruction.MemoryIndex != Register.None || instruction.MemoryBase == Register.RSI)
                        Expect.True(displacement == 0 && instruction.MemorySize == MemorySize.UInt8, text);
                    else if (instruction.MemoryBase == Register.RCX)
                        Expect.True(displacement is 0 or unchecked((ulong)-sizeof(ulong)), text);

                    switch (instruction.Mnemonic)
                    {
                        case Mnemonic.Test when instruction.Op1Kind != OpKind.Register:
                            Expect.True(instruction.Immediate8 == SizeClasses.Granularity - 1, text);
                            break;
                        case Mnemonic.Shr when instruction.Op0Register == Register.RAX:
                            Expect.True(instruction.Immediate8 == Window.PageShift, text);
                            break;
                        case Mnemonic.Shr:
                            Expect.True(instruction.Immediate8 == BitOperations.TrailingZeroCount((ulong)SizeClasses.Granularity), text);
                            break;
                        case Mnemonic.Cmp when instruction.MemoryBase == Register.RCX && instruction.Op1Kind == OpKind.Register:
                            Expect.True(unchecked((long)instruction.MemoryDisplacement64) == -sizeof(ulong), text);
                            break;
                        case Mnemonic.Cmp when instruction.MemoryBase == Register.RCX:
                            Expect.True((ulong)instruction.Immediate8to64 == Magazine.Full, text);
                            break;
                        case Mnemonic.Add or Mnemonic.Sub when instruction.Op0Register == Register.RCX:
                            Expect.True(instruction.Immediate8to64 == sizeof(ulong), text);
                            break;
                    }
                }

                static string FieldFor(Instruction instruction, string routine) => (instruction.Mnemonic, instruction.Op0Register) switch
                {
                    (Mnemonic.Sub, _) => "_windowBase",
                    (Mnemonic.Add, Register.RAX) => "_pageMap",
                    (Mnemonic.Add, Register.RSI) => "_marks",
                    (Mnemonic.Cmp, Register.RAX) => "_pages",
                    (Mnemonic.Cmp, Register.RSI) => "_markedBytes",
                    (Mnemonic.Mov, Register.None) when routine == nameof(FastPathCode.GiveChecked) => "_reading",
                    (Mnemonic.Mov, _) => "_lastTaken",
                    _ => throw new InvalidOperationException(
                        $"{Disassembler.Format(instruction)} is not expected to have an operand in the cache"),
                };
            }

            /// <summary>
            /// The way of sizes that are not in the table: from its entry back once at most, then onwards to a return or to where `Take`
            /// follows.
            /// </summary>
            [Fact]
            public void The_class_of_a_large_size_is_found_without_a_loop_and_goes_on_to_Take()
            {
                Instruction[] code = Disassembler.Decode(FastPathCode.TakeLarge);
                ulong end = (ulong)FastPathCode.TakeLarge.Length;
                ulong entry = end - (ulong)(FastPathCode.TakeOffset - FastPathCode.TakeLargeOffset);

                Instruction[] hit = code[Array.FindIndex(code, instruction => instruction.IP == entry)..];
                Expect.Equal((7, 1, 50UL), (hit.Length, hit.Count(IsBranch), end));
                Expect.DoesNotContain(code, instruction => instruction.MemoryBase != Register.None && instruction.Mnemonic != Mnemonic.Lea);
                Expect.All(code.Where(instruction => instruction.FlowControl is not (FlowControl.Next or FlowControl.Return)), jump =>
                {
                    Expect.Contains(jump.FlowControl, new[] { FlowControl.ConditionalBranch, FlowControl.UnconditionalBranch });
                    Expect.True(
                        jump.IP >= entry ? jump.NearBranchTarget == 0 : jump.NearBranchTarget > jump.IP && jump.NearBranchTarget != entry,
                        $"{Disassembler.Format(jump)} at 0x{jump.IP:x}");
                    Expect.True(jump.NearBranchTarget == end || code.Any(other => other.IP == jump.NearBranchTarget));
                });
            }

            /// <summary>Every size that the way is for, and some that it is not.</summary>
            [Fact]
            public void A_size_takes_a_block_of_its_class()
            {
                for (nuint size = SizeClasses.MaxTableSize + 1; size <= KeptSizes.Max; size++)
                {
                    Free(Alloc(size));
                    void* block = ((delegate*<nuint, void*>)FastPathEntries.Current->TakeLarge)(size);
                    Expect.True(block != null && PageMap.ClassOf((nuint)block) == KeptSizes.ClassOf(size), $"size {size}");
                    Free(block);
                }

                foreach (ulong size in new[] { KeptSizes.Max + 1, 1UL << 20, 1UL << 31, (1UL << 32) + 2000, 1UL << 63, ulong.MaxValue })
                    Expect.True(((delegate*<nuint, void*>)FastPathEntries.Current->TakeLarge)((nuint)size) == null, $"size {size}");
            }

            [Fact]
            public void Classes_of_kept_sizes_hold_them()
            {
                for (nuint size = 1; size <= KeptSizes.Max; size++)
                {
                    int sizeClass = KeptSizes.ClassOf(size);
                    Expect.True(SizeClasses.SizeOf(sizeClass) >= size
                        && (sizeClass == 1 || SizeClasses.SizeOf(sizeClass - 1) < size), $"size {size}");
                }
            }

            [Fact]
            public void Routines_do_not_overlap_begin_in_cache_lines_of_their_own_and_lie_within_the_code_page()
            {
                const int line = 64;
                int behindSyscalls = ConstantOf("CodeBehindOffset", typeof(KernelEntry));
                (int Offset, int Length)[] layout =
                [
                    (FastPathCode.CacheOffset, FastPathCode.Cache.Length),
                    (FastPathCode.TakeOffset, Math.Max(FastPathCode.Take.Length, FastPathCode.TakeChecked.Length)),
                    (FastPathCode.GiveOffset, Math.Max(FastPathCode.Give.Length, FastPathCode.GiveChecked.Length)),
                ];

                Expect.All(layout, routine => Expect.Equal(0, (behindSyscalls + routine.Offset) % line));
                Expect.True(X64.Syscall.Length <= behindSyscalls);
                Expect.True(layout[0].Offset + layout[0].Length + FastPathCode.TakeLarge.Length <= layout[1].Offset);
                Expect.True(layout[1].Offset + layout[1].Length <= layout[2].Offset);
                Expect.True(behindSyscalls + layout[2].Offset + layout[2].Length <= CodePage.Bytes);
            }

            /// <summary>
            /// The code of this very heap: the routines as listed with three numbers filled in, or without the check where the key is new.
            /// </summary>
            [Fact]
            public void What_the_heap_runs_is_what_is_listed_with_the_numbers_of_its_thread_word()
            {
                byte[] composed = FastPathCode.Compose();
                Expect.SkipUnless(composed.Length > 0, "This C library has no thread word that the machine code could use.");

                ThreadWord word = ThreadWord.EnsureCreated()!;
                Expect.Equal(AsRun(FastPathCode.Cache, word), composed[FastPathCode.CacheOffset..][..FastPathCode.Cache.Length]);
                ReadOnlySpan<byte> take = ChecksBoundaries ? FastPathCode.TakeChecked : FastPathCode.Take;
                Expect.Equal(AsRun(take, word), composed[FastPathCode.TakeOffset..][..take.Length]);
                Expect.Equal(FastPathCode.TakeLarge.ToArray(), composed[..FastPathCode.TakeOffset][^FastPathCode.TakeLarge.Length..]);
                ReadOnlySpan<byte> give = ChecksBoundaries ? FastPathCode.GiveChecked : FastPathCode.Give;
                Expect.Equal(AsRun(give, word), composed[FastPathCode.GiveOffset..][..give.Length]);
            }

            private static byte[] AsRun(ReadOnlySpan<byte> routine, ThreadWord word)
            {
                byte[] code = routine.ToArray();
                Instruction[] listed = Disassembler.Decode(routine);
                BinaryPrimitives.WriteInt32LittleEndian(code.AsSpan(Disassembler.OffsetsIn(routine, listed[0]).DisplacementOffset),
                    word.SequenceOffset);
                BinaryPrimitives.WriteInt32LittleEndian(code.AsSpan(Disassembler.OffsetsIn(routine, listed[0]).ImmediateOffset),
                    word.Sequence);
                BinaryPrimitives.WriteInt32LittleEndian(
                    code.AsSpan((int)listed[2].IP + Disassembler.OffsetsIn(routine, listed[2]).DisplacementOffset), word.ValueOffset);
                if (word.IsFirstOfItsKey)
                    code.AsSpan((int)listed[2].IP).CopyTo(code);
                return code;
            }

            private static bool IsOfThisForm(string routine) => BytesOf(routine).Length != 0;

            private static bool IsBranch(Instruction instruction) => instruction.FlowControl == FlowControl.ConditionalBranch;

            private static ReadOnlySpan<byte> BytesOf(string routine) =>
                typeof(FastPathCode).GetProperty(routine,
                    BindingFlags.Static | BindingFlags.NonPublic)!.GetMethod!.CreateDelegate<Getter>()();

            private static int ConstantOf(string name, Type? type = null) =>
                (int)(type ?? typeof(FastPathCode)).GetField(name, BindingFlags.Static | BindingFlags.NonPublic)!.GetRawConstantValue()!;

            private static ulong OffsetOf(string field) => (ulong)Marshal.OffsetOf<ThreadCache>(field);
        }
    }
}
