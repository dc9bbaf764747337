/*
 * The stacks of magazines on arm64: MagazineStack in src/Emma.Templates/Caching/Cached/Magazine.cs, MagazineStore.cs, Depot.cs, with memory as memory.h has it.
 *
 * Claims: a magazine is in one hand at most; whoever takes one from a stack sees all that its last holder stored in it, and nothing of that comes later;
 * one that was discarded stays as it was discarded; every magazine is in a hand or on a stack in the end, and the depths say how many lie below.
 *
 * Each step is one shared access of the code, in its order. A magazine has one word for all that it holds (slots, `_capacity`, `Filled`), stored and loaded
 * plainly. There are the stack of the unused ones and that of one depot. The tag has as many values as the model has operations. What depot-stack.pml shows
 * with a stronger memory, such as deaths, is not here. To discard memory, the kernel passes a barrier. A magazine that is popped is read through the head,
 * which is an acquire load: so the exchange that pops need not hold loads back, and no bug is seeded there.
 */
#ifndef OPERATIONS
#define OPERATIONS 2           /* Of the first worker; of the other */
#endif
#ifndef OTHERS
#define OTHERS 2
#endif
#define THREADS 3
#define TRIMMER 2
#define MAGAZINES 2
#define DEPTH 4
#define NULL 0

/* The words. A head: tag and address. */
#define UNUSED 0
#define FULL 1
#define LOCK 2                 /* MagazineStore._lock */
#define CARVED 3               /* MagazineStore._carved */
#define NEXT(magazine) (3 + (magazine))        /* Magazine._next */
#define DEPTH_OF(magazine) (5 + (magazine))    /* Magazine._depth */
#define HELD(magazine) (7 + (magazine))        /* What a magazine holds */
#define WORDS 10
#define ADDRESS(head) ((head) % 4)
#define HEAD(magazine, previous) (((previous) / 4 + 1) * 4 + (magazine))
#ifdef ALL_EARLY
#define MAY_BE_EARLY(which) true
#else
#define MAY_BE_EARLY(which) (which == CARVED || which >= HELD(1))
#endif
#include "memory.h"

byte hand[MAGAZINES + 1];      /* Whose hand it is in: the thread and 1 */
byte holds[MAGAZINES + 1];     /* What its last holder stored in it */
byte ended;

#ifdef BUG_PUSH_WITHOUT_RELEASE
#define PUSH_RELEASES false
#else
#define PUSH_RELEASES true
#endif

#ifdef BUG_LOCK_WITHOUT_RELEASE
#define GIVE_LOCK_BACK store(LOCK, 0)
#else
#define GIVE_LOCK_BACK storeRelease(LOCK, 0)
#endif

/* MagazineStack.Push(magazine) */
inline push(stack, magazine)
{
    do
    ::  loadAcquire(stack, head);
        assert(hand[magazine] == me + 1);
        storeRelease(NEXT(magazine), ADDRESS(head));
        if
        :: ADDRESS(head) == NULL -> depth = 0
        :: else -> loadAcquire(DEPTH_OF(ADDRESS(head)), depth)
        fi;
        storeRelease(DEPTH_OF(magazine), depth + 1);
        depth = 0;
        atomic {
            compareAndSwap(stack, head, HEAD(magazine, head), swapped, PUSH_RELEASES, true);
            if
            :: swapped -> hand[magazine] = 0
            :: else
            fi
        };
        if
        :: swapped -> break
        :: else
        fi
    od;
    atomic { swapped = false; head = 0 }
}

/* MagazineStack.TryPop() */
inline pop(stack, result)
{
    do
    ::  loadAcquire(stack, head);
        result = ADDRESS(head);
        if
        :: result == NULL -> break
        :: else
        fi;
        loadAcquire(NEXT(result), below);
        atomic {
            compareAndSwap(stack, head, HEAD(below, head), swapped, true, true);
            if
            :: swapped -> assert(hand[result] == 0); hand[result] = me + 1
            :: else
            fi
        };
        if
        :: swapped -> break
        :: else
        fi
    od;
    atomic { swapped = false; head = 0; below = 0 }
}

/* Lock.Acquire; lock-order.pml is its model */
inline acquireLock()
{
    atomic {
        memory[LOCK] == 0 -> compareAndSwap(LOCK, 0, me + 1, swapped, true, true);
        swapped = false
    }
}

