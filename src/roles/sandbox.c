/* SPDX-License-Identifier: ISC */
/* sandbox.c: see sandbox.h. */
#include "roles/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

/* ---- the table ---- */

enum right {
    RIGHT_ACCEPT = 1,  /* take connections from listeners it was handed */
    RIGHT_CONNECT = 2, /* open sockets to the network */
    RIGHT_FILES = 4,   /* read and write below the data folder */
    RIGHT_THREADS = 8, /* helper threads */
};

static const unsigned rights_of[ROLE_COUNT] = {
    [ROLE_RECEIVER] = RIGHT_ACCEPT,  [ROLE_DELIVERER] = RIGHT_CONNECT,
    [ROLE_RESOLVER] = RIGHT_CONNECT, [ROLE_KEEPER] = RIGHT_ACCEPT | RIGHT_FILES | RIGHT_THREADS,
    [ROLE_PORTAL] = RIGHT_ACCEPT,
};

/* clang-format off */
#define CALL(name) SCMP_SYS(name)
/* What every role needs: descriptors it has, memory, time, chance, its own end. */
static const int calls_of_all[] = {
    CALL(read), CALL(write), CALL(readv), CALL(writev), CALL(recvfrom), CALL(recvmsg),
    CALL(sendto), CALL(sendmsg), CALL(close), CALL(shutdown), CALL(getsockopt), CALL(setsockopt),
    CALL(getsockname), CALL(getpeername), CALL(fstat), CALL(lseek), CALL(dup),
    CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_pwait2),
    CALL(poll), CALL(ppoll), CALL(eventfd2), CALL(pipe2), CALL(timerfd_create),
    CALL(timerfd_settime), CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise), CALL(futex),
    CALL(clock_gettime), CALL(clock_getres), CALL(gettimeofday), CALL(time),
    CALL(clock_nanosleep), CALL(nanosleep), CALL(getrandom), CALL(rt_sigaction),
    CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(sigaltstack), CALL(restart_syscall),
    CALL(getpid), CALL(gettid), CALL(getuid), CALL(geteuid), CALL(getgid),
    CALL(getegid), CALL(sched_yield), CALL(sched_getaffinity), CALL(getcpu), CALL(sysinfo),
    CALL(uname), CALL(rseq), CALL(set_robust_list), CALL(exit), CALL(exit_group),
};
static const int calls_to_accept[] = { CALL(accept4), CALL(accept) };
static const int calls_to_connect[] = { CALL(connect), CALL(bind), CALL(sendmmsg),
                                        CALL(recvmmsg) };
static const int calls_for_files[] = {
    CALL(open), CALL(openat), CALL(newfstatat), CALL(stat), CALL(lstat), CALL(statfs),
    CALL(fstatfs), CALL(access), CALL(faccessat), CALL(faccessat2), CALL(pread64), CALL(pwrite64),
    CALL(preadv), CALL(preadv2), CALL(pwritev), CALL(pwritev2), CALL(fsync), CALL(fdatasync),
    CALL(sync_file_range), CALL(ftruncate), CALL(fallocate), CALL(fadvise64), CALL(unlink),
    CALL(unlinkat), CALL(rename), CALL(renameat), CALL(renameat2), CALL(mkdir), CALL(mkdirat),
    CALL(getdents64), CALL(getcwd), CALL(readlink), CALL(readlinkat), CALL(fchmod), CALL(umask),
    CALL(copy_file_range),
};
static const int calls_for_threads[] = { CALL(set_tid_address), CALL(membarrier) };
/* clang-format on */

/* ---- seccomp ---- */

static int allow(scmp_filter_ctx filter, const int *call, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call[i], 0);
        if (error != 0 && error != -EDOM) /* -EDOM: this machine has no such call */
            return error;
    }
    return 0;
}
#define ALLOW(filter, table) allow((filter), (table), sizeof(table) / sizeof((table)[0]))

/* The roles run as one user, so the kernel would let them signal each other. A thread may signal
 * its own process (that is how abort() works), and no descriptor may be made to signal another one
 * (F_SETOWN with F_SETSIG). Called in the process that is confined. */
static int allow_own_signals(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(tgkill), 1,
                            SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
}

static int allow_fcntl(scmp_filter_ctx filter)
{
    static const int command[] = { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL,
                                   F_SETFL, F_GETLK,         F_SETLK, F_SETLKW };
    int error = 0;
    for (size_t i = 0; i < sizeof command / sizeof command[0] && error == 0; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(fcntl), 1,
                                 SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)command[i], 0));
    return error;
}

