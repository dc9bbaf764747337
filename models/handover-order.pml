/*
 * How a cache goes from thread to thread on arm64: ThreadCacheList.cs and Emptying.cs in src/Emma.Templates/Caching/Cached, and what changes a cache in
 * Exchange.cs and ThreadCache.cs, with memory as memory.h has it.
 *
 * Claims: whoever gets a cache sees all that its last user stored in it, and nothing of that comes later; what a dead thread was changing is not trusted; no
 * block is in two hands; whoever sees a cache on the list sees those behind it.
 *
 * Each step is one shared access of the code, in its order. A cache has one magazine with room for one block. A thread dies at one instruction: all stores
 * before that reach memory before the kernel says that it is no more, none behind it. That answer is a plain load: it holds no later load back. The locks of
 * bins would let stores out on the way; here they do not. What cache-reclaim.pml and magazine-handover.pml show with a stronger memory is not here.
 */
#define THREADS 3
#define RECLAIMER 2
#define CACHES 2
#define BLOCKS 2
#ifndef CHANGES
#define CHANGES 2
#endif
#ifndef WALKS
#define WALKS 1
#endif
#define DEPTH 4
#define NULL 0
#define NOBODY 0

/* The words. An owner: how often it has changed, and the thread and 1. */
#define FIRST 0                /* ThreadCacheList._first */
#define OWNER(cache) ((cache) * 2 - 1)         /* CacheOwner._word */
#define NEXT(cache) ((cache) * 2)              /* ThreadCache.Next */
#define CHANGING(cache) ((cache) * 3 + 2)      /* ThreadCache._changing */
#define TOP(cache) ((cache) * 3 + 3)           /* ThreadCache._tops: how many blocks lie below */
#define SLOT(cache) ((cache) * 3 + 4)          /* The magazine's slot */
#define WORDS 11
#define ID(owner) ((owner) % 4)
#define CHANGED(owner, id) (((owner) / 4 + 1) * 4 + (id))
#define MAY_BE_EARLY(which) true
#include "memory.h"

mtype = { Free, Cached, InHand }
mtype place[BLOCKS + 1];
bool alive[THREADS];
bool killed;                   /* The first thread: the only one that may die before its end */
bool mayLose;                  /* A thread died while its cache was marked as being changed */
byte ended;

#ifdef BUG_TAKING_WITHOUT_ACQUIRE
#define TAKING_ACQUIRES false
#else
#define TAKING_ACQUIRES true
#endif

#ifdef BUG_JOINING_WITHOUT_RELEASE
#define JOINING_RELEASES false
#else
#define JOINING_RELEASES true
#endif

/* CacheOwner.TryChange(word, me) */
#define TAKE(cache) compareAndSwap(OWNER(cache), word, CHANGED(word, me + 1), swapped, true, TAKING_ACQUIRES)

/* Bin.AllocateMany, one block */
inline takeFree(result)
{
    d_step {
        result = (place[1] == Free -> 1 : (place[2] == Free -> 2 : NULL));
        if
        :: result != NULL -> place[result] = Cached
        :: else
        fi
    }
}

/* ThreadCache.TryTake, TryGive; a slow path, in the midst of which the slot holds what it held before */
inline change(cache)
{
    load(TOP(cache), top);
    if
    :: top != 0 && mine == NULL ->
        load(SLOT(cache), block);
        atomic { store(TOP(cache), 0); assert(place[block] == Cached); place[block] = InHand; mine = block }
    :: top == 0 && mine != NULL ->
        store(SLOT(cache), mine);
        atomic { store(TOP(cache), 1); assert(place[mine] == InHand); place[mine] = Cached; mine = NULL }
    :: top == 0 ->
        storeRelease(CHANGING(cache), 1);
        takeFree(block);
        if
        :: block != NULL -> store(TOP(cache), 1); store(SLOT(cache), block)
        :: else
        fi;
        storeRelease(CHANGING(cache), 0)
    :: else
    fi;
    atomic { top = 0; block = NULL }
}

/* ThreadCache.TakenOver; of EmptyDead the half that it shares with that */
inline trust(cache, marked)
{
    loadAcquire(CHANGING(cache), marked);
    if
    :: marked ->
        store(TOP(cache), 0);                                    /* ThreadCache.Reset */
        storeRelease(CHANGING(cache), 0)
    :: else
    fi
}

