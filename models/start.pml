/*
 * The start: src/Emma.Templates/Lifetime/HeapState.cs (EnsureRunning, Start, KeepSentinel), Kernel/KernelEntry.cs (EnsureCreated, Create, Invoke),
 * Caching/Cached/SmallBlocks.cs (Start, TryTake), FastPathEntries.cs (Lead).
 *
 * Claims: one code page wins and the others are unmapped, but those of threads that died; nobody calls code that is not built yet or unmapped already; a page has a
 * sentinel before it is mapped; a heap that runs has its label and its entry, and looks after itself once; no thread waits for another.
 *
 * Each step is one shared access of the code, in its order. Executable memory may be refused to any thread (then libc is the entry), a start may fail and be tried
 * again, a thread may die before any step.
 */
#ifndef THREADS
#define THREADS 2
#endif
#ifndef MAX_DEATHS
#define MAX_DEATHS 1
#endif
#ifndef USES
#define USES 2
#endif
#define NULL 0
#define LIBC 100

#define NOT_STARTED 0
#define RUNNING 1

byte state;                    /* HeapState._state */
byte current;                  /* KernelEntry.s_current: who made it, and 1; or LIBC */
bool sentinel;                 /* HeapState.s_sentinel */
bool label;                    /* Window.s_label */
byte take;                     /* FastPathEntries.Take, for all entries: the page it leads into; 0: to a method */
bool mapped[THREADS + 1];      /* The pages of code */
bool built[THREADS + 1];
byte trimmers;                 /* Objects that IdleTrim.Begin made */
bool killed[THREADS];
bool finished[THREADS];
byte deaths;
byte ended;

/* KernelEntry.EnsureCreated */
inline ensureCreated()
{
    if
    :: current == NULL ->
        if
        ::  d_step { assert(sentinel); mapped[me + 1] = true; created = me + 1 }
        ::  created = LIBC
        ::  failed = true
        fi;
        if
        :: failed
        :: else ->
#ifndef BUG_PUBLISHED_BEFORE_BUILT
            built[me + 1] = true;
#endif
#ifdef BUG_PUBLISHED_BY_STORE
            current = created;
            won = true;
#else
            d_step {
                won = (current == NULL);
                if
                :: won -> current = created
                :: else
                fi
            };
#endif
#ifdef BUG_PUBLISHED_BEFORE_BUILT
            built[me + 1] = true;
#endif
            if
            :: !won && created != LIBC ->
#ifndef BUG_LOSER_KEEPS_ITS_PAGE
                mapped[me + 1] = false
#else
                true
#endif
            :: else
            fi
        fi
    :: else
    fi
}

/* HeapState.Start */
inline start()
{
    label = true;
#ifdef BUG_SENTINEL_LAST
    ensureCreated();
    sentinel = true;
#else
    sentinel = true;           /* Of those that race, one stays, which makes no difference */
    ensureCreated();
#endif
    if
    :: failed
    :: else ->
        /* SmallBlocks.Start(KernelEntry.CodeBehind) */
#ifdef BUG_CODE_OF_THE_LOSER
        code = (created == NULL -> current : created);
#else
        code = current;
#endif
        take = (code == LIBC -> NULL : code);
#ifdef BUG_LOOKED_AFTER_TWICE
        won = (state == NOT_STARTED);
        state = RUNNING;
#else
        d_step {
            won = (state == NOT_STARTED);
            if
            :: won -> state = RUNNING
            :: else
            fi
        };
#endif
        if
        :: won -> d_step { trimmers++; assert(trimmers == 1) }
        :: else
        fi
    fi
}

proctype Thread(byte me)
{
    byte uses, created, code;
    bool failed, won;

    {
        do
        :: uses < USES ->
            uses++;
            /* TryTake */
            code = take;
            assert(code == NULL || (built[code] && mapped[code]));
            /* EnsureRunning */
#ifdef BUG_RUNNING_FIRST
            if
            :: state != RUNNING -> state = RUNNING; start()
            :: else
            fi;
#else
            if
            :: state != RUNNING -> start()
            :: else
            fi;
#endif
            /* Invoke */
            if
            :: failed
            :: else -> code = current; assert(state == RUNNING && label && code != NULL && (code == LIBC || (built[code] && mapped[code])))
            fi;
            d_step { created = 0; code = 0; failed = false; won = false }
        :: else -> break
        od;
        finished[me] = true
    } unless { killed[me] };

    true;
    d_step { uses = 0; created = 0; code = 0; failed = false; won = false; ended++ }
}

proctype Killer()
{
    byte thread;
end:
    do
    :: d_step { thread < THREADS && deaths < MAX_DEATHS -> killed[thread] = true; deaths++; thread++ }
    :: d_step { thread < THREADS && deaths < MAX_DEATHS -> thread++ }
    od
}

init
{
    byte i;

    atomic {
        for (i : 0 .. THREADS - 1) { run Thread(i) }
        i = 0;
        run Killer()
    };

    ended == THREADS;
    d_step {
        for (i : 1 .. THREADS) { assert(!mapped[i] || current == i || !finished[i - 1]) }
        assert(current == NULL || current == LIBC || mapped[current])
    }
}
