/*
 * The list of thread caches and what becomes of those of dead threads: src/Emma.Templates/Caching/Cached/ThreadCacheList.cs (CacheOwner, ThreadCacheList),
 * and of Emptying.cs the mark `_changing`, EmptyDead and TakenOver.
 *
 * Claims: one live thread at a time uses a cache; whoever gets a dead thread's cache never uses what that thread was changing; no cache gets out of reach:
 * in the end each one that was ever linked is on the list, and nobody's or a dead thread's.
 *
 * Each step is one shared access of the code, in its order. A thread may die before any step, and its kernel id may be given to a new thread. Every
 * kernel id is asked for in a step of its own. The lock of giving back is one step: lock.pml is its model.
 */
#ifndef MAX_DEATHS
#define MAX_DEATHS 2
#endif
#define THREADS 3
#define CACHES THREADS
#define LOOKS 2
#define NULL 0
#define NOBODY 0

byte owner[CACHES + 1];        /* CacheOwner._word: the kernel id */
byte changes[CACHES + 1];      /* and the count of the same word */
byte following[CACHES + 1];    /* ThreadCache.Next */
bool changing[CACHES + 1];     /* ThreadCache._changing */
bool half[CACHES + 1];         /* Its magazines are half exchanged */
byte user[CACHES + 1];         /* The live thread that uses it, and 1; 0: none does */
bool linked[CACHES + 1];
byte made;
byte first;                    /* ThreadCacheList._first */
byte cursor;                   /* ThreadCacheList._cursor */
byte giving;                   /* Root.Giving */
bool alive[THREADS + 1];       /* By kernel id */
bool killed[THREADS];
byte deaths;
byte ended;

#ifdef BUG_OWNER_WITHOUT_COUNT
#define SAME_COUNT(cache) true
#else
#define SAME_COUNT(cache) (changes[cache] == count)
#endif

#ifdef BUG_CACHE_OF_NO_THREAD
#define EMPTIED_BY 100         /* Stands for whoever empties it; no thread has this id */
#else
#define EMPTIED_BY id
#endif

/* CacheOwner.Word */
#define READ_OWNER(cache) d_step { seen = owner[cache]; count = changes[cache] }

/* CacheOwner.TryChange(word, newOwner), which makes the caller the user, or not any more */
inline change(cache, newOwner)
{
    d_step {
        changed = (owner[cache] == seen && SAME_COUNT(cache));
        if
        :: changed && newOwner != NOBODY -> owner[cache] = newOwner; changes[cache]++; assert(user[cache] == 0); user[cache] = me + 1
        :: changed && newOwner == NOBODY -> owner[cache] = NOBODY; changes[cache]++
        :: else
        fi
    }
}

/* TakeNobodys(self) */
inline takeNobodys(found)
{
    cache = cursor;
    do
    :: found == NULL && looks > 0 ->
        d_step {
            looks--;
            if
            :: cache == NULL -> cache = first
            :: else
            fi
        };
        if
        :: cache == NULL -> break
        :: else
        fi;
        READ_OWNER(cache);
        if
        :: seen == NOBODY || seen == id -> change(cache, id)
        :: else
        fi;
        d_step {
            if
            :: changed -> found = cache
            :: else -> cache = following[cache]
            fi;
            changed = false
        }
    :: else -> break
    od;
    cache = NULL
}

/* TakeFromDead(newOwner, ref looks) */
inline takeFromDead(newOwner, found)
{
    cache = cursor;
    do
    :: found == NULL && looks > 0 ->
        d_step {
            looks--;
            if
            :: cache == NULL -> cache = first
            :: else
            fi
        };
        if
        :: cache == NULL -> break
        :: else
        fi;
        READ_OWNER(cache);
        if
        :: seen != NOBODY && seen <= THREADS ->
#ifdef BUG_TAKE_OVER_WITHOUT_ASKING
            dead = true;
#else
            dead = !alive[seen];                                 /* CurrentThread.IsDead(process, owner) */
#endif
            if
            :: dead -> change(cache, newOwner)
            :: else
            fi
        :: else
        fi;
        d_step {
            if
            :: changed -> found = cache; looks++
            :: else -> cache = following[cache]
            fi;
            changed = false; dead = false
        }
    :: else -> break
    od;
    cursor = cache;
    cache = NULL
}

