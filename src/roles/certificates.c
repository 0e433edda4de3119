/* SPDX-License-Identifier: ISC */
/* certificates.c: see certificates.h. Files are read anew every minute: who renews a certificate
 * need not think of us. */
#include "roles/certificates.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "net/tls.h"
#include "roles/messages.h"

enum { FILE_MAX = 64 * 1024, PAIRS_MAX = 200 * 1024, LOOK_MS = MINUTE_MS };
#define ENDS_SOON_MS ((int64_t)14 * DAY_MS)
#define TICKETS_MS   ((int64_t)12 * HOUR_MS) /* sessions are resumed for a day at most */

static void forget(struct buf *secret)
{
    if (secret->ptr != NULL)
        OPENSSL_cleanse(secret->ptr, secret->cap);
    buf_fini(secret);
}

static void replace(struct buf *old, struct buf *next)
{
    forget(old);
    *old = *next;
    *next = (struct buf){ 0 };
}

static void complain(struct str file, const char *why)
{
    log_error("certificate_unusable", LOG_STR("file", file), LOG_TEXT("why", why),
              LOG_TEXT("hint", "mend it; it is looked at again within a minute"));
}

/* ---- reading ---- */

static bool read_file(struct str name, struct buf *out)
{
    struct buf path = { 0 };

    buf_add(&path, name);
    buf_add_byte(&path, '\0');
    int error = file_read(path.ptr, FILE_MAX, out);
    buf_fini(&path);
    if (error < 0)
        complain(name, strerror(-error));
    return error == 0;
}

static void add_pair(struct buf *out, struct str chain, struct str key)
{
    buf_add_counted(out, chain);
    buf_add_counted(out, key);
}

/* Can it be used? */
static bool try_pair(struct str file, struct str chain, struct str key)
{
    const struct tls_certificate certificate = { chain, key };
    const struct tls_server_settings settings = { .certificate = &certificate,
                                                  .certificate_count = 1 };
    struct buf why = { 0 };
    struct tls_server *server = tls_server_new(&settings, &why);
    bool is_fine = server != NULL;

    buf_add_byte(&why, '\0');
    if (!is_fine)
        complain(file, why.ptr);
    tls_server_free(server);
    buf_fini(&why);
    return is_fine;
}

/* Once a day, in the last two weeks and after. */
static bool warn_of_end(struct str file, struct str chain)
{
    int64_t left_ms = tls_certificate_end(chain) * SECOND_MS - clock_now().wall_ms;

    if (left_ms >= ENDS_SOON_MS)
        return false;
    log_warn("certificate_ends", LOG_STR("file", file), LOG_INT("days", left_ms / DAY_MS),
             LOG_TEXT("hint", "renew it; it is read within a minute"));
    return true;
}

/* ---- the files: counted name, chain and key of each, as they could be used the last time ---- */

struct file {
    struct str name, chain, key;
};

static bool next_file(struct cursor *files, struct file *out_file)
{
    if (cursor_done(files))
        return false;
    out_file->name = cursor_counted(files);
    out_file->chain = cursor_counted(files);
    out_file->key = cursor_counted(files);
    return cursor_ok(files);
}

static void add_file(struct buf *out, const struct file *file)
{
    buf_add_counted(out, file->name);
    add_pair(out, file->chain, file->key);
}

/* What was in a file that is of no use at the moment. */
static void add_as_before(const struct certificates *certificates, struct str name, struct buf *out)
{
    struct cursor files = cursor_over(buf_str(&certificates->files));
    struct file file;

    while (next_file(&files, &file))
        if (str_equals(file.name, name)) {
            add_file(out, &file);
            return;
        }
}

static void read_one(const struct certificates *certificates, const struct config *config,
                     uint32_t index, struct buf *out)
{
    struct buf chain = { 0 };
    struct buf key = { 0 };
    struct str name = config->tls_certificate.item[index];
    bool is_fine = read_file(name, &chain);

    if (is_fine && config->tls_key.count > 0)
        is_fine = read_file(config->tls_key.item[index], &key);
    else
        buf_add(&key, buf_str(&chain));
    const struct file file = { name, buf_str(&chain), buf_str(&key) };
    if (is_fine && try_pair(name, file.chain, file.key))
        add_file(out, &file);
    else
        add_as_before(certificates, name, out);
    forget(&chain);
    forget(&key);
}

/* False: it is to be as it was. */
static bool read_files(const struct certificates *certificates, const struct config *config,
                       struct buf *out)
{
    for (uint32_t i = 0; i < config->tls_certificate.count; i++)
        read_one(certificates, config, i, out);
    if (out->len <= PAIRS_MAX)
        return out->len > 0 || config->tls_certificate.count == 0 || certificates->pairs.len == 0;
    complain(config->tls_certificate.item[0], "all of them together are too large");
    forget(out);
    return certificates->pairs.len == 0;
}

static void add_pairs(const struct buf *from, struct buf *out)
{
    struct cursor files = cursor_over(buf_str(from));
    struct file file;

    while (next_file(&files, &file))
        add_pair(out, file.chain, file.key);
}

