/* A disk that forgets, for programs that are started with this library in LD_PRELOAD.

Below the directory POWERLOSS_DATA, what changes a file or a name is done as asked and noted in
POWERLOSS_JOURNAL/journal, with what was there before. `powerloss.lose` takes the notes and leaves on the disk
what a power cut might have left. The model is a pessimistic POSIX file system:

  - Data is durable after fsync or fdatasync of its file, and no earlier. O_SYNC is not looked at.
  - A name (created, removed, renamed, linked) is durable after fsync of its directory; a rename between two
    directories after fsync of both. fsync of a file does nothing for its name.
  - After an fsync that failed, what was written before is not made durable by a later one: kernels forget
    what they could not write. Only writing it again helps. Of names, a later fsync is believed.
  - A file that is cut down may be left with any size between the old one and the new one: Btrfs cuts it extent
    by extent, in several steps of its own.
  - sync_file_range makes nothing durable. sync and syncfs make all durable.

What was done but not noted, because the program was killed between the two, counts as having reached the disk.

SQLite's -shm is shared memory that happens to have a name, and is left out. Writing through mmap and stdio of C
is not seen. Inodes are the names of files here: what is unlinked or replaced keeps a link in the journal's
directory, so that no number is used again. Both directories must lie on one file system.

While POWERLOSS_JOURNAL has a file `full`, whatever writes fails with ENOSPC; with `readonly`, whatever changes
anything fails with EROFS; with `unsyncable`, fsync fails with EIO; with `slow`, fsync takes as long as on a
disk that turns, and most of the time something is not durable yet.

No allocation, and only system calls below: nothing here calls what it stands in front of. The lock lies in
shared memory, so a forked child shares it. Two programs may share a journal, but not the files that they write. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, RESIZE = 2, SYNC = 3, NAMES = 4, FORGOTTEN = 5 };
enum { PIECE = 1 << 20 };

struct record {
    uint64_t kind, inode, first, second, old_size, new_size;
};

struct edit {
    uint64_t directory, before, after, size;
    char name[NAME_MAX + 1];
};

/* Where a name stands: its directory, open and by number, and the name in it. */
struct place {
    int directory;
    uint64_t inode;
    char name[NAME_MAX + 1];
};

static char root[PATH_MAX];
static size_t root_size;
static int journal = -1, journal_directory = -1;
static pthread_mutex_t *mutex;
static char before[PIECE];

static void die(const char *why)
{
    static const char prefix[] = "powerloss: ";
    syscall(SYS_write, 2, prefix, sizeof prefix - 1);
    syscall(SYS_write, 2, why, strlen(why));
    syscall(SYS_write, 2, "\n", 1);
    _exit(99);
}

static void lock(void)
{
    if (pthread_mutex_lock(mutex) == EOWNERDEAD)
        pthread_mutex_consistent(mutex);
}

/* Give the lock back and `result` on, with the errno that belongs to it. */
static long unlocked(long result)
{
    int error = errno;
    pthread_mutex_unlock(mutex);
    errno = error;
    return result;
}

static long refused(int error)
{
    errno = error;
    return -1;
}

static int raw_open(int directory, const char *path, int flags, mode_t mode)
{
    return (int)syscall(SYS_openat, directory, path, flags, mode);
}

static void raw_close(int fd)
{
    int error = errno;
    syscall(SYS_close, fd);
    errno = error;
}

static bool path_of(int fd, char path[PATH_MAX])
{
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    path[size < 0 ? 0 : size] = 0;
    return size > 0;
}

static bool ends(const char *text, const char *tail)
{
    size_t size = strlen(text), part = strlen(tail);
    return size >= part && !strcmp(text + size - part, tail);
}

static bool below(const char *path)
{
    return !strncmp(path, root, root_size) && (path[root_size] == '/' || !path[root_size]);
}

static bool shared_memory(const char *path)
{
    return ends(path, "-shm") || ends(path, "-shm (deleted)");
}

/* Whether this descriptor is a file (or with `directories`, a directory) that is looked after. */
static bool watched(int fd, bool directories)
{
    if (journal < 0)
        return false;
    int error = errno;
    struct stat state;
    char path[PATH_MAX];
    bool yes = !fstat(fd, &state) && (S_ISREG(state.st_mode) || (directories && S_ISDIR(state.st_mode))) &&
               path_of(fd, path) && below(path) && !shared_memory(path);
    errno = error;
    return yes;
}

