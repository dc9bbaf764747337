/*
 * The lock on arm64: src/Emma.Templates/Kernel/Lock.cs, with memory as memory.h has it.
 *
 * Claims: what a thread does with the lock is seen by the next as a whole, and nothing of it later; nobody sleeps for good beside a free lock or a dead
 * thread's; whoever takes a dead thread's lock over sees all its stores, and knows that it must mend.
 *
 * Each step is one shared access of the code, in its order. The kernel passes a barrier before it looks at a futex, and before it says that a thread is no
 * more. A thread dies at one instruction: all stores before that reach memory, none behind it. What lock.pml shows with a stronger memory, such as ids that
 * are given out anew, is not here.
 */
#ifndef THREADS
#define THREADS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef MAX_DEATHS
#define MAX_DEATHS 1
#endif
#define WORDS 4
#define DEPTH 4
#define OWNER 0                /* Lock._owner: 0, or the thread and 1 */
#define FLAG 1                 /* Lock._flag */
#define FIRST 2                /* What the lock protects: two words that are equal, stored and loaded plainly */
#define SECOND 3
#define MAY_BE_EARLY(which) true
#include "memory.h"

bool asleep[THREADS];          /* In the kernel's queue of the futex */
bool patient[THREADS];         /* No thread has died since the sleeper last asked for the owner */
bool alive[THREADS];
bool killed;                   /* The first thread: the only one that may die */
byte ended;

#ifdef BUG_TAKING_WITHOUT_ACQUIRE
#define ACQUIRES false
#else
#define ACQUIRES true
#endif

/* Interlocked.CompareExchange(ref _owner, self, expected) */
#define TAKE(expected) compareAndSwap(OWNER, expected, me + 1, got, true, ACQUIRES)

proctype Thread(byte me; byte rounds)
{
    byte seen, one, two, other;
    bool got, dead, asks, mend, raised, isEarly;

    {
        do
        :: rounds > 0 ->
            rounds--;

            /* Acquire */
            mend = false;
            TAKE(0);
            if
            :: got
            :: else ->
                asks = false;
                do
                :: true ->
                    d_step { letOut(me); put(me, FLAG, 1); forget(me) };       /* Interlocked.Exchange(ref _flag, Raised) */
                    /* MemoryBarrierProcessWide, a processor after the other */
#ifdef BUG_BARRIER_OF_ITS_OWN
                    d_step { BARRIER(me) };
#else
                    do
                    :: other < THREADS -> d_step { BARRIER(other); other++ }
                    :: else -> break
                    od;
                    other = 0;
                    d_step { forget(me) };
#endif
                    loadAcquire(OWNER, seen);
                    if
                    :: asks && seen != 0 -> d_step { dead = !alive[seen - 1]; patient[me] = true }
                    :: else
                    fi;
                    if
                    :: seen == 0 || dead ->
                        TAKE(seen);
                        if
                        :: got -> break
                        :: else
                        fi
                    :: else ->
                        /* WaitInVain */
                        d_step { BARRIER(me); asleep[me] = (memory[FLAG] != 0) };
                        d_step { !asleep[me] || !patient[me] -> asks = asleep[me]; asleep[me] = false }
                    fi
                od;
                mend = dead; dead = false
            fi;

            load(FIRST, one);
            load(SECOND, two);
            if
            :: mend
            :: else -> assert(one == two)
            fi;
            store(FIRST, one + 1);
            store(SECOND, one + 1);
            one = 0; two = 0;

            /* Release */
#ifdef BUG_GIVING_BACK_WITHOUT_RELEASE
            store(OWNER, 0);
#else
            storeRelease(OWNER, 0);
#endif
            loadAcquire(FLAG, raised);
            if
            :: raised ->
                storeRelease(FLAG, 0);
                /* WakeOne */
                atomic {
                    BARRIER(me);
                    if
                    :: asleep[0] -> asleep[0] = false
                    :: asleep[1] -> asleep[1] = false
#if THREADS > 2
                    :: asleep[2] -> asleep[2] = false
                    :: !asleep[0] && !asleep[1] && !asleep[2]
#else
                    :: !asleep[0] && !asleep[1]
#endif
                    fi
                }
            :: else
            fi
        :: else -> break
        od
    } unless { me == 0 && killed };

    true;
    d_step {
        BARRIER(me);
        asleep[me] = false;
        alive[me] = false;
        if
        :: me == 0 && killed -> for (other : 0 .. THREADS - 1) { patient[other] = false }
        :: else
        fi;
        other = 0; seen = 0; one = 0; two = 0; got = false; dead = false; asks = false; mend = false; raised = false; isEarly = false;
        ended++
    }
}

proctype Killer()
{
    if
    :: d_step { MAX_DEATHS > 0 && alive[0] -> killed = true }
    :: true
    fi
}

init
{
    byte i;

    atomic {
        for (i : 0 .. THREADS - 1) { alive[i] = true; patient[i] = true; run Drain(i) }
        for (i : 0 .. THREADS - 1) { run Thread(i, ROUNDS) }
        run Killer();
        i = 0
    };
    ended == THREADS;
    assert(killed || (memory[FIRST] == THREADS * ROUNDS && memory[SECOND] == THREADS * ROUNDS))
}