/* Memory may be had, but never memory that is executed. */
static int allow_memory(scmp_filter_ctx filter)
{
    static const int call[] = { CALL(mmap), CALL(mprotect) };
    int error = 0;
    for (size_t i = 0; i < 2 && error == 0; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call[i], 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    return error;
}

/* TCP and UDP over IPv4 and IPv6; no raw sockets, no other families. */
static int allow_sockets(scmp_filter_ctx filter)
{
    static const unsigned family[] = { AF_INET, AF_INET6 };
    static const unsigned type[] = { SOCK_STREAM, SOCK_DGRAM };
    const unsigned flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    int error = 0;

    for (size_t f = 0; f < 2; f++)
        for (size_t t = 0; t < 2 && error == 0; t++)
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(socket), 2,
                                     SCMP_A0(SCMP_CMP_EQ, family[f], 0),
                                     SCMP_A1(SCMP_CMP_MASKED_EQ, ~flags & 0xffffffffu, type[t]));
    return error;
}

/* A thread, not a process. The flags of clone3 lie in memory, out of the filter's sight; told that
 * there is no such call, the C library uses clone. */
static int allow_threads(scmp_filter_ctx filter)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(clone), 1,
                                 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
    return error != 0 ? error : ALLOW(filter, calls_for_threads);
}

static int fill_filter(scmp_filter_ctx filter, unsigned rights)
{
    int error = ALLOW(filter, calls_of_all);
    if (error == 0)
        error = allow_own_signals(filter);
    if (error == 0)
        error = allow_fcntl(filter);
    if (error == 0)
        error = allow_memory(filter);
    if (error == 0 && (rights & RIGHT_ACCEPT))
        error = ALLOW(filter, calls_to_accept);
    if (error == 0 && (rights & RIGHT_CONNECT))
        error = ALLOW(filter, calls_to_connect);
    if (error == 0 && (rights & RIGHT_CONNECT))
        error = allow_sockets(filter);
    if (error == 0 && (rights & RIGHT_FILES))
        error = ALLOW(filter, calls_for_files);
    if (error == 0 && (rights & RIGHT_THREADS))
        error = allow_threads(filter);
    return error;
}

static int load_filter(unsigned rights)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return -ENOMEM;
    int error = fill_filter(filter, rights);
    if (error == 0)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return error;
}

/* ---- Landlock ---- */

#define LANDLOCK_ALL                                                                               \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |   \
     LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR |                                 \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |   \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define LANDLOCK_DATA                                                                              \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |  \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG)

static int allow_below(int ruleset, int directory)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = LANDLOCK_DATA,
                                               .parent_fd = directory };
    long error = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    return error < 0 ? -errno : 0;
}

/* `directory` may be used; -1: nothing at all. A kernel without Landlock is no error. */
static int restrict_files(int directory)
{
    struct landlock_ruleset_attr all = { .handled_access_fs = LANDLOCK_ALL };
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    int error = 0;

    if (ruleset < 0)
        return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
    if (directory >= 0)
        error = allow_below(ruleset, directory);
    if (error == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        error = -errno;
    (void)close(ruleset);
    return error;
}

/* ---- user and root directory ---- */

static int zero_ended(struct str text, char *room, size_t size)
{
    if (text.len == 0 || text.len >= size)
        return -ENAMETOOLONG;
    memcpy(room, text.ptr, text.len);
    room[text.len] = '\0';
    return 0;
}

static int change_root(const char *path)
{
    return chroot(path) < 0 || chdir("/") < 0 ? -errno : 0;
}

/* The user's entry must be read before the root directory changes. */
static int leave_root(struct str user, const char *root)
{
    char name[64];
    int error = zero_ended(user, name, sizeof name);
    if (error != 0)
        return error;
    const struct passwd *entry = getpwnam(name);
    if (entry == NULL || entry->pw_uid == 0)
        return -ESRCH;
    uid_t uid = entry->pw_uid;
    gid_t gid = entry->pw_gid;
    error = change_root(root);
    if (error != 0)
        return error;
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return -errno;
    return setuid(0) == 0 ? -EPERM : 0; /* the way back must be closed */
}

int sandbox_enter(enum role role, const struct config *config)
{
    unsigned rights = rights_of[role];
    char root[4096];
    const struct rlimit none = { 0, 0 };
    int error = zero_ended(config->data, root, sizeof root - sizeof "/empty");

    if (error != 0)
        return error;
    if (!(rights & RIGHT_FILES))
        memcpy(root + config->data.len, "/empty", sizeof "/empty");
    if (geteuid() == 0)
        error = leave_root(config->user, root);
    if (error != 0)
        return error;
    (void)setrlimit(RLIMIT_CORE, &none); /* a core would hold other people's mail */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    int directory = -1;
    if (rights & RIGHT_FILES)
        directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    error = restrict_files(directory);
    if (directory >= 0)
        (void)close(directory);
    if (error == 0)
        error = load_filter(rights);
    return error;
}
