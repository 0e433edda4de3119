/* SPDX-License-Identifier: ISC */
/* list_ldap.c: asks an LDAP directory for recipients, by ldapsearch; see recipient_list.h.
 *
 * The program has every way to trust certificates that an administrator has set up in ldap.conf(5)
 * already. It is started with an argument vector; nothing goes through a shell. The password
 * reaches it as a file without a name: the line end behind it in a file is no part of it. Where it
 * would cross a network in the clear, StartTLS is demanded. Long answers are asked for in pages,
 * for many directories end them early.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/printable.h"
#include "cli/recipient_list.h"

enum {
    WORDS_MAX = 24,
    TIME_MS = MINUTE_MS,
    OUTPUT_MAX = 64 * 1024 * 1024,
    PIECE = 16 * 1024,
    PASSWORD_MAX = 1024,
    PASSWORD_FD = 3, /* where the program finds it */
};

extern char **environ;

struct words {
    char *word[WORDS_MAX];
    int count;
};

static void add_word(struct words *words, struct str text)
{
    char *copy = memory_new(text.len + 1);

    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    words->word[words->count++] = copy;
}

static void add_option(struct words *words, const char *option, struct str value)
{
    if (value.len == 0)
        return;
    add_word(words, str_from(option));
    add_word(words, value);
}

/* ldapi:// does not leave the machine, ldaps:// is encrypted. */
static bool is_in_the_clear(struct str uri)
{
    static const char *const here[] = { "ldap://127.", "ldap://localhost", "ldap://[::1]" };

    for (size_t i = 0; i < sizeof here / sizeof *here; i++)
        if (str_starts_nocase(uri, str_from(here[i])))
            return false;
    return str_starts_nocase(uri, STR("ldap://"));
}

static struct words make_words(const struct list_ldap *ldap)
{
    struct words words = { 0 };

    add_word(&words, STR("ldapsearch"));
    add_word(&words, STR("-x"));
    add_word(&words, STR("-LLL"));
    add_option(&words, "-o", STR("ldif-wrap=no"));
    add_option(&words, "-E", STR("pr=500/noprompt"));
    add_option(&words, "-H", ldap->uri);
    add_option(&words, "-D", ldap->bind);
    if (ldap->bind.len > 0)
        add_option(&words, "-y", STR("/dev/fd/3"));
    if (ldap->bind.len > 0 && is_in_the_clear(ldap->uri))
        add_word(&words, STR("-ZZ"));
    add_option(&words, "-b", ldap->base);
    add_word(&words, STR("--"));
    add_word(&words, ldap->filter);
    if (ldap->attribute.len > 0) {
        add_word(&words, ldap->attribute);
    } else {
        add_word(&words, STR("mail"));
        add_word(&words, STR("proxyAddresses"));
    }
    return words;
}

/* ---- the password ---- */

static int say_password(struct buf *why, struct str path, const char *what)
{
    buf_add_format(why, "the password file %.*s: %s", STR_FMT(path), what);
    return -EINVAL;
}

/* The first line of the file. */
static int read_password(struct str path, struct buf *out, struct buf *why)
{
    struct buf name = { 0 };

    buf_add(&name, path);
    buf_add_byte(&name, '\0');
    int error = file_read(name.ptr, PASSWORD_MAX, out);
    buf_fini(&name);
    if (error != 0)
        return say_password(why, path, strerror(-error));
    ptrdiff_t end = str_find(buf_str(out), '\n');
    if (end >= 0)
        out->len = (size_t)end;
    if (out->len > 0 && out->ptr[out->len - 1] == '\r')
        out->len--;
    return out->len > 0 ? 0 : say_password(why, path, "its first line is empty");
}

/* A descriptor to read it from, or a negative errno. */
static int open_password(struct str path, struct buf *why)
{
    struct buf password = { 0 };
    int fd = -1;
    int error = read_password(path, &password, why);

    if (error == 0) {
        fd = memfd_create("password", MFD_CLOEXEC);
        if (fd < 0 || write(fd, password.ptr, password.len) != (ssize_t)password.len ||
            lseek(fd, 0, SEEK_SET) < 0)
            error = say_password(why, path, strerror(errno));
    }
    if (password.len > 0)
        explicit_bzero(password.ptr, password.len);
    buf_fini(&password);
    if (error != 0 && fd >= 0)
        (void)close(fd);
    return error != 0 ? error : fd;
}

/* ---- the program ---- */

/* `password`: -1 if there is none. */
static int start(const struct words *words, int password, int output, pid_t *out_pid)
{
    posix_spawn_file_actions_t actions;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (password >= 0)
        (void)posix_spawn_file_actions_adddup2(&actions, password, PASSWORD_FD);
    int error = posix_spawnp(out_pid, words->word[0], &actions, NULL, words->word, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return -error;
}

/* Until it has said all. */
static int collect(int input, struct buf *out)
{
    int64_t until_ms = clock_now().mono_ms + TIME_MS;

    for (;;) {
        struct pollfd ready = { .fd = input, .events = POLLIN };
        int64_t left_ms = until_ms - clock_now().mono_ms;
        if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) == 0)
            return -ETIMEDOUT;
        if (out->len > OUTPUT_MAX)
            return -EFBIG;
        buf_reserve(out, PIECE);
        ssize_t got = read(input, out->ptr + out->len, PIECE);
        if (got <= 0)
            return got == 0 ? 0 : -errno;
        out->len += (size_t)got;
    }
}

static int run(const struct words *words, int password, struct buf *out, struct buf *why)
{
    int ends[2];
    int status = 0;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    int error = start(words, password, ends[1], &pid);
    (void)close(ends[1]);
    if (error == 0) {
        error = collect(ends[0], out);
        if (error != 0)
            (void)kill(pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
    }
    (void)close(ends[0]);
    if (error == -ENOENT)
        buf_add(why, STR("ldapsearch is not installed; it is in the package ldap-utils"));
    else if (error != 0)
        buf_add_format(why, "ldapsearch: %s", strerror(-error));
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        error = -EIO;
        if (WIFEXITED(status))
            buf_add_format(why,
                           "ldapsearch failed with result %d; its answer may be incomplete, and is "
                           "not used",
                           WEXITSTATUS(status));
        else
            buf_add(why, STR("ldapsearch was ended by a signal"));
    }
    return error;
}

int recipient_list_ldap(const struct list_ldap *ldap, struct buf *out, struct buf *why)
{
    int password = -1;

    if ((ldap->bind.len > 0) != (ldap->password_file.len > 0)) {
        buf_add(why, STR("--bind and --password-file go together"));
        return -EINVAL;
    }
    if (ldap->bind.len > 0 && (password = open_password(ldap->password_file, why)) < 0)
        return password;
    struct words words = make_words(ldap);
    int error = run(&words, password, out, why);

    for (int i = 0; i < words.count; i++)
        memory_free(words.word[i]);
    if (password >= 0)
        (void)close(password);
    return error;
}
