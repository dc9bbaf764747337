using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public sealed class MagazineStackTests
        {
            // The bits of a head that are the address.
            private const int AddressBits = 47 - Magazine.BytesLog2;

            [Fact]
            public void Magazines_come_back_in_reverse_and_the_depth_counts_them()
            {
                using var magazines = new LooseMagazines(200);
                MagazineStack stack = default;
                Expect.True(stack.TryPop() == null);
                for (int i = 0; i < magazines.Count; i++)
                {
                    Expect.Equal(i, stack.Depth);
                    stack.Push(magazines[i]);
                }

                for (int i = magazines.Count; i > 0; i--)
                {
                    Expect.Equal(i, stack.Depth);
                    Expect.Equal((nuint)magazines[i - 1], (nuint)stack.TryPop());
                }

                Expect.Equal(0, stack.Depth);
                Expect.True(stack.TryPop() == null);
            }

            [Fact]
            public void TakeAll_gives_every_magazine_linked_and_leaves_none()
            {
                using var magazines = new LooseMagazines(50);
                MagazineStack stack = default;
                Expect.True(stack.TakeAll() == null);
                for (int i = 0; i < magazines.Count; i++)
                    stack.Push(magazines[i]);
                Magazine* magazine = stack.TakeAll();
                Expect.Equal(magazines.Count, Magazine.DepthOf(magazine));
                for (int i = magazines.Count; i > 0; i--, magazine = Magazine.NextOf(magazine))
                    Expect.Equal((nuint)magazines[i - 1], (nuint)magazine);
                Expect.True(magazine == null);
                Expect.Equal(0, stack.Depth);
                Expect.True(stack.TryPop() == null);
            }

            [Fact]
            public void The_head_is_never_what_it_was_although_the_same_magazine_lies_on_top()
            {
                using var magazines = new LooseMagazines(2);
                MagazineStack stack = default;
                HashSet<long> heads = [HeadOf(&stack)];
                for (int i = 0; i < 1000; i++)
                {
                    stack.Push(magazines[0]);
                    Expect.True(heads.Add(HeadOf(&stack)), $"push {i}");
                    if (i % 3 == 0)
                        stack.TakeAll();
                    else
                        stack.TryPop();
                    Expect.True(heads.Add(HeadOf(&stack)), $"pop {i}");
                }
            }

            [Fact]
            public void A_tag_that_overflows_leaves_the_address_alone()
            {
                using var magazines = new LooseMagazines(2);
                MagazineStack stack = default;
                *(long*)&stack = -1L << AddressBits;
                stack.Push(magazines[0]);
                Expect.Equal(0L, HeadOf(&stack) >>> AddressBits);
                stack.Push(magazines[1]);
                *(long*)&stack |= -1L << AddressBits;
                Expect.Equal((nuint)magazines[1], (nuint)stack.TryPop());
                Expect.Equal((nuint)magazines[0], (nuint)stack.TryPop());
                Expect.Equal(0, stack.Depth);
            }

            [Theory]
            [InlineData(1, 4, 1)]
            [InlineData(2, 4, 3)]
            [InlineData(64, 6, 16)]
            public void Under_contention_no_magazine_is_lost_and_none_has_two_holders(int count, int threads, int mostHeld)
            {
                using var magazines = new LooseMagazines(count);
                MagazineStack* stacks = stackalloc MagazineStack[2];
                stacks[0] = stacks[1] = default;
                for (int i = 0; i < count; i++)
                    stacks[i % 2].Push(magazines[i]);

                int[] holders = new int[count];
                nuint shared = (nuint)stacks;
                Crew.Run(threads, seed => Juggle(magazines, (MagazineStack*)shared, holders, mostHeld, seed));

                Expect.Equal(count, stacks[0].Depth + stacks[1].Depth);
                HashSet<int> found = [];
                for (int i = 0; i < 2; i++)
                {
                    for (Magazine* magazine = stacks[i].TryPop(); magazine != null; magazine = stacks[i].TryPop())
                        Expect.True(found.Add(magazines.IndexOf(magazine)));
                }

                Expect.Equal(count, found.Count);
            }

            private static void Juggle(LooseMagazines magazines, MagazineStack* stacks, int[] holders, int mostHeld, int seed)
            {
                Random random = new Random(seed);
                Stack<nuint> held = [];
                for (int step = 0; step < 100_000; step++)
                {
                    MagazineStack* stack = stacks + random.Next(2);
                    int choice = random.Next(100);
                    if (choice == 0)
                    {
                        for (Magazine* magazine = stack->TakeAll(); magazine != null;)
                        {
                            Magazine* next = Magazine.NextOf(magazine);
                            Hold(magazine);
                            magazine = next;
                        }
                    }
                    else if (held.Count == 0 || (choice < 50 && held.Count < mostHeld))
                    {
                        Magazine* magazine = stack->TryPop();
                        if (magazine != null)
                            Hold(magazine);
                    }
                    else
                    {
                        LetGo(stack);
                    }
                }

                while (held.Count > 0)
                    LetGo(stacks);

                void Hold(Magazine* magazine)
                {
                    int holder = Interlocked.Exchange(ref holders[magazines.IndexOf(magazine)], seed + 1);
                    Expect.True(holder == 0, $"magazine {magazines.IndexOf(magazine)} has holders {holder} and {seed + 1}");
                    // What its holder writes is no link, and others may still read it as one.
                    Magazine.Slots(magazine)[0] = ulong.MaxValue;
                    held.Push((nuint)magazine);
                }

                void LetGo(MagazineStack* stack)
                {
                    Magazine* magazine = (Magazine*)held.Pop();
                    Interlocked.Exchange(ref holders[magazines.IndexOf(magazine)], 0);
                    stack->Push(magazine);
                }
            }

            private static long HeadOf(MagazineStack* stack) => *(long*)stack;
        }
    }
}
