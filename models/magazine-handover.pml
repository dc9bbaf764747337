/*
 * How blocks go from hand to hand: src/Emma.Templates/Caching/Cached/ThreadCache.cs (TakeAnyhow, TakeLoaded and TryTake, TryGive),
 * Exchange.cs (TakeSlowly, GiveSlowly, Exchange, TryLoadFull, TryRefill, TryMakeRoom) and Emptying.cs (Empty, EmptyDead, TakenOver), with the depot of Depot.cs, the store of MagazineStore.cs and the slabs behind them.
 *
 * Claims: no block is in two hands, nor freed twice; each one is in a hand, in one magazine or free in its slab in the end, unless a thread died while its
 * cache was marked as being changed, or with a block in hand.
 *
 * One size class; magazines of two blocks. A thread uses its cache, which may be in any state to begin with, and ends or dies; the next one takes over what
 * is left, and may die too. Each step is one shared access of the code, in its order, because a dead thread leaves a cache as it stood after any of them.
 * Depot, store and bin each do their work in one step, for other threads too: depot-stack.pml and lock.pml are their models. How a cache comes to its next
 * owner is in cache-reclaim.pml.
 */
#ifndef OPERATIONS
#define OPERATIONS 1
#endif
#define BLOCKS 8
#define MAGAZINES 4
#define CAPACITY 2
#define MAX_DEPTH 1            /* Depot.MaxDepthOf */
#define THREADS 2
#ifndef ACTIONS
#define ACTIONS 1
#endif
#define NULL 0

/* A top: the magazine and how many blocks lie below. The sentinel has none and no room. */
#define TOP(magazine, count) ((magazine) * 4 + (count))
#define OF(top) ((top) / 4)
#define COUNT(top) ((top) % 4)
#define SENTINEL 0
#define SLOT(top) slots[OF(top) * CAPACITY + COUNT(top)]
#define HAS_BLOCKS(top) (COUNT(top) != 0)
#define IS_FULL(top) (top == SENTINEL || COUNT(top) == CAPACITY)

byte slots[MAGAZINES * CAPACITY + CAPACITY + 1];
byte tops;                      /* ThreadCache._tops */
byte spares;                    /* ThreadCache._tops[Spare + class] */
bool changing;                  /* ThreadCache._changing */
bool unused[MAGAZINES + 1];    /* MagazineStore: the stack of unused magazines and those not carved */
byte theirs;                   /* A full magazine that another thread holds */
byte depot[MAX_DEPTH + 2];     /* One of Depot's stacks; two threads may find room for one */
byte stacked;
byte blocks;                   /* How many there are */
bool isFree[BLOCKS + 1];         /* The bitmap of the slab */
byte hand[BLOCKS + 1];         /* The thread that a block was allocated for, and 1 */
bool killed[THREADS];
bool dead;                     /* The first thread has ended, one way or the other */
bool mayLose;
byte ended;

/* MagazineStore.Take; null: no memory */
inline takeUnused(result)
{
    d_step {
        result = 0;
        for (i : 1 .. MAGAZINES) { result = (unused[i] && result == NULL -> i : result) }
        unused[result] = false;
        i = 0
    }
}

#define GIVE_UNUSED(magazine) atomic { assert(!unused[magazine]); unused[magazine] = true }

/* Bin.AllocateMany, one block */
inline takeFree(result)
{
    d_step {
        result = 0;
        for (i : 1 .. blocks) { result = (isFree[i] && result == NULL -> i : result) }
        isFree[result] = false;
        i = 0
    }
}

/* Bin.FreeMany, one block */
#define GIVE_FREE(block) atomic { assert(block != NULL && !isFree[block] && hand[block] == 0); isFree[block] = true }

/* ThreadCache.TryTake and TakeLoaded: the block is the caller's with the store to the top */
inline takeLoaded()
{
    top = tops;
    if
    :: HAS_BLOCKS(top) ->
        d_step { top = top - 1; block = SLOT(top) };
        d_step { tops = top; assert(block != NULL && hand[block] == 0 && !isFree[block]); hand[block] = me + 1 }
    :: else
    fi
}

inline store(newBlock)
{
    top = tops;
#ifdef BUG_TOP_BEFORE_BLOCK
    tops = top + 1;
    SLOT(top) = newBlock
#else
    SLOT(top) = newBlock;
    tops = top + 1
#endif
}