static void leave(struct place *place)
{
    if (place->directory >= 0)
        raw_close(place->directory);
    place->directory = -1;
}

/* Where `path` stands, if that is below the root. The caller leaves it. */
static bool find(int directory, const char *path, struct place *place)
{
    place->directory = -1;
    char parent[PATH_MAX], real[PATH_MAX];
    size_t size = strlen(path);
    if (journal < 0 || !size || size >= sizeof parent)
        return false;
    int error = errno;
    memcpy(parent, path, size + 1);
    while (size > 1 && parent[size - 1] == '/')
        parent[--size] = 0;
    char *slash = strrchr(parent, '/');
    const char *name = slash ? slash + 1 : parent;
    bool yes = false;
    if (*name && strlen(name) <= NAME_MAX && !shared_memory(name)) {
        strcpy(place->name, name);
        if (slash)
            slash[slash == parent] = 0;
        int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
        place->directory = raw_open(directory, slash ? parent : ".", flags, 0);
        struct stat state;
        yes = place->directory >= 0 && path_of(place->directory, real) && below(real) &&
              !fstat(place->directory, &state);
        if (yes)
            place->inode = state.st_ino;
        else
            leave(place);
    }
    errno = error;
    return yes;
}

/* The inode behind a name, or 0. */
static uint64_t inode_at(const struct place *place)
{
    int error = errno;
    struct stat state;
    bool there = !fstatat(place->directory, place->name, &state, AT_SYMLINK_NOFOLLOW);
    errno = error;
    return there ? state.st_ino : 0;
}

static bool failing(const char *how)
{
    int error = errno;
    bool yes = !syscall(SYS_faccessat, journal_directory, how, F_OK);
    errno = error;
    return yes;
}

/* --- The journal ----------------------------------------------------------------------------- */

static void note(uint64_t kind, uint64_t inode, uint64_t first, uint64_t second, const void *old,
                 size_t old_size, const void *new, size_t new_size)
{
    int error = errno;
    struct record record = {kind, inode, first, second, old_size, new_size};
    struct iovec parts[] = {
        {&record, sizeof record}, {(void *)old, old_size}, {(void *)new, new_size}};
    if (syscall(SYS_writev, journal, parts, 3) != (long)(sizeof record + old_size + new_size))
        die("the journal cannot be written");
    errno = error;
}

static void note_names(const struct edit *edits, int count)
{
    note(NAMES, 0, 0, 0, edits, (size_t)count * sizeof *edits, NULL, 0);
}

static struct edit edited(const struct place *place, uint64_t old, uint64_t new)
{
    struct edit edit = {place->inode, old, new, strlen(place->name), {0}};
    memcpy(edit.name, place->name, edit.size);
    return edit;
}

/* A link to what is about to lose its name, so that it can come back. */
static void keep(const struct place *place)
{
    int error = errno;
    struct stat state;
    if (!fstatat(place->directory, place->name, &state, AT_SYMLINK_NOFOLLOW) &&
        !S_ISDIR(state.st_mode)) {
        char kept[40];
        snprintf(kept, sizeof kept, "kept-%llu", (unsigned long long)state.st_ino);
        if (syscall(SYS_linkat, place->directory, place->name, journal_directory, kept, 0) &&
            errno != EEXIST)
            die("what is removed cannot be kept: are data and journal on one file system?");
    }
    errno = error;
}

/* --- Data ------------------------------------------------------------------------------------ */

