/*
 * The stacks of magazines and the memory under them: MagazineStack in src/Emma.Templates/Caching/Cached/Magazine.cs, MagazineStore.cs, Depot.cs.
 *
 * Claims: a magazine is in one hand at most; none in a hand is discarded; a thread that was overtaken reads memory that is mapped, whatever it holds by now;
 * unless a thread died, every magazine is in a hand or on a stack in the end, and the depths say how many lie below.
 *
 * Each step is one shared access of the code, in its order. Magazines go between two stacks, that of the unused ones and that of one depot. The tag has as many values
 * as the model has operations. The store's lock is one step: lock.pml is its model.
 */
#ifdef SEEDED
#define MAX_DEATHS 0           /* None of the seeded bugs needs a death */
#endif
#ifndef MAX_DEATHS
#define MAX_DEATHS 1
#endif
#ifndef OPERATIONS
#define OPERATIONS 3
#endif
#define MAGAZINES 2
#define UNUSED 0
#define FULL 1
#define NULL 0
#define WORKERS 2
#define TRIMMER 2
#ifndef FIRST_TO_DIE
#define FIRST_TO_DIE TRIMMER
#endif

byte head[2];                  /* MagazineStack._head: the address */
byte tag[2];                   /* and the tag of the same word */
byte next[MAGAZINES + 1];      /* Magazine._next */
byte depth[MAGAZINES + 1];     /* Magazine._depth */
bool mapped[MAGAZINES + 1];
byte hand[MAGAZINES + 1];      /* Whose hand it is in: the thread and 1 */
byte carved;                   /* MagazineStore._carved */
byte lock;                     /* MagazineStore._lock */
bool killed[WORKERS + 1];
byte deaths;
byte ended;

#ifdef BUG_NO_TAG
#define SAME_TAG(stack) true
#else
#define SAME_TAG(stack) (tag[stack] == seenTag)
#endif

/* MagazineStack.Push(magazine) */
inline push(stack, magazine)
{
    do
    ::  d_step { seen = head[stack]; seenTag = tag[stack] };
        d_step { assert(mapped[magazine] && hand[magazine] == me + 1); next[magazine] = seen };
        d_step {
            assert(seen == NULL || mapped[seen]);
            depth[magazine] = (seen == NULL -> 1 : depth[seen] + 1)
        };
        d_step {
            swapped = (head[stack] == seen && SAME_TAG(stack));
            if
            :: swapped -> head[stack] = magazine; tag[stack]++; hand[magazine] = 0
            :: else
            fi
        };
        if
        :: swapped -> break
        :: else
        fi
    od;
    atomic { swapped = false; seen = 0; seenTag = 0 }
}

/* MagazineStack.TryPop() */
inline pop(stack, result)
{
    do
    ::  d_step { seen = head[stack]; seenTag = tag[stack]; result = seen };
        if
        :: seen == NULL -> break
        :: else
        fi;
        /* It may be in use, on the other stack or discarded by now. */
        d_step { assert(mapped[seen]); below = next[seen] };
        d_step {
            swapped = (head[stack] == seen && SAME_TAG(stack));
            if
            :: swapped -> head[stack] = below; tag[stack]++; assert(hand[seen] == 0); hand[seen] = me + 1
            :: else
            fi
        };
        if
        :: swapped -> break
        :: else
        fi
    od;
    atomic { swapped = false; seen = 0; seenTag = 0; below = 0 }
}

/* Lock.Acquire, with the take-over of a dead thread's */
#define ACQUIRE d_step { lock == 0 || killed[lock - 1] -> lock = me + 1 }
#define RELEASE lock = 0

/* MagazineStore.Take: TryPop, else Carve */
inline take(result)
{
    pop(UNUSED, result);
    if
    :: result == NULL ->
#ifndef BUG_CARVE_WITHOUT_LOCK
        ACQUIRE;
#endif
        pop(UNUSED, result);
        if
        :: result == NULL && carved < MAGAZINES ->
            carving = carved + 1;
            d_step { result = carving; carved = carving; assert(hand[result] == 0); hand[result] = me + 1; carving = 0 }
        :: else
        fi;
#ifndef BUG_CARVE_WITHOUT_LOCK
        RELEASE
#endif
    :: else
    fi
}

