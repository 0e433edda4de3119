/* SPDX-License-Identifier: ISC */
/* sandbox_report.c: proves in a child what each role cannot do; see sandbox.h.
 *
 * A check is one attempt inside the sandbox and whether the role's rights grant it.
 * "denied" means that the kernel said no (EPERM, EACCES); any other answer means
 * that the attempt was let through, whatever came of it.
 */
#include "roles/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each attempt returns 0 or a negative errno. */

static int result_of(long outcome)
{
    return outcome < 0 ? -errno : 0;
}

static int try_open_passwd(void)
{
    return result_of(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int try_open_above(void)
{
    return result_of(open("../../etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int try_create_in_root(void)
{
    return result_of(open("/tmp/holdfast-sandbox-check", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int try_open_data(void)
{
    int fd = open("sandbox-check", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int result = result_of(fd);
    if (fd >= 0) {
        (void)close(fd);
        (void)unlink("sandbox-check");
    }
    return result;
}

static int try_exec(void)
{
    char name[] = "true";
    char *const arguments[] = { name, NULL };
    return result_of(execv("/bin/true", arguments));
}

static int try_exec_self(void)
{
    char name[] = "holdfast";
    char *const arguments[] = { name, NULL };
    return result_of(execv("/proc/self/exe", arguments));
}

static int try_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return result_of(pid);
}

static int try_socket_inet(void)
{
    return result_of(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int try_socket_unix(void)
{
    return result_of(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int try_socket_raw(void)
{
    return result_of(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

static int try_connect(void)
{
    /* Descriptor 0 is no socket: where connect() is let through, it says ENOTSOCK. */
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
    return result_of(connect(0, (struct sockaddr *)&to, sizeof to));
}

static int try_bind(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    return result_of(bind(0, (struct sockaddr *)&at, sizeof at));
}

static int try_listen(void)
{
    return result_of(listen(0, 1));
}

static int try_accept(void)
{
    return result_of(accept4(0, NULL, NULL, SOCK_CLOEXEC));
}

static int try_ptrace(void)
{
    return result_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_kill(void)
{
    return result_of(kill(getppid(), 0));
}

static int try_tgkill(void)
{
    return result_of(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

/* Descriptor 0 would send its owner a signal whenever it is readable. */
static int try_signal_by_descriptor(void)
{
    return result_of(fcntl(0, F_SETOWN, getppid()));
}

static int try_executable_memory(void)
{
    void *at =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? -errno : 0;
}

static int try_setuid(void)
{
    return result_of(setuid(0));
}

static int try_chroot(void)
{
    return result_of(chroot("."));
}

#define ONLY(role) (1u << ROLE_##role)
#define NOBODY     0u

static const struct sandbox_check {
    const char *call;
    int (*attempt)(void);
    unsigned granted; /* to these roles */
} checks[] = {
    { "open /etc/passwd", try_open_passwd, NOBODY },
    { "open outside the data folder", try_open_above, NOBODY },
    { "create a file in /tmp", try_create_in_root, NOBODY },
    { "create a file in the data folder", try_open_data, ONLY(KEEPER) },
    { "exec /bin/true", try_exec, NOBODY },
    { "exec itself", try_exec_self, NOBODY },
    { "fork", try_fork, NOBODY },
    { "socket inet", try_socket_inet, ONLY(DELIVERER) | ONLY(RESOLVER) },
    { "socket unix", try_socket_unix, NOBODY },
    { "socket raw", try_socket_raw, NOBODY },
    { "connect", try_connect, ONLY(DELIVERER) | ONLY(RESOLVER) },
    { "bind", try_bind, ONLY(DELIVERER) | ONLY(RESOLVER) },
    { "listen", try_listen, NOBODY },
    { "accept", try_accept, ONLY(RECEIVER) | ONLY(KEEPER) | ONLY(PORTAL) },
    { "ptrace", try_ptrace, NOBODY },
    { "kill the parent", try_kill, NOBODY },
    { "kill a thread of the parent", try_tgkill, NOBODY },
    { "have a descriptor signal the parent", try_signal_by_descriptor, NOBODY },
    { "map executable memory", try_executable_memory, NOBODY },
    { "setuid 0", try_setuid, NOBODY },
    { "chroot", try_chroot, NOBODY },
};
enum { CHECK_COUNT = sizeof checks / sizeof checks[0] };

/* ENOENT counts as denied for files: with a root folder of one's own they are not there. */
static bool is_denied(int result)
{
    return result == -EPERM || result == -EACCES || result == -ENOENT;
}

/* In the child: one byte for each check, 'd' or 'a', after 'o' for a sandbox that could be entered.
 */
static void attempt_all(enum role role, const struct config *config, int report)
{
    char data[4096];
    char outcome[1 + CHECK_COUNT];
    int error = -ENAMETOOLONG;

    if (config->data.len < sizeof data) {
        memcpy(data, config->data.ptr, config->data.len);
        data[config->data.len] = '\0';
        error = chdir(data) < 0 ? -errno : sandbox_enter(role, config);
    }
    outcome[0] = error == 0 ? 'o' : 'e';
    for (size_t i = 0; i < CHECK_COUNT; i++)
        outcome[1 + i] = error == 0 && is_denied(checks[i].attempt()) ? 'd' : 'a';
    (void)!write(report, outcome, sizeof outcome); /* nobody else could be told */
    _exit(0);
}

static bool run_role(enum role role, const struct config *config, char outcome[1 + CHECK_COUNT])
{
    int pair[2];
    int status;

    if (pipe(pair) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0)
        attempt_all(role, config, pair[1]);
    (void)close(pair[1]);
    ssize_t got = pid > 0 ? read(pair[0], outcome, 1 + CHECK_COUNT) : -1;
    (void)close(pair[0]);
    if (pid > 0)
        (void)waitpid(pid, &status, 0);
    return got == 1 + CHECK_COUNT && outcome[0] == 'o';
}

static bool add_role(struct buf *out, enum role role, const char *outcome, bool as_json)
{
    bool all_good = true;

    if (as_json)
        buf_add_format(out, "{\"role\":\"%s\",\"checks\":[", role_name(role));
    else
        buf_add_format(out, "%s\n", role_name(role));
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        const char *expected = checks[i].granted & (1u << role) ? "allowed" : "denied";
        const char *result = outcome[1 + i] == 'd' ? "denied" : "allowed";
        bool good = strcmp(expected, result) == 0;
        all_good = all_good && good;
        if (as_json)
            buf_add_format(out, "%s{\"call\":\"%s\",\"expected\":\"%s\",\"result\":\"%s\"}",
                           i > 0 ? "," : "", checks[i].call, expected, result);
        else
            buf_add_format(out, "  %-34s %-8s%s\n", checks[i].call, result,
                           good ? "" : "  WRONG: it should not be so");
    }
    buf_add(out, as_json ? STR("]}") : STR("\n"));
    return all_good;
}

int sandbox_report(const struct config *config, bool as_json)
{
    static const enum role confined[] = { ROLE_RECEIVER, ROLE_DELIVERER, ROLE_RESOLVER, ROLE_KEEPER,
                                          ROLE_PORTAL };
    struct buf out = { 0 };
    bool all_good = true;

    if (as_json)
        buf_add(&out, STR("{\"roles\":["));
    for (size_t i = 0; i < sizeof confined / sizeof confined[0]; i++) {
        char outcome[1 + CHECK_COUNT];
        if (i > 0 && as_json)
            buf_add(&out, STR(","));
        if (!run_role(confined[i], config, outcome)) {
            (void)fprintf(stderr, "holdfast: the sandbox of the %s cannot be entered\n",
                          role_name(confined[i]));
            memset(outcome, 'a', sizeof outcome);
            all_good = false;
        }
        all_good = add_role(&out, confined[i], outcome, as_json) && all_good;
    }
    if (as_json)
        buf_add(&out, STR("]}\n"));
    (void)fwrite(out.ptr, 1, out.len, stdout);
    buf_fini(&out);
    return all_good ? 0 : 1;
}
