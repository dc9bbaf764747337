/*
 * The end: src/Emma.Templates/Lifetime/HeapState.cs (Clear, Unload), IdleTrim.cs, UnloadSentinel.cs;
 * AddressSpace/Unmapping.cs (UnmapAll); Caching/Cached/SmallBlocks.cs (Reset, Unload), Depot.cs (Flush), Exchange.cs (LookAtWindow).
 *
 * Claims: nobody uses what was unmapped: neither the trimming that runs beside Destroy, nor a thread that used the heap before and uses it again, nor finalizers; also if
 * the thread that destroys dies before any step; nothing stays mapped after unloading, unless a thread died.
 *
 * A mapping is a number, a new one each time, and so is whatever points into it. What a user does is a few steps, for the locks below are not the matter here; of
 * Clear, Unload and the trimming each step is one shared access or group of like ones, in the order of the code. The lock of trimming is one step: lock.pml is its model.
 */
#ifndef MAX_DEATHS
#define MAX_DEATHS 1
#endif
#ifndef USES
#define USES 3
#endif
#define USERS 2
#define NULL 0

#define WINDOW 0
#define SEGMENT 1
#define MAGAZINES 2
#define CODE 3

byte mapped[4];                /* The mapping of each kind that there is; 0: none */
byte mappings = 1;             /* The last number given out */

byte firstWindow;              /* AddressSpace.First, FirstPages */
byte slabs;                    /* Bin._slabs, SegmentManager's lists: the segment */
byte depot;                    /* One of Depot's stacks: the magazine's mapping */
byte unusedMagazines;          /* MagazineStore */
byte cacheWindow[USERS + 2];   /* ThreadCache._pages, _pageMap */
byte cacheTop[USERS + 2];      /* ThreadCache._tops */
byte block[USERS + 2];         /* A block that the thread has: its segment */
byte trimming;                 /* Root.Trimming */
bool running = true;           /* Root.State */
byte takeCode = 1;             /* SmallBlocks._takeCode */

byte using;                    /* How many threads are inside the heap; the user of a heap sees to it that there are none while it is destroyed */
bool destroying;
bool killed[USERS + 2];
byte deaths;
byte ended;

#define USE(kind, pointer) assert(pointer != NULL && mapped[kind] == pointer)
#define SYSCALL assert(mapped[CODE] == 1)

inline map(kind, pointer)
{
    SYSCALL;
    mappings++;
    assert(mapped[kind] == 0 || deaths != 0);
    mapped[kind] = mappings;
    pointer = mappings
}

/* An allocation: the cache's magazine, or the depot's, or one filled from the slabs */
inline allocate()
{
    if
    :: takeCode != NULL && cacheTop[me] != NULL -> d_step { USE(CODE, takeCode); USE(MAGAZINES, cacheTop[me]); block[me] = slabs }
    :: else ->
        cacheWindow[me] = firstWindow;                           /* LookAtWindow */
        d_step {
            if
            :: depot != NULL -> USE(MAGAZINES, depot); cacheTop[me] = depot; depot = NULL
            :: else ->
                if
                :: firstWindow == NULL -> map(WINDOW, firstWindow)
                :: else
                fi;
                USE(WINDOW, firstWindow);
                if
                :: unusedMagazines == NULL -> map(MAGAZINES, unusedMagazines)
                :: else
                fi;
                cacheTop[me] = unusedMagazines
            fi;
            if
            :: slabs == NULL -> map(SEGMENT, slabs); USE(WINDOW, firstWindow)
            :: else
            fi;
            block[me] = slabs
        }
    fi;
    d_step { USE(SEGMENT, block[me]) }
}

/* A free: into the cache's magazine; with it full, a magazine to the depot */
inline release()
{
    d_step {
        USE(SEGMENT, block[me]);
        if
        :: cacheWindow[me] != NULL -> USE(WINDOW, cacheWindow[me])
        :: else -> USE(WINDOW, firstWindow)
        fi;
        block[me] = NULL
    };
    if
    :: d_step { cacheTop[me] != NULL -> USE(MAGAZINES, cacheTop[me]); depot = cacheTop[me] }
    :: true
    fi
}

/* AddressSpace.UnmapAll */
inline unmapAll()
{
    if
    :: firstWindow != NULL ->
        d_step { USE(WINDOW, firstWindow); SYSCALL; mapped[SEGMENT] = 0 };
        d_step { USE(WINDOW, firstWindow); SYSCALL; mapped[MAGAZINES] = 0 };
#ifdef BUG_WINDOW_FORGOTTEN_LATE
        window = firstWindow;
        d_step { SYSCALL; mapped[WINDOW] = 0 };
        firstWindow = NULL;
#else
        window = firstWindow;
        firstWindow = NULL;
        d_step { SYSCALL; mapped[WINDOW] = (mapped[WINDOW] == window -> 0 : mapped[WINDOW]) };
#endif
        window = NULL
    :: else
    fi
}