proctype Worker(byte me; byte operations)
{
    byte seen, seenTag, below, mine, carving;
    bool swapped;

    {
        do
        :: operations > 0 && mine == NULL ->
            operations--;
            if
            :: take(mine)
            :: pop(FULL, mine)
            fi
        :: operations > 0 && mine != NULL ->
            operations--;
            if
            :: push(FULL, mine)
            :: push(UNUSED, mine)
            fi;
            mine = NULL
        :: else -> break
        od
    } unless { killed[me] };
    ended++
}

/* MagazineStore.DiscardIfUnused */
proctype Trimmer(byte me)
{
    byte seen, seenTag, below, all, i;
    bool swapped;

    {
        seen = head[UNUSED];
        d_step { assert(seen == NULL || mapped[seen]); i = (seen == NULL -> 0 : depth[seen]); seen = NULL };
        if
        :: i < carved -> goto done
        :: else -> i = 0
        fi;

        ACQUIRE;
        /* TakeAll; the hand of the thread has all that hang together. */
        do
        ::  d_step { seen = head[UNUSED]; seenTag = tag[UNUSED] };
            d_step {
                swapped = (head[UNUSED] == seen && SAME_TAG(UNUSED));
                if
                :: swapped ->
                    head[UNUSED] = NULL; tag[UNUSED]++;
                    all = seen; below = seen;
                    do
                    :: below != NULL && i <= MAGAZINES -> assert(hand[below] == 0); hand[below] = me + 1; below = next[below]; i++
                    :: else -> break
                    od;
                    assert(i == (all == NULL -> 0 : depth[all]));
                    i = 0; below = NULL
                :: else
                fi
            };
            if
            :: swapped -> break
            :: else
            fi
        od;
        if
#ifdef BUG_DISCARD_UNCHECKED
        :: carved != 0 ->
#else
        :: carved != 0 && all != NULL && depth[all] == carved ->
#endif
            /* madvise, page after page */
            i = 1;
            do
            :: i <= carved ->
                d_step {
                    assert(hand[i] == 0 || hand[i] == me + 1);
                    hand[i] = 0; next[i] = 0; depth[i] = 0;
#ifdef BUG_UNMAPPED_INSTEAD
                    mapped[i] = false;
#endif
                    i++
                }
            :: else -> break
            od;
            carved = 0
        :: else ->
            do
            :: all != NULL ->
#ifdef BUG_NEXT_READ_TOO_LATE
                push(UNUSED, all);
                below = next[all];
#else
                below = next[all];
                push(UNUSED, all);
#endif
                d_step { all = below; below = NULL }
            :: else -> break
            od
        fi;
        RELEASE;
done:   skip
    } unless { killed[me] };
    ended++
}

proctype Killer()
{
    byte thread;
end:
    do
    :: deaths < MAX_DEATHS ->
        atomic {
            if
            :: thread = FIRST_TO_DIE
            :: thread = TRIMMER
            fi;
            killed[thread] = true; deaths++; thread = 0
        }
    od
}

init
{
    byte stack, top, below, i, count;

    d_step { for (i : 1 .. MAGAZINES) { mapped[i] = true } i = 0 };
    atomic { run Worker(0, OPERATIONS); run Worker(1, OPERATIONS - 1); run Trimmer(TRIMMER); run Killer() };

    ended == WORKERS + 1;
    d_step {
        for (stack : 0 .. 1) {
            top = head[stack];
            i = (top == NULL -> 0 : depth[top]);
            below = 0;
            do
            :: top != NULL -> assert(hand[top] == 0 && below < MAGAZINES); top = next[top]; below++
            :: else -> break
            od;
            assert(i == below);
            count = count + below
        }
        for (i : 1 .. MAGAZINES) { count = count + (hand[i] != 0) }
        assert(count == carved || deaths != 0)
    }
}