static void note_ends(struct certificates *certificates)
{
    struct cursor files = cursor_over(buf_str(&certificates->files));
    struct file file;

    buf_reset(&certificates->ends);
    while (next_file(&files, &file)) {
        buf_add_counted(&certificates->ends, file.name);
        buf_add_u64(&certificates->ends, (uint64_t)(tls_certificate_end(file.chain) * SECOND_MS));
    }
}

static void warn_of_ends(struct certificates *certificates)
{
    int64_t now_ms = clock_now().mono_ms;
    struct cursor files = cursor_over(buf_str(&certificates->files));
    struct file file;

    if (certificates->warned_ms != 0 && now_ms - certificates->warned_ms < DAY_MS)
        return;
    while (next_file(&files, &file))
        if (warn_of_end(file.name, file.chain))
            certificates->warned_ms = now_ms;
}

static void use_own(struct certificates *certificates, const struct config *config, struct buf *out)
{
    struct buf chain = { 0 };
    struct buf key = { 0 };

    if (certificates->own.len == 0 ||
        !str_equals(buf_str(&certificates->own_hostname), config->hostname)) {
        forget(&certificates->own);
        buf_reset(&certificates->own_hostname);
        buf_add(&certificates->own_hostname, config->hostname);
        if (tls_make_certificate(config->hostname, &chain, &key))
            add_pair(&certificates->own, buf_str(&chain), buf_str(&key));
        forget(&chain);
        forget(&key);
    }
    buf_add(out, buf_str(&certificates->own));
}

bool certificates_read(struct certificates *certificates, const struct config *config)
{
    struct buf files = { 0 };
    struct buf pairs = { 0 };

    if (!read_files(certificates, config, &files)) {
        forget(&files);
        return false;
    }
    add_pairs(&files, &pairs);
    if (pairs.len == 0)
        use_own(certificates, config, &pairs);
    bool is_own = files.len == 0;
    bool is_news = !str_equals(buf_str(&pairs), buf_str(&certificates->pairs));
    if (is_news)
        log_info("certificates_changed", LOG_TEXT("from", is_own ? "our own making" : "files"));
    replace(&certificates->files, &files);
    replace(&certificates->pairs, &pairs);
    note_ends(certificates);
    warn_of_ends(certificates);
    return is_news;
}

/* ---- time ---- */

static void make_ticket_key(struct certificates *certificates, struct now now)
{
    uint8_t key[TLS_TICKET_KEY_SIZE];

    certificates->ticket_ms = now.mono_ms;
    if (RAND_bytes(key, sizeof key) != 1)
        return;
    replace(&certificates->ticket_key_before, &certificates->ticket_key);
    buf_add_bytes(&certificates->ticket_key, key, sizeof key);
    OPENSSL_cleanse(key, sizeof key);
}

bool certificates_turn(struct certificates *certificates, const struct config *config,
                       struct now now)
{
    bool is_news = false;

    if (certificates->ticket_key.len == 0 || now.mono_ms - certificates->ticket_ms >= TICKETS_MS) {
        make_ticket_key(certificates, now);
        is_news = true;
    }
    if (now.mono_ms >= certificates->look_ms) {
        certificates->look_ms = now.mono_ms + LOOK_MS;
        is_news = certificates_read(certificates, config) || is_news;
    }
    return is_news;
}

int64_t certificates_deadline(const struct certificates *certificates)
{
    return certificates->look_ms;
}

void certificates_fini(struct certificates *certificates)
{
    forget(&certificates->pairs);
    forget(&certificates->files);
    forget(&certificates->own);
    forget(&certificates->ticket_key);
    forget(&certificates->ticket_key_before);
    buf_fini(&certificates->own_hostname);
    buf_fini(&certificates->ends);
}

/* ---- in a role that shows them ---- */

bool certificates_take(struct cursor payload, struct tls_server **server)
{
    struct message_certificates message;
    struct tls_certificate certificate[CONFIG_LIST_MAX];
    struct buf why = { 0 };
    size_t count = 0;

    if (!message_get_certificates(payload, &message))
        return false;
    struct cursor pairs = cursor_over(message.pairs);
    for (; count < CONFIG_LIST_MAX && !cursor_done(&pairs); count++) {
        certificate[count].chain = cursor_counted(&pairs);
        certificate[count].key = cursor_counted(&pairs);
        if (!cursor_ok(&pairs))
            return false;
    }
    const struct tls_server_settings settings = { .certificate = certificate,
                                                  .certificate_count = count,
                                                  .ticket_key = message.ticket_key,
                                                  .ticket_key_before = message.ticket_key_before };
    struct tls_server *next = tls_server_new(&settings, &why);
    if (next == NULL && count > 0)
        log_error("certificates_unusable", LOG_STR("why", buf_str(&why)));
    buf_fini(&why);
    if (next != NULL || count == 0) {
        tls_server_free(*server);
        *server = next;
    }
    return true;
}
