/*
 * The lock: src/Emma.Templates/Kernel/Lock.cs.
 *
 * Claims: one thread at a time is between Acquire and Release; nobody sleeps for good beside a free lock or a dead thread's; whoever takes a dead
 * thread's lock over knows that it must mend what the lock protects.
 *
 * Each step is one shared access of the code, in its order. A processor may hold back a plain store (buffer) while later loads go ahead; an interlocked
 * operation, a system call or the barrier of another thread lets it out. A thread may die before any step, and its kernel id may be given to a new thread.
 */
#define THREADS 4
#ifndef MAX_DEATHS
#define MAX_DEATHS 1
#endif

byte owner;                    /* Lock._owner in memory: 0, or the kernel id of the owner */
byte ownerBirth;               /* Which thread wrote it: what a count of births beside the id would say */
bool flag;                     /* Lock._flag in memory: somebody may sleep */
bool buffered[THREADS];        /* The thread's store of 0 to _owner has not reached memory */
bool lowered[THREADS];         /* The thread's store of 0 to _flag, which comes after that one, has not reached memory */

bool asleep[THREADS];          /* In the kernel's queue of the futex */
bool patient[THREADS];         /* No thread has died since the sleeper last asked for the owner: its time running out changes nothing */
bool alive[THREADS + 1];       /* By kernel id */
bool killed[THREADS];
byte deaths;

byte inside;                   /* How many live threads are between Acquire and Release */
bool half;                     /* What the lock protects is half changed */

#ifdef BUG_OWNER_WITHOUT_BIRTH
#define SAME_BIRTH(birth) true
#else
#define SAME_BIRTH(birth) (ownerBirth == birth)
#endif

inline drain(thread)
{
    if
    :: buffered[thread] -> owner = 0; ownerBirth = 0; buffered[thread] = false
    :: else
    fi;
    if
    :: lowered[thread] -> flag = false; lowered[thread] = false
    :: else
    fi
}

/* Interlocked.CompareExchange(ref _owner, self, expected) */
inline exchange(expected, expectedBirth)
{
    d_step {
        drain(me);
        got = false;
        if
        :: owner == expected && SAME_BIRTH(expectedBirth) -> owner = id; ownerBirth = me + 1; got = true
        :: else
        fi
    }
}

