/*
 * Memory as the threads of an arm64 process see it, for the models that include this. They define first: THREADS; WORDS, how many shared words there are;
 * DEPTH, 3 or 4, how many stores a thread's buffer has room for; MAY_BE_EARLY(word), whether loads of a word may be taken early. A proctype that calls these
 * has `me`, its thread, and a bool `isEarly`.
 *
 * A store goes into the buffer of its thread, and waits while that is full. From there it reaches memory, where all threads see it at once, at any later step
 * and in any order, but for two: stores to one word stay in order, and a release store (Volatile.Write) waits for all that are before it. No store waits for
 * a release store that is before it.
 *
 * A load takes the latest store to its word in the buffer of its own thread. Without one it takes what is in memory, or what was there when the thread last
 * passed an acquire: so it is taken before any load and any store in between, but never goes behind what its thread has seen of that very word. Of older
 * values, it may take the first only. After an acquire load (Volatile.Read) that took what is in memory, no load is taken early. An acquire load may itself be
 * taken before a release store that is before it in the program: so it is with `ldapr`, which .NET uses.
 *
 * An interlocked operation is one step. All stores before it are in memory by then, and no load behind it is taken before it; a compare-and-swap that fails
 * is but an acquire load.
 *
 * What is not here: a plain load that is taken after a store behind it. A store that another thread waits for is a release store in the code, or interlocked,
 * and so waits for the loads before it.
 */
typedef Buffer { byte count; byte word[DEPTH]; byte value[DEPTH]; bool release[DEPTH] }
typedef Early { byte state[WORDS]; byte value[WORDS] }
#define UNCHANGED 0            /* What is in memory was there when the thread last passed an acquire */
#define OLDER 1                /* It has changed since: a load may still take the older value */
#define PASSED 2               /* It has changed since, and the thread has seen that */

byte memory[WORDS];
Buffer buffers[THREADS];
Early early[THREADS];          /* What a load may have taken early, where that is no more in memory */
hidden byte at, stored, latest;

/* A store reaches memory. */
inline put(thread, which, newValue)
{
    for (at : 0 .. THREADS - 1) {
        if
        :: at == thread && early[at].state[which] == OLDER -> early[at].state[which] = PASSED; early[at].value[which] = 0
        :: at != thread && early[at].state[which] == UNCHANGED && memory[which] != newValue && MAY_BE_EARLY(which) ->
            early[at].state[which] = OLDER;
            early[at].value[which] = memory[which]
        :: else
        fi
    }
    memory[which] = newValue;
    at = 0
}

#define OF(thread) buffers[thread]
#define PASSES(thread, later, first) (later <= first || (!OF(thread).release[later] && OF(thread).word[later] != OF(thread).word[first]))
#define MAY_LEAVE(thread, entry) (entry < OF(thread).count && PASSES(thread, entry, 0) && PASSES(thread, entry, 1) && PASSES(thread, entry, 2))

inline leave(thread, entry)
{
    put(thread, OF(thread).word[entry], OF(thread).value[entry]);
    OF(thread).count--;
    stored = entry;
    do
    :: stored < OF(thread).count ->
        OF(thread).word[stored] = OF(thread).word[stored + 1];
        OF(thread).value[stored] = OF(thread).value[stored + 1];
        OF(thread).release[stored] = OF(thread).release[stored + 1];
        stored++
    :: else -> break
    od;
    OF(thread).word[stored] = 0; OF(thread).value[stored] = 0; OF(thread).release[stored] = false;
    stored = 0
}

/* All stores of a thread reach memory; no load behind this is taken before it. Both are halves of a barrier. */
inline letOut(thread)
{
    do
    :: OF(thread).count > 0 -> leave(thread, 0)
    :: else -> break
    od
}

inline forget(thread)
{
    for (latest : 0 .. WORDS - 1) { early[thread].state[latest] = UNCHANGED; early[thread].value[latest] = 0 }
    latest = 0
}

#define BARRIER(thread) letOut(thread); forget(thread)

inline append(which, newValue, isRelease)
{
    d_step {
        OF(me).count < DEPTH;
        OF(me).word[OF(me).count] = which;
        OF(me).value[OF(me).count] = newValue;
        OF(me).release[OF(me).count] = isRelease;
        OF(me).count++
    }
}

inline store(which, newValue) { append(which, newValue, false) }

inline storeRelease(which, newValue) { append(which, newValue, true) }

/* What a thread's load takes. isEarly: whether before the other loads, and then whether it did. */
inline take(which, result)
{
    isEarly = isEarly && MAY_BE_EARLY(which) && early[me].state[which] != PASSED;
    latest = OF(me).count;
    do
    :: latest > 0 && OF(me).word[latest - 1] != which -> latest--
    :: else -> break
    od;
    result = (latest > 0 -> OF(me).value[latest - 1] : (isEarly && early[me].state[which] == OLDER -> early[me].value[which] : memory[which]));
    latest = 0;
    if
    :: !isEarly && early[me].state[which] == OLDER -> early[me].state[which] = PASSED; early[me].value[which] = 0
    :: else
    fi
}

inline load(which, result)
{
    atomic {
        if
        :: isEarly = false
        :: isEarly = true
        fi;
        d_step { take(which, result); isEarly = false }
    }
}

inline loadAcquire(which, result)
{
    atomic {
        if
        :: isEarly = false
        :: isEarly = true
        fi;
        d_step {
            take(which, result);
            if
            :: !isEarly -> forget(me)
            :: else -> isEarly = false
            fi
        }
    }
}

/* Whether a thread has a store to a word in its buffer: its next interlocked operation on that word waits. */
#define IS_AT(thread, entry, which) (entry < OF(thread).count && OF(thread).word[entry] == which)
#define HOLDS(thread, which) (IS_AT(thread, 0, which) || IS_AT(thread, 1, which) || IS_AT(thread, 2, which) || IS_AT(thread, 3, which))

/* Interlocked.CompareExchange. releases, acquires: whether it does; the processor has it without. */
inline compareAndSwap(which, expected, newValue, swapped, releases, acquires)
{
    d_step {
        !HOLDS(me, which);
        swapped = (memory[which] == expected);
        if
        :: swapped && releases -> letOut(me)
        :: else
        fi;
        if
        :: swapped -> put(me, which, newValue)
        :: else
        fi;
        if
        :: acquires -> forget(me)
        :: else
        fi
    }
}

/* Lets a thread's stores out whenever it likes. */
proctype Drain(byte thread)
{
end:
    do
    :: d_step { MAY_LEAVE(thread, 0) -> leave(thread, 0) }
    :: d_step { MAY_LEAVE(thread, 1) -> leave(thread, 1) }
    :: d_step { MAY_LEAVE(thread, 2) -> leave(thread, 2) }
#if DEPTH > 3
    :: d_step { MAY_LEAVE(thread, 3) -> leave(thread, 3) }
#endif
    od
}