/* ThreadCache.TakenOver, ThreadCache.EmptyDead: ThreadCache.Reset if the mark is set */
inline trust(mine)
{
#ifdef BUG_MARK_NOT_READ
    true
#else
    if
    :: changing[mine] ->
        half[mine] = false;
        changing[mine] = false
    :: else
    fi
#endif
}

/* A slow path, or ThreadCache.Empty */
inline exchangeMagazines(mine)
{
#ifndef BUG_NO_MARK
    changing[mine] = true;
#endif
    d_step { assert(user[mine] == me + 1 && !half[mine]); half[mine] = true };
#ifdef BUG_MARK_CLEARED_EARLY
    changing[mine] = false;
#endif
    d_step { assert(user[mine] == me + 1 && half[mine]); half[mine] = false };
    changing[mine] = false
}

proctype Thread(byte me; byte id; bool reclaims)
{
    byte mine, emptied, cache, seen, count, looks;
    bool changed, dead;

    {
        /* Enter: TakeOver(self) */
        looks = LOOKS;
        takeNobodys(mine);
        if
        :: mine == NULL -> looks = LOOKS; takeFromDead(id, mine)
        :: else
        fi;
        if
        :: mine != NULL -> trust(mine)
        :: else ->
            /* Add(self) */
            d_step { made++; mine = made; assert(mine <= CACHES); owner[mine] = id; changes[mine]++; user[mine] = me + 1 };
            do
            ::  cache = first;
                d_step { following[mine] = cache };
#ifdef BUG_ADDED_BY_STORE
                d_step { changed = true; first = mine; linked[mine] = true };
#else
                d_step {
                    changed = (first == cache);
                    if
                    :: changed -> first = mine; linked[mine] = true
                    :: else
                    fi
                };
#endif
                if
                :: changed -> break
                :: else
                fi
            od;
            changed = false
        fi;
        cache = NULL;

        exchangeMagazines(mine);

        /* ReclaimBeforeMapping: ReclaimDead under the lock of giving back */
        if
        :: reclaims ->
            d_step { giving == 0 || killed[giving - 1] -> giving = me + 1; looks = LOOKS };
            do
            ::  takeFromDead(EMPTIED_BY, emptied);
                if
                :: emptied == NULL -> break
                :: else
                fi;
#ifdef BUG_LEFT_BEFORE_EMPTIED
                READ_OWNER(emptied);
                change(emptied, NOBODY);
                trust(emptied);
                exchangeMagazines(emptied);
                user[emptied] = 0;
#else
                trust(emptied);
                exchangeMagazines(emptied);
                READ_OWNER(emptied);                             /* CacheOwner.Leave */
                user[emptied] = 0;
                change(emptied, NOBODY);
#endif
                d_step { changed = false; emptied = NULL }
            od;
            giving = 0
        :: else
        fi
    } unless { killed[me] };

    true;
    d_step {
        alive[id] = false;
        for (cache : 1 .. CACHES) { user[cache] = (user[cache] == me + 1 -> 0 : user[cache]) }
        mine = NULL; emptied = NULL; cache = NULL; seen = 0; count = 0; looks = 0; changed = false; dead = false;
        ended++
    }
}

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
    byte cache, reached;

    atomic {
        alive[1] = true; alive[2] = true;
        run Thread(0, 1, false);
        run Thread(1, 2, true);
        run Killer()
    };
    /* The first thread's id is given out anew. */
    atomic { !alive[1] -> alive[1] = true; run Thread(2, 1, true) };

    ended == THREADS;
    d_step {
        cache = first;
        do
        :: cache != NULL -> assert(owner[cache] <= THREADS && linked[cache]); linked[cache] = false; cache = following[cache]
        :: else -> break
        od;
        for (cache : 1 .. CACHES) { assert(!linked[cache]) }
    }
}