proctype Thread(byte me; byte id; byte rounds)
{
    byte seen, seenBirth, other;
    bool got, dead, asks, mend, raised, isInside;

    {
        do
        :: rounds > 0 ->
            rounds--;

            /* Acquire */
            mend = false;
            exchange(0, 0);
            if
            :: got
            :: else ->
                /* AcquireSlow: a spin more or less makes no difference */
                if
                :: exchange(0, 0)
                :: true
                fi;
                if
                :: got
                :: else ->
                    asks = false;
                    do
                    :: true ->
#ifdef BUG_BARRIER_BEFORE_FLAG
                        d_step { for (other : 0 .. THREADS - 1) { drain(other) } other = 0 };
#endif
#ifdef BUG_RAISED_ONCE
                        if
                        :: !raised -> d_step { drain(me); flag = true; raised = true }
                        :: else
                        fi;
#else
                        d_step { drain(me); flag = true };       /* Interlocked.Exchange(ref _flag, Raised) */
#endif
#if !defined(BUG_NO_BARRIER) && !defined(BUG_BARRIER_BEFORE_FLAG)
                        d_step { for (other : 0 .. THREADS - 1) { drain(other) } other = 0 };   /* MemoryBarrierProcessWide */
#endif
                        d_step { seen = owner; seenBirth = ownerBirth; dead = false };
                        if
                        :: asks && seen != 0 && seen != id ->
#if defined(BUG_NO_TAKE_OVER)
                            patient[me] = true
#elif defined(BUG_TAKE_OVER_WITHOUT_ASKING)
                            dead = true
#else
                            d_step { dead = !alive[seen]; patient[me] = true }       /* CurrentThread.IsDead(owner) */
#endif
                        :: else
                        fi;
                        if
                        :: seen == 0 || seen == id || dead ->
#ifdef BUG_TAKE_OVER_BY_STORE
                            if
                            :: dead -> d_step { drain(me); owner = id; ownerBirth = me + 1; got = true }
                            :: else -> exchange(seen, seenBirth)
                            fi;
#else
                            exchange(seen, seenBirth);
#endif
                            if
                            :: got -> break
                            :: else
                            fi
                        :: else ->
                            /* Syscalls.FutexWait: the kernel compares and queues in one step */
#ifdef BUG_ASLEEP_ON_OWNER
                            d_step { drain(me); asleep[me] = (owner == seen) };
#else
                            d_step { drain(me); asleep[me] = flag };
#endif
#ifdef BUG_ENDLESS_PATIENCE
                            !asleep[me]
#else
                            d_step { !asleep[me] || !patient[me] -> asks = asleep[me]; asleep[me] = false }
#endif
                        fi
                    od;
                    mend = (seen != 0)
                fi
            fi;

            d_step { inside++; isInside = true; assert(inside == 1) };
#ifndef BUG_NOTHING_MENDED
            if
            :: mend -> half = false
            :: else
            fi;
#endif
            d_step { assert(!half); half = true };
            half = false;
            d_step { inside--; isInside = false };

            /* Release */
#ifdef BUG_FLAG_READ_FIRST
            raised = flag;
            buffered[me] = true;                                 /* Volatile.Write(ref _owner, 0) */
#else
            buffered[me] = true;                                 /* Volatile.Write(ref _owner, 0) */
            raised = flag;                                       /* Volatile.Read(ref _flag) */
#endif
            if
            :: raised ->
#if !defined(BUG_NOT_LOWERED) && !defined(BUG_LOWERED_LATE)
                lowered[me] = true;                              /* Volatile.Write(ref _flag, Lowered) */
#endif
                /* Syscalls.FutexWake(1) */
                atomic {
                    drain(me);
                    if
                    :: asleep[0] -> asleep[0] = false
                    :: asleep[1] -> asleep[1] = false
                    :: asleep[2] -> asleep[2] = false
                    :: asleep[3] -> asleep[3] = false
                    :: !asleep[0] && !asleep[1] && !asleep[2] && !asleep[3]
                    fi
                };
#ifdef BUG_LOWERED_LATE
                lowered[me] = true
#endif
            :: else
            fi
        :: else -> break
        od
    } unless { killed[me] };

    true;
    d_step {
        drain(me);
        asleep[me] = false;
        alive[id] = false;
        if
        :: isInside -> inside--
        :: else
        fi;
        if
        :: killed[me] -> for (other : 0 .. THREADS - 1) { patient[other] = false }
        :: else
        fi;
        other = 0; seen = 0; seenBirth = 0; got = false; dead = false; asks = false; mend = false; raised = false
    }
}

/* Lets stores out whenever it likes. */
proctype Memory()
{
end:
    do
    :: d_step { buffered[0] -> owner = 0; ownerBirth = 0; buffered[0] = false }
    :: d_step { buffered[1] -> owner = 0; ownerBirth = 0; buffered[1] = false }
    :: d_step { buffered[2] -> owner = 0; ownerBirth = 0; buffered[2] = false }
    :: d_step { buffered[3] -> owner = 0; ownerBirth = 0; buffered[3] = false }
    :: d_step { lowered[0] && !buffered[0] -> drain(0) }
    :: d_step { lowered[1] && !buffered[1] -> drain(1) }
    :: d_step { lowered[2] && !buffered[2] -> drain(2) }
    :: d_step { lowered[3] && !buffered[3] -> drain(3) }
    od
}

/* Kills a thread or two. */
proctype Killer()
{
end:
    do
    :: d_step { deaths < MAX_DEATHS && alive[1] && !killed[0] -> killed[0] = true; deaths++ }
    :: d_step { deaths < MAX_DEATHS && alive[2] && !killed[1] -> killed[1] = true; deaths++ }
    od
}

init
{
    atomic {
        alive[1] = true; alive[2] = true; alive[3] = true;
        patient[0] = true; patient[1] = true; patient[2] = true; patient[3] = true;
        run Thread(0, 1, 1);
        run Thread(1, 2, 1);
        run Thread(2, 3, 1);
        run Memory();
        run Killer()
    };
    /* The first thread's id is given out anew. */
    atomic { !alive[1] -> alive[1] = true; run Thread(3, 1, 1) }
}