inline exchange()
{
    loaded = tops;
    tops = spares;
    spares = loaded
}

inline mark()
{
#ifdef BUG_NO_MARK
    true
#else
    changing = true
#endif
}

/* ThreadCache.TakeSlowly */
inline takeSlowly()
{
    mark();
    if
    :: HAS_BLOCKS(spares) -> exchange()
    :: else ->
        /* TryLoadFull */
        d_step {
            magazine = (stacked == 0 -> NULL : depot[stacked - 1]);
            if
            :: magazine != NULL -> stacked--; depot[stacked] = NULL
            :: else
            fi
        };
        if
        :: magazine != NULL ->
            loaded = spares;
            if
            :: tops != SENTINEL ->
                spares = tops;
                if
                :: loaded != SENTINEL -> GIVE_UNUSED(OF(loaded))
                :: else
                fi
            :: else
            fi;
            tops = TOP(magazine, CAPACITY)
        :: else ->
            /* TryRefill */
            if
            :: tops == SENTINEL -> takeUnused(magazine)
            :: else -> magazine = OF(tops)
            fi;
            if
            :: magazine != NULL ->
                tops = TOP(magazine, 0);
                count = 0;
                do
                :: count < CAPACITY ->
                    d_step { takeFree(block); slots[magazine * CAPACITY + count] = block };
                    if
                    :: block == NULL -> break
                    :: else -> count++
                    fi
                :: else -> break
                od;
                block = NULL;
                tops = TOP(magazine, count)
            :: else -> takeFree(alone)
            fi
        fi
    fi;
    changing = false;
    if
    :: alone == NULL -> takeLoaded()
    :: else -> d_step { assert(hand[alone] == 0); hand[alone] = me + 1; block = alone; alone = NULL }
    fi
}

/* ThreadCache.GiveSlowly */
inline giveSlowly()
{
    mark();
    if
    :: !IS_FULL(tops) -> store(freed)
    :: else ->
        /* TryMakeRoom */
        if
        :: !IS_FULL(spares) -> exchange(); magazine = OF(tops)
        :: else ->
            if
            :: spares == SENTINEL -> takeUnused(magazine)
            :: spares != SENTINEL && stacked < MAX_DEPTH ->
                d_step { depot[stacked] = OF(spares); stacked++ };
                spares = SENTINEL;
                takeUnused(magazine)
            :: else ->
                magazine = OF(spares);
                count = CAPACITY;
                do
                :: count > 0 ->
                    count--;
                    GIVE_FREE(slots[magazine * CAPACITY + count])
                :: else -> break
                od
            fi;
            if
            :: magazine != NULL ->
                spares = tops;
                tops = TOP(magazine, 0)
            :: else
            fi
        fi;
        if
        :: magazine != NULL -> store(freed)
        :: else -> GIVE_FREE(freed)
        fi
    fi;
    changing = false
}

/* ThreadCache.Return */
inline giveBack(which)
{
    if
    :: which != SENTINEL ->
        do
        :: COUNT(which) > 0 ->
            which--;
            GIVE_FREE(SLOT(which))
        :: else -> break
        od;
        GIVE_UNUSED(OF(which))
    :: else
    fi
}

/* ThreadCache.Empty */
inline emptyCache()
{
#ifndef BUG_EMPTIED_WITHOUT_MARK
    mark();
#endif
    loaded = tops;
    top = spares;
#if defined(BUG_EMPTIED_WITHOUT_MARK) || defined(BUG_NO_MARK)
    giveBack(loaded);
    giveBack(top);
    atomic { tops = SENTINEL; spares = SENTINEL };
#else
    tops = SENTINEL;
    spares = SENTINEL;
    giveBack(loaded);
    giveBack(top);
#endif
    changing = false
}

inline clear()
{
    atomic { top = 0; loaded = 0; magazine = 0; count = 0; block = 0 }
}

