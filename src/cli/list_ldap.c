/* SPDX-License-Identifier: ISC */
/* list_ldap.c: asks an LDAP directory for recipients, by ldapsearch; see recipient_list.h.
 *
 * The program has every way to sign in and to trust certificates that an administrator has set up
 * in ldap.conf(5) already.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/printable.h"
#include "cli/recipient_list.h"

enum { WORDS_MAX = 24, TIME_MS = MINUTE_MS, OUTPUT_MAX = 64 * 1024 * 1024, PIECE = 16 * 1024 };

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

static struct words make_words(const struct list_ldap *ldap)
{
    struct words words = { 0 };

    add_word(&words, STR("ldapsearch"));
    add_word(&words, STR("-x"));
    add_word(&words, STR("-LLL"));
    add_option(&words, "-o", STR("ldif-wrap=no"));
    add_option(&words, "-H", ldap->uri);
    add_option(&words, "-D", ldap->bind);
    add_option(&words, "-y", ldap->password_file);
    add_option(&words, "-b", ldap->base);
    add_word(&words, STR("--"));
    add_word(&words, ldap->filter);
    add_word(&words, ldap->attribute);
    return words;
}

static int start(const struct words *words, int output, pid_t *out_pid)
{
    posix_spawn_file_actions_t actions;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
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

static int run(const struct words *words, struct buf *out, struct buf *why)
{
    int ends[2];
    int status = 0;
    pid_t pid;

    if (pipe(ends) < 0)
        return -errno;
    int error = start(words, ends[1], &pid);
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
        buf_add_format(why, "ldapsearch failed with status %d",
                       WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
    return error;
}

int recipient_list_ldap(const struct list_ldap *ldap, struct buf *out, struct buf *why)
{
    struct words words = make_words(ldap);
    int error = run(&words, out, why);

    for (int i = 0; i < words.count; i++)
        memory_free(words.word[i]);
    return error;
}
