// What Debian's libstdc++, libgcc_s and OpenSSL ask glibc for and musl has not, so that they load in a program of musl's: no Debian package
// has them built for musl. Compiled against glibc's headers and linked to nothing; musl's loader binds what is used here. Only types that
// are alike in both libraries are used.
#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <locale.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <syslog.h>
#include <time.h>
#include <ucontext.h>

// libstdc++ counts its references without atomic operations where this is not 0.
char __libc_single_threaded = 0;

// No feature of the processor is known, so none is used.
struct { unsigned int vendor, type, subtype, features; } __cpu_model;
unsigned int __cpu_features2[8];
int __cpu_indicator_init(void) { return 0; }

// The unwinder's tables of the module that holds an address.
struct search {
    uintptr_t address;
    struct dl_find_object *found;
};

static int look_at_module(struct dl_phdr_info *module, size_t size, void *argument)
{
    struct search *search = argument;
    uintptr_t start = UINTPTR_MAX, end = 0, tables = 0;
    int holds = 0;
    for (int i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &module->dlpi_phdr[i];
        uintptr_t from = module->dlpi_addr + part->p_vaddr, to = from + part->p_memsz;
        if (part->p_type == PT_GNU_EH_FRAME)
            tables = from;
        if (part->p_type != PT_LOAD)
            continue;
        start = from < start ? from : start;
        end = to > end ? to : end;
        holds |= search->address >= from && search->address < to;
    }

    if (!holds || tables == 0)
        return 0;
    memset(search->found, 0, sizeof *search->found);
    search->found->dlfo_map_start = (void *)start;
    search->found->dlfo_map_end = (void *)end;
    search->found->dlfo_eh_frame = (void *)tables;
    return 1;
}

int _dl_find_object(void *address, struct dl_find_object *found)
{
    struct search search = { (uintptr_t)address, found };
    return dl_iterate_phdr(look_at_module, &search) ? 0 : -1;
}

// Destructors of thread_local objects: a list for each thread, run at its end, the newest first.
struct destructor {
    void (*run)(void *);
    void *object;
    struct destructor *next;
};

static pthread_key_t destructors;

static void run_destructors(void *list)
{
    for (struct destructor *each = list; each;) {
        struct destructor *next = each->next;
        each->run(each->object);
        free(each);
        each = next;
    }
}

__attribute__((constructor)) static void make_key(void) { pthread_key_create(&destructors, run_destructors); }

int __cxa_thread_atexit_impl(void (*run)(void *), void *object, void *module)
{
    struct destructor *added = malloc(sizeof *added);
    if (!added)
        return -1;
    *added = (struct destructor){ run, object, pthread_getspecific(destructors) };
    return pthread_setspecific(destructors, added);
}

size_t __strftime_l(char *text, size_t size, const char *format, const struct tm *time, locale_t locale)
{
    return strftime_l(text, size, format, time, locale);
}

uint32_t arc4random(void)
{
    uint32_t number;
    while (getrandom(&number, sizeof number, 0) != sizeof number) { }
    return number;
}

// The checking forms of functions, without the check.
void *__memcpy_chk(void *to, const void *from, size_t size, size_t room) { return memcpy(to, from, size); }
void *__memset_chk(void *to, int value, size_t size, size_t room) { return memset(to, value, size); }
char *__strcat_chk(char *to, const char *from, size_t room) { return strcat(to, from); }
long __fdelt_chk(long descriptor) { return descriptor / (8 * (long)sizeof(long)); }
int __vfprintf_chk(FILE *file, int flag, const char *format, va_list list) { return vfprintf(file, format, list); }

int __fprintf_chk(FILE *file, int flag, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int count = vfprintf(file, format, list);
    va_end(list);
    return count;
}

int __sprintf_chk(char *text, int flag, size_t room, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int count = vsprintf(text, format, list);
    va_end(list);
    return count;
}

void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsyslog(priority, format, list);
    va_end(list);
}

// OpenSSL asks for these where it runs jobs beside each other, which .NET does not have it do.
static int not_there(void)
{
    errno = ENOSYS;
    return -1;
}

int getcontext(ucontext_t *context) { return not_there(); }
int setcontext(const ucontext_t *context) { return not_there(); }
void makecontext(ucontext_t *context, void (*function)(void), int count, ...) { abort(); }