/* What the file holds at `where`, into `before`; how much. The descriptor may be for writing only. */
static size_t look(int fd, size_t size, off_t where)
{
    long got = syscall(SYS_pread64, fd, before, size, where);
    if (got < 0) {
        char link[40];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        int reader = raw_open(AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
        if (reader < 0)
            die("what is overwritten cannot be read");
        got = syscall(SYS_pread64, reader, before, size, where);
        raw_close(reader);
    }
    return got < 0 ? 0 : (size_t)got;
}

/* Write and note, at the file's position if `at` is negative. The lock is held. */
static ssize_t put(int fd, const char *data, size_t size, off_t at)
{
    size_t done = 0;
    if (failing("readonly"))
        return refused(EROFS);
    if (failing("full"))
        return refused(ENOSPC);
    while (done < size) {
        size_t piece = size - done < PIECE ? size - done : PIECE;
        struct stat state;
        off_t where = at < 0 ? syscall(SYS_lseek, fd, 0, SEEK_CUR) : at + (off_t)done;
        int flags = fcntl(fd, F_GETFL);
        if (fstat(fd, &state) || where < 0 || flags < 0)
            return done ? (ssize_t)done : -1;
        if (flags & O_APPEND)
            where = state.st_size;
        size_t had = where < state.st_size ? look(fd, piece, where) : 0;
        long count = at < 0 ? syscall(SYS_write, fd, data + done, piece)
                            : syscall(SYS_pwrite64, fd, data + done, piece, where);
        if (count < 0)
            return done ? (ssize_t)done : -1;
        if (had > (size_t)count)
            had = (size_t)count;
        note(WRITE, state.st_ino, where, state.st_size, before, had, data + done, (size_t)count);
        done += (size_t)count;
        if ((size_t)count < piece)
            break;
    }
    return (ssize_t)done;
}

static ssize_t put_all(int fd, const struct iovec *parts, int count, off_t at)
{
    size_t done = 0;
    for (int i = 0; i < count; i++) {
        off_t where = at < 0 ? at : at + (off_t)done;
        ssize_t put_now = put(fd, parts[i].iov_base, parts[i].iov_len, where);
        if (put_now < 0)
            return done ? (ssize_t)done : -1;
        done += (size_t)put_now;
        if ((size_t)put_now < parts[i].iov_len)
            break;
    }
    return (ssize_t)done;
}

/* Make the file `size` bytes long, and note what is cut off, piece by piece. The lock is held. */
static int resize(int fd, off_t size)
{
    struct stat state;
    if (failing("readonly"))
        return (int)refused(EROFS);
    if (fstat(fd, &state))
        return -1;
    if (size > state.st_size && failing("full"))
        return (int)refused(ENOSPC);
    off_t now = state.st_size;
    do {
        off_t next = now - size > PIECE ? now - PIECE : size;
        size_t had = next < now ? look(fd, (size_t)(now - next), next) : 0;
        if (syscall(SYS_ftruncate, fd, next))
            return -1;
        if (next != now)
            note(RESIZE, state.st_ino, (uint64_t)next, (uint64_t)now, before, had, NULL, 0);
        now = next;
    } while (now != size);
    return 0;
}

ssize_t write(int fd, const void *data, size_t size)
{
    if (!watched(fd, false))
        return syscall(SYS_write, fd, data, size);
    lock();
    return unlocked(put(fd, data, size, -1));
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    if (at < 0 || !watched(fd, false))
        return syscall(SYS_pwrite64, fd, data, size, at);
    lock();
    return unlocked(put(fd, data, size, at));
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (!watched(fd, false))
        return syscall(SYS_writev, fd, parts, count);
    lock();
    return unlocked(put_all(fd, parts, count, -1));
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    if (at < 0 || !watched(fd, false))
        return syscall(SYS_pwritev, fd, parts, count, at, 0L);
    lock();
    return unlocked(put_all(fd, parts, count, at));
}

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags)
{
    if (!watched(fd, false))
        return syscall(SYS_pwritev2, fd, parts, count, at, 0L, flags);
    lock();
    return unlocked(put_all(fd, parts, count, at));
}

/* Who copies within the kernel falls back to reading and writing. */
ssize_t sendfile(int out, int in, off_t *at, size_t size)
{
    return watched(out, false) ? refused(EINVAL) : syscall(SYS_sendfile, out, in, at, size);
}

ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t size, unsigned flags)
{
    if (watched(out, false))
        return refused(EINVAL);
    return syscall(SYS_copy_file_range, in, in_at, out, out_at, size, flags);
}

int ftruncate(int fd, off_t size)
{
    if (size < 0 || !watched(fd, false))
        return (int)syscall(SYS_ftruncate, fd, size);
    lock();
    return (int)unlocked(resize(fd, size));
}