/* SmallBlocks.Reset, Bin.Reset, SegmentManager.Reset */
inline reset()
{
#ifndef BUG_CACHES_NOT_RESET
    cacheWindow[0] = NULL; cacheTop[0] = NULL;
    cacheWindow[1] = NULL; cacheTop[1] = NULL;
    cacheWindow[2] = NULL; cacheTop[2] = NULL;
    cacheWindow[3] = NULL; cacheTop[3] = NULL;
#endif
    depot = NULL;
    unusedMagazines = NULL;
    slabs = NULL
}

/* HeapState.Clear */
inline clear()
{
    d_step { trimming == 0 || killed[trimming - 1] -> trimming = me + 1 };
#ifdef BUG_UNMAPPED_BEFORE_FORGOTTEN
    unmapAll();
    reset();
#else
    reset();
    unmapAll();
#endif
    trimming = 0
}

proctype User(byte me)
{
    byte uses, window;

    {
        do
        :: uses < USES ->
            uses++;
            if
            ::  d_step { !destroying -> using++ };
                if
                :: block[me] == NULL -> allocate()
                :: else -> release()
                fi;
                using--
            ::  /* Destroy: every pointer into the heap is void */
                d_step { !destroying && using == 0 -> destroying = true; block[0] = NULL; block[1] = NULL; block[2] = NULL; block[3] = NULL };
                clear();
                destroying = false
            fi
        :: else -> break
        od
    } unless { killed[me] };

    true;
    d_step { uses = 0; window = NULL; ended++ }
}

/* Kills a thread while it destroys the heap. */
proctype Killer()
{
end:
    do
    :: d_step { deaths < MAX_DEATHS && trimming == 1 && !killed[0] -> killed[0] = true; deaths++; destroying = false }
    :: d_step { deaths < MAX_DEATHS && trimming == 2 && !killed[1] -> killed[1] = true; deaths++; destroying = false }
    od
}

/* The finalizer thread: IdleTrim beside the users, and when they are gone the finalizers of the plugin's objects and the UnloadSentinel. */
proctype Finalizer(byte me)
{
    byte head, window, round, used;
    bool waited, changed;

    do
    :: ended < USERS ->
        /* IdleTrim.TrimIfIdle */
#ifndef BUG_TRIMMED_WITHOUT_LOCK
        if
        :: d_step { trimming == 0 -> trimming = me + 1 };
#else
        if
        :: true;
#endif
            /* Depot.Flush */
            head = depot;
            if
            :: head != NULL ->
                d_step { USE(MAGAZINES, head); head = (depot == head -> head : 0) };
                if
                :: head != NULL -> d_step { depot = NULL; head = slabs }; d_step { USE(SEGMENT, head); head = NULL }
                :: else
                fi
            :: else
            fi;
            /* The walk over the segments */
            head = firstWindow;
            if
            :: head != NULL -> d_step { USE(WINDOW, head); head = NULL }
            :: else
            fi;
#ifdef BUG_TRIMMED_WITHOUT_LOCK
            true
#else
            trimming = 0
#endif
        :: trimming != 0
        fi
    :: ended == USERS -> break
    od;

    /* An object's finalizer has a block from the beginning or allocates one, and registers itself again a time or two if it used the heap. */
    do
    :: running ->
        round++;
        changed = false;
        if
        :: used < 3 && round == used + 1 ->
            if
            :: block[me] == NULL -> allocate()
            :: else -> release()
            fi;
            used++;
            changed = true
        :: true
        fi;

        /* UnloadSentinel, after the other finalizers of its round */
        if
#ifdef BUG_UNLOADED_AT_ONCE
        :: false
#else
        :: !waited || changed -> waited = true
#endif
        :: else ->
            /* HeapState.Unload */
            running = false;
#ifdef BUG_CODE_UNMAPPED_FIRST
            mapped[CODE] = 0;
#endif
            clear();
            takeCode = 0;
            mapped[CODE] = 0
        fi
    :: else -> break
    od;

    true;
    d_step {
        /* The object that registered itself again in the last round, if any, still reads its block. */
        if
        :: changed && block[me] != NULL -> USE(SEGMENT, block[me])
        :: else
        fi;
        assert(deaths != 0 || (mapped[WINDOW] == 0 && mapped[SEGMENT] == 0 && mapped[MAGAZINES] == 0))
    }
}

init
{
    atomic {
        mapped[CODE] = 1;
        run User(0); run User(1); run Finalizer(2); run Killer()
    }
}
