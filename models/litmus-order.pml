/*
 * What memory.h lets threads see, by the litmus tests that the memory of arm64 is known by (Alglave, Maranget, Tautschnig, "Herding cats", 2014).
 *
 * Claims: with release stores, acquire loads and interlocked operations as below, no forbidden outcome is seen. Each seeded bug leaves one of them out, and
 * the outcome shows.
 */
#define THREADS 4
#define WORDS 2
#define DEPTH 3
#define X 0
#define Y 1
#define MAY_BE_EARLY(which) true
#include "memory.h"

byte first, second;            /* What one thread has loaded, one after the other */
byte misses;                   /* How many threads have not seen the other's store */
byte ended;

#ifdef BUG_STORE_WITHOUT_RELEASE
#define STORE store
#else
#define STORE storeRelease
#endif

#ifdef BUG_LOAD_WITHOUT_ACQUIRE
#define LOAD load
#else
#define LOAD loadAcquire
#endif

/* Message passing: who sees the second store sees the first. */
proctype Sender(byte me)
{
    store(X, 1);
    STORE(Y, 1);
    ended++
}

proctype Receiver(byte me)
{
    bool isEarly;

    LOAD(Y, first);
    load(X, second);
    ended++
}

/* Store buffering: one of the two sees the other's store. */
proctype Flagger(byte me; byte own)
{
    byte seen;
    bool swapped, isEarly;

    storeRelease(own, 1);
#ifndef BUG_LOAD_BEFORE_THE_STORE
    compareAndSwap(own, 1, 2, swapped, true, true);
#endif
    loadAcquire(1 - own, seen);
    d_step { misses = misses + (seen == 0); ended++ }
}

/* Coherence: nobody sees the two stores to a word in another order. */
proctype Writer(byte me; byte which; byte stores)
{
    do
    :: stores > 0 -> store(which, 3 - stores); stores--
    :: else -> break
    od;
    ended++
}

proctype Watcher(byte me)
{
    bool isEarly;

    load(X, first);
    load(X, second);
    ended++
}

/* Independent reads of independent writes: two readers see two writers' stores in one order. */
proctype Reader(byte me; byte one)
{
    byte seen, other;
    bool isEarly;

    LOAD(one, seen);
    LOAD(1 - one, other);
    d_step { misses = misses + (seen != 0 && other == 0); ended++ }
}

init
{
    byte i;

    atomic {
        for (i : 0 .. THREADS - 1) { run Drain(i) }
        i = 0;
        if
        :: run Sender(0); run Receiver(1); i = 2
        :: run Flagger(0, X); run Flagger(1, Y); i = 2
        :: run Writer(0, X, 2); run Watcher(1); i = 2
        :: run Writer(0, X, 1); run Writer(1, Y, 1); run Reader(2, X); run Reader(3, Y); i = 4
        fi
    };

    ended == i;
    assert(first <= second && misses < 2)
}