/* Looks for a cache from the first on: one that is nobody's (TakeNobodys) or a dead thread's (TakeFromDead). */
inline find(found, takesNobodys)
{
    loadAcquire(FIRST, cache);
    do
    :: cache == NULL -> break
    :: else ->
        loadAcquire(OWNER(cache), word);
        if
        :: ID(word) == NOBODY -> swapped = takesNobodys
        :: else -> swapped = !alive[ID(word) - 1]                /* CurrentThread.IsDead */
        fi;
        if
        :: swapped -> TAKE(cache)
        :: else
        fi;
        if
        :: swapped -> found = cache; break
        :: else
        fi;
        following = cache;
        load(NEXT(following), cache);
        assert(following == 1 || cache == 1)
    od;
    atomic { cache = NULL; following = NULL; word = 0; swapped = false }
}

/* The first thread has a cache already. */
proctype Thread(byte me; byte its; byte changes)
{
    byte cache, following, word, top, block, mine;
    bool swapped, marked, isEarly;

    {
        if
        :: its == NULL ->
            find(its, true);
            if
            :: its != NULL -> trust(its, marked)
            :: else ->
                /* Add: Create, CacheOwner.TryChange, ThreadCacheList._first */
                its = 2;
                store(TOP(its), 0);
                compareAndSwap(OWNER(its), 0, CHANGED(0, me + 1), swapped, true, true);
                loadAcquire(FIRST, cache);
                store(NEXT(its), cache);
                compareAndSwap(FIRST, cache, its, swapped, JOINING_RELEASES, true);
                assert(swapped);
                atomic { swapped = false; cache = NULL }
            fi
        :: else
        fi;

        do
        :: changes > 0 && its == 1 -> changes--; change(its)
        :: else -> break
        od
    } unless { me == 0 && killed };

    true;
    d_step {
        BARRIER(me);
        mayLose = mayLose || (its != NULL && memory[CHANGING(its)] != 0 && ID(memory[OWNER(its)]) == me + 1);
        alive[me] = false;
        cache = NULL; following = NULL; word = 0; top = 0; block = NULL; mine = NULL; its = NULL; swapped = false; marked = false; isEarly = false;
        ended++
    }
}

/* ThreadCacheList.ReclaimDead */
proctype Reclaimer(byte me; byte walks)
{
    byte dead, cache, following, word, top, block;
    bool swapped, marked, isEarly;

    do
    :: walks > 0 ->
        walks--;
        find(dead, false);
        if
        :: dead != NULL ->
            trust(dead, marked);
            if
            :: !marked ->
                /* Empty */
                storeRelease(CHANGING(dead), 1);
                load(TOP(dead), top);
                store(TOP(dead), 0);
                if
                :: top != 0 ->
                    load(SLOT(dead), block);
                    d_step { assert(place[block] == Cached); place[block] = Free }
                :: else
                fi;
                atomic { top = 0; block = NULL };
                storeRelease(CHANGING(dead), 0)
            :: else -> marked = false
            fi;
            /* CacheOwner.Leave */
            loadAcquire(OWNER(dead), word);
#ifdef BUG_LEAVING_BY_PLAIN_STORE
            store(OWNER(dead), CHANGED(word, NOBODY));
#else
            compareAndSwap(OWNER(dead), word, CHANGED(word, NOBODY), swapped, true, true);
#endif
            atomic { dead = NULL; word = 0; swapped = false }
        :: else
        fi
    :: else -> break
    od;
    ended++
}

proctype Killer()
{
    if
    :: d_step { alive[0] -> killed = true }
    :: true
    fi
}

/* Whether a block lies in a cache that is not marked. */
#define HAS(cache, block) (memory[TOP(cache)] != 0 && memory[SLOT(cache)] == block && memory[CHANGING(cache)] == 0)

init
{
    byte i, count;

    atomic {
        memory[FIRST] = 1;
        memory[OWNER(1)] = CHANGED(0, 1);
        memory[TOP(1)] = 1;
        memory[SLOT(1)] = 1;
        place[1] = Cached;
        place[2] = Free;
        for (i : 0 .. THREADS - 1) { alive[i] = true; run Drain(i) }
        run Thread(0, 1, CHANGES);
        run Thread(1, NULL, 1);
        run Reclaimer(RECLAIMER, WALKS);
        run Killer();
        i = 0
    };

    ended == THREADS && OF(0).count + OF(1).count + OF(2).count == 0;
    d_step {
        for (i : 1 .. BLOCKS) {
            count = HAS(1, i) + HAS(2, i);
            assert(place[i] == Cached -> count == 1 || (mayLose && count == 0) : count == 0)
        }
    }
}