/* MagazineStore.Take: TryPop, else Carve */
inline takeUnused(result)
{
    pop(UNUSED, result);
    if
    :: result == NULL ->
        acquireLock();
        pop(UNUSED, result);
        if
        :: result == NULL ->
            load(CARVED, carved);
            if
            :: carved < MAGAZINES ->
                d_step { result = carved + 1; assert(hand[result] == 0); hand[result] = me + 1 };
                storeRelease(CARVED, carved + 1)
            :: else
            fi;
            carved = 0
        :: else
        fi;
        GIVE_LOCK_BACK
    :: else
    fi
}

proctype Worker(byte me; byte operations)
{
    byte mine, head, below, depth, carved, seen;
    bool swapped, isEarly;

    do
    :: operations > 0 && mine == NULL ->
        operations--;
        if
        :: takeUnused(mine)
        :: pop(FULL, mine)
        fi;
        if
        :: mine != NULL ->
            load(HELD(mine), seen);
            d_step { assert(seen == holds[mine]); holds[mine] = me + 1; seen = 0 };
            store(HELD(mine), me + 1)
        :: else
        fi
    :: operations > 0 && mine != NULL ->
        operations--;
        if
        :: push(FULL, mine)
        :: push(UNUSED, mine)
        fi;
        mine = NULL
    :: operations == 0 -> break
    od;
    ended++
}

/* MagazineStore.DiscardIfUnused */
proctype Trimmer(byte me)
{
    byte head, below, depth, carved, all, i;
    bool swapped, isEarly;

    loadAcquire(UNUSED, head);
    if
    :: ADDRESS(head) == NULL -> depth = 0
    :: else -> loadAcquire(DEPTH_OF(ADDRESS(head)), depth)
    fi;
    loadAcquire(CARVED, carved);
    if
    :: depth < carved -> goto done
    :: else -> depth = 0; carved = 0
    fi;

    acquireLock();
    /* TakeAll; the hand of the thread has all that hang together. */
    do
    ::  loadAcquire(UNUSED, head);
        atomic {
            compareAndSwap(UNUSED, head, HEAD(NULL, head), swapped, true, true);
            if
            :: swapped ->
                d_step {
                    all = ADDRESS(head); below = all;
                    do
                    :: below != NULL -> assert(hand[below] == 0); hand[below] = me + 1; below = memory[NEXT(below)]
                    :: else -> break
                    od
                }
            :: else
            fi
        };
        if
        :: swapped -> break
        :: else
        fi
    od;
    atomic { swapped = false; head = 0; carved = 0 };
    load(CARVED, carved);
    if
    :: all == NULL
    :: else -> loadAcquire(DEPTH_OF(all), depth)
    fi;
    if
    :: carved != 0 && depth == carved ->
        /* madvise */
        d_step {
            BARRIER(me);
            i = 1;
            do
            :: i <= carved ->
                assert(hand[i] == me + 1);
                hand[i] = 0; holds[i] = 0;
                put(me, NEXT(i), 0); put(me, DEPTH_OF(i), 0); put(me, HELD(i), 0);
                i++
            :: else -> break
            od;
            i = 0
        };
        storeRelease(CARVED, 0)
    :: else ->
        do
        :: all != NULL ->
            loadAcquire(NEXT(all), below);
            push(UNUSED, all);
            d_step { all = below; below = NULL }
        :: else -> break
        od
    fi;
    GIVE_LOCK_BACK;
done:
    ended++
}

init
{
    byte stack, top, below, i, count;

    atomic {
        for (i : 0 .. THREADS - 1) { run Drain(i) }
        run Worker(0, OPERATIONS); run Worker(1, OTHERS); run Trimmer(TRIMMER);
        i = 0
    };

    ended == THREADS && OF(0).count + OF(1).count + OF(2).count == 0;
    d_step {
        for (stack : UNUSED .. FULL) {
            top = ADDRESS(memory[stack]);
            i = (top == NULL -> 0 : memory[DEPTH_OF(top)]);
            below = 0;
            do
            :: top != NULL ->
                assert(hand[top] == 0 && below < MAGAZINES && memory[HELD(top)] == holds[top]);
                top = memory[NEXT(top)];
                below++
            :: else -> break
            od;
            assert(i == below);
            count = count + below
        }
        for (i : 1 .. MAGAZINES) { count = count + (hand[i] != 0) }
        assert(count == memory[CARVED])
    }
}