int truncate(const char *path, off_t size)
{
    int fd = raw_open(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int result = ftruncate(fd, size);
    raw_close(fd);
    return result;
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
    if (!watched(fd, false))
        return (int)syscall(SYS_fallocate, fd, mode, at, size);
    if (mode) /* holes and the like */
        return (int)refused(EOPNOTSUPP);
    lock();
    struct stat state;
    int result = fstat(fd, &state);
    if (!result && at + size > state.st_size)
        result = resize(fd, at + size);
    return (int)unlocked(result);
}

int posix_fallocate(int fd, off_t at, off_t size)
{
    int error = errno, result = fallocate(fd, 0, at, size) ? errno : 0;
    errno = error;
    return result;
}

/* --- Durability ------------------------------------------------------------------------------ */

/* What was noted before the call is durable after it, not what comes while it runs. */
static int synced(int fd, long call)
{
    if (!watched(fd, true))
        return (int)syscall(call, fd);
    struct stat state, noted;
    lock();
    bool bad = fstat(fd, &state) || fstat(journal, &noted), broken = failing("unsyncable");
    uint64_t inode = call == SYS_syncfs ? 0 : state.st_ino;
    if (broken && !bad)
        note(FORGOTTEN, inode, (uint64_t)noted.st_size, 0, NULL, 0, NULL, 0);
    unlocked(0);
    if (bad || broken)
        return (int)refused(EIO);
    if (failing("slow")) {
        struct timespec turn = {.tv_nsec = 5000000};
        syscall(SYS_nanosleep, &turn, NULL);
    }
    if (syscall(call, fd))
        return -1;
    lock();
    note(SYNC, inode, (uint64_t)noted.st_size, 0, NULL, 0, NULL, 0);
    return (int)unlocked(0);
}

int fsync(int fd) { return synced(fd, SYS_fsync); }

int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

int syncfs(int fd) { return synced(fd, SYS_syncfs); }

void sync(void)
{
    if (journal < 0)
        syscall(SYS_sync);
    else
        syncfs(journal_directory);
}

/* --- Names ----------------------------------------------------------------------------------- */

static int opened(int directory, const char *path, int flags, mode_t mode)
{
    struct place place;
    bool changes = flags & (O_CREAT | O_TRUNC) || (flags & O_ACCMODE) != O_RDONLY;
    if (!changes || (flags & O_TMPFILE) == O_TMPFILE || !find(directory, path, &place))
        return raw_open(directory, path, flags, mode);
    lock();
    int fd;
    uint64_t old = inode_at(&place);
    if (failing("readonly") && (old || flags & O_CREAT))
        fd = (int)refused(EROFS);
    else if (!old && flags & O_CREAT && failing("full"))
        fd = (int)refused(ENOSPC);
    else
        fd = raw_open(directory, path, flags & ~O_TRUNC, mode);
    struct stat state;
    if (fd >= 0 && !fstat(fd, &state) && S_ISREG(state.st_mode)) {
        if (!old) {
            struct edit edit = edited(&place, 0, state.st_ino);
            note_names(&edit, 1);
        }
        if (flags & O_TRUNC && resize(fd, 0)) {
            raw_close(fd);
            fd = -1;
        }
    }
    leave(&place);
    return (int)unlocked(fd);
}

static mode_t mode_in(int flags, va_list more)
{
    bool given = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
    return given ? (mode_t)va_arg(more, int) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = mode_in(flags, more);
    va_end(more);
    return opened(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = mode_in(flags, more);
    va_end(more);
    return opened(directory, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* What glibc's headers turn open into when they can see the flags. */
int __open_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }

int __openat_2(int directory, const char *path, int flags)
{
    return opened(directory, path, flags, 0);
}

int unlinkat(int directory, const char *path, int flags)
{
    struct place place;
    if (!find(directory, path, &place))
        return (int)syscall(SYS_unlinkat, directory, path, flags);
    lock();
    long result = -1;
    uint64_t old = inode_at(&place);
    if (failing("readonly") && old) {
        errno = EROFS;
    } else {
        keep(&place);
        result = syscall(SYS_unlinkat, directory, path, flags);
    }
    if (!result) {
        struct edit edit = edited(&place, old, 0);
        note_names(&edit, 1);
    }
    leave(&place);
    return (int)unlocked(result);
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int remove(const char *path)
{
    int result = unlink(path);
    return result && errno == EISDIR ? rmdir(path) : result;
}

int renameat2(int old_directory, const char *old, int new_directory, const char *new, unsigned flags)
{
    struct place from, to;
    bool leaves = find(old_directory, old, &from), comes = find(new_directory, new, &to);
    if (!leaves && !comes)
        return (int)syscall(SYS_renameat2, old_directory, old, new_directory, new, flags);
    lock();
    long result = -1;
    uint64_t replaced = comes ? inode_at(&to) : 0, moved = leaves ? inode_at(&from) : 0;
    if (failing("readonly")) {
        errno = EROFS;
    } else if (flags & RENAME_EXCHANGE) {
        errno = EINVAL;
    } else {
        if (comes)
            keep(&to);
        if (leaves && !comes)
            keep(&from);
        result = syscall(SYS_renameat2, old_directory, old, new_directory, new, flags);
    }
    if (!result) {
        struct edit edits[2];
        int count = 0;
        if (leaves)
            edits[count++] = edited(&from, moved, 0);
        if (comes)
            edits[count++] = edited(&to, replaced, inode_at(&to));
        note_names(edits, count);
    }
    leave(&from);
    leave(&to);
    return (int)unlocked(result);
}

int renameat(int old_directory, const char *old, int new_directory, const char *new)
{
    return renameat2(old_directory, old, new_directory, new, 0);
}

int rename(const char *old, const char *new)
{
    return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0);
}

/* A call that makes a name where there was none. */
#define MAKES_NAME(directory, path, ...)                                                           \
    struct place place;                                                                            \
    if (!find(directory, path, &place))                                                            \
        return (int)syscall(__VA_ARGS__);                                                          \
    lock();                                                                                        \
    long result = failing("readonly") ? refused(EROFS)                                             \
                  : failing("full")   ? refused(ENOSPC)                                            \
                                      : syscall(__VA_ARGS__);                                      \
    if (!result) {                                                                                 \
        struct edit edit = edited(&place, 0, inode_at(&place));                                    \
        note_names(&edit, 1);                                                                      \
    }                                                                                              \
    leave(&place);                                                                                 \
    return (int)unlocked(result)

int mkdirat(int directory, const char *path, mode_t mode)
{
    MAKES_NAME(directory, path, SYS_mkdirat, directory, path, mode);
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int linkat(int old_directory, const char *old, int directory, const char *path, int flags)
{
    MAKES_NAME(directory, path, SYS_linkat, old_directory, old, directory, path, flags);
}

int link(const char *old, const char *path) { return linkat(AT_FDCWD, old, AT_FDCWD, path, 0); }

int symlinkat(const char *target, int directory, const char *path)
{
    MAKES_NAME(directory, path, SYS_symlinkat, target, directory, path);
}

int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }

/* --- The names with 64 ----------------------------------------------------------------------- */

#define SAME(name, as) extern __typeof__(as) name __attribute__((alias(#as)))
SAME(pwrite64, pwrite);
SAME(pwritev64, pwritev);
SAME(pwritev64v2, pwritev2);
SAME(sendfile64, sendfile);
SAME(ftruncate64, ftruncate);
SAME(truncate64, truncate);
SAME(fallocate64, fallocate);
SAME(posix_fallocate64, posix_fallocate);
SAME(open64, open);
SAME(openat64, openat);
SAME(creat64, creat);
SAME(__open64_2, __open_2);
SAME(__openat64_2, __openat_2);

__attribute__((constructor)) static void begin(void)
{
    const char *data = getenv("POWERLOSS_DATA"), *notes = getenv("POWERLOSS_JOURNAL");
    if (!data || !notes)
        return;
    int directory = raw_open(AT_FDCWD, data, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (directory < 0 || !path_of(directory, root))
        die("POWERLOSS_DATA is no directory");
    root_size = strlen(root);
    raw_close(directory);
    mutex = mmap(NULL, sizeof *mutex, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mutex == MAP_FAILED)
        die("no memory for the lock");
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &kind);
    journal_directory = raw_open(AT_FDCWD, notes, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC;
    int fd = raw_open(journal_directory, "journal", flags, 0600);
    if (journal_directory < 0 || fd < 0)
        die("POWERLOSS_JOURNAL is no directory to write in");
    journal = fd;
}