proctype Thread(byte me; byte operations)
{
    byte top, loaded, magazine, count, block, alone, freed, i;

    {
        if
        :: me == 1 ->
            /* EmptyDead, TakenOver: ThreadCache.Reset if the mark is set */
            dead;
#ifndef BUG_MARK_NOT_READ
            if
            :: changing ->
                tops = SENTINEL;
                spares = SENTINEL;
                changing = false
            :: else
            fi;
#endif
            if
            :: emptyCache(); clear()
            :: true
            fi
        :: else
        fi;

        do
        :: operations > 0 ->
            operations--;
            takeLoaded();
            if
            :: block == NULL -> takeSlowly()
            :: else
            fi;
            clear()
        :: operations > 0 ->
            operations--;
            /* A block of any thread's, if one is left */
            d_step {
                for (i : 1 .. blocks) { freed = (hand[i] != 0 && freed == NULL -> i : freed) }
                hand[freed] = 0;
                i = 0
            };
            if
            :: freed != NULL -> giveSlowly(); clear()
            :: freed != NULL && !IS_FULL(tops) -> store(freed); clear()
            :: else
            fi;
            freed = NULL
        :: operations == 0 -> break
        od;
    } unless { killed[me] };

    true;
    d_step {
        if
        :: killed[me] -> mayLose = mayLose || changing || freed != NULL || alone != NULL
        :: else
        fi;
        top = 0; loaded = 0; magazine = 0; count = 0; block = 0; alone = 0; freed = 0; i = 0;
        dead = dead || me == 0;
        ended++
    }
}

/* What all the others do with depot, slabs and store, a step each. */
proctype Others(byte actions)
{
    byte i, block;

    do
    :: d_step { actions > 0 && theirs == NULL && stacked > 0 -> stacked--; theirs = depot[stacked]; depot[stacked] = NULL; actions-- }
    :: d_step { actions > 0 && theirs != NULL && stacked < MAX_DEPTH -> depot[stacked] = theirs; stacked++; theirs = NULL; actions-- }
    :: atomic { actions > 0 -> takeUnused(block); atomic { block = NULL; actions-- } }
    :: atomic { actions > 0 -> takeFree(block); atomic { hand[block] = (block != NULL -> THREADS + 1 : 0); block = NULL; actions-- } }
    :: break
    od;
    ended++
}

proctype Killer()
{
end:
    do
    :: d_step { !dead && !killed[0] -> killed[0] = true }
    :: d_step { dead && !killed[1] -> killed[1] = true }
    od
}

/* Puts blocks into a magazine. */
inline fill(magazine, count)
{
    unused[magazine] = false;
    top = TOP(magazine, 0);
    do
    :: COUNT(top) < count -> next++; SLOT(top) = next; top++
    :: else -> break
    od
}

/* Counts the blocks below a top. */
inline visit(which)
{
    top = which;
    do
    :: COUNT(top) > 0 -> top--; seen[SLOT(top)]++
    :: else -> break
    od
}

init
{
    byte i, top, next;
    byte seen[BLOCKS + 1];

    /* The first thread's cache and the depot are as they may be. Some of the other blocks are in hands, some free. */
    atomic {
        for (i : 1 .. MAGAZINES) { unused[i] = true }
        if
        :: unused[1] = false; tops = TOP(1, 0)
        :: fill(1, 1); tops = top
        :: fill(1, 2); tops = top
        :: tops = SENTINEL
        fi;
        if
        :: tops != SENTINEL -> unused[2] = false; spares = TOP(2, 0)
        :: tops != SENTINEL -> fill(2, 2); spares = top
        :: spares = SENTINEL
        fi;
        if
        :: fill(3, CAPACITY); depot[0] = 3; stacked = 1
        :: true
        fi;
        next = next + 1; hand[next] = THREADS + 1;
        if
        :: next = next + 1; isFree[next] = true
        :: true
        fi;
        blocks = next;
        i = 0; top = 0;
        run Thread(0, OPERATIONS); run Thread(1, 1); run Others(ACTIONS); run Killer()
    };

    ended == THREADS + 1;
    d_step {
        if
        :: changing
        :: else -> visit(tops); visit(spares)
        fi;
        visit((theirs == NULL -> SENTINEL : TOP(theirs, CAPACITY)));
        for (i : 0 .. MAX_DEPTH) {
            if
            :: depot[i] != NULL -> visit(TOP(depot[i], CAPACITY))
            :: else
            fi
        }
        for (i : 1 .. blocks) {
            seen[i] = seen[i] + isFree[i] + (hand[i] != 0);
            assert(seen[i] == 1 || (seen[i] == 0 && mayLose))
        }
    }
}
