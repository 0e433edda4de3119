/* SPDX-License-Identifier: ISC */
/* certificates.c: the postmaster is told by mail that a certificate of ours ends.
 *
 * The supervisor, which alone reads the files, says which they are and when each ends; what is to
 * be said of it is a rule (notify/certificate_mail.h), looked at once an hour. What was told is a
 * fact of the directory, of our own host name and the file. Without a postmaster there is the log
 * alone
 * (`certificate_ends`, of the supervisor).
 */
#include "base/log.h"
#include "notify/certificate_mail.h"
#include "roles/keeper/keeper.h"

enum { LOOK_MS = HOUR_MS };

static const char fact_told[] = "certificate";

bool keeper_take_certificate_ends(void *state, struct cursor payload)
{
    struct keeper *keeper = state;
    struct message_certificate_ends message;

    if (!message_get_certificate_ends(payload, &message))
        return false;
    buf_reset(&keeper->certificate_ends);
    buf_add(&keeper->certificate_ends, message.ends);
    keeper->certificates_look_ms = 0;
    return true;
}

static struct certificate_told told_of(const struct keeper *keeper, struct str file)
{
    struct certificate_told told = { 0 };

    (void)certificate_told_decode(directory_find_fact(keeper->directory, str_from(fact_told),
                                                      keeper->process->config->hostname, file),
                                  &told);
    return told;
}

static bool send_mail(struct keeper *keeper, struct str file, int64_t end_ms)
{
    const struct config *config = keeper->process->config;
    struct message_id id = keeper_own_new_id(keeper);
    struct buf message_id = { 0 };
    struct buf content = { 0 };

    buf_add_format(&message_id, "<%s@%.*s>", message_id_to_text(id).text,
                   STR_FMT(config->hostname));
    const struct certificate_mail mail = {
        .file = file,
        .end_ms = end_ms,
        .node = config->hostname,
        .to = config->postmaster,
        .message_id = buf_str(&message_id),
        .now_ms = keeper_now(keeper).wall_ms,
        .language = (enum language)setting_value(NULL, &config->defaults, SETTING_LANGUAGE),
    };
    certificate_mail_add(&content, &mail);
    const struct own_mail own = { .recipient = config->postmaster, .content = buf_str(&content) };
    bool is_sent = keeper_own_send(keeper, id, &own) == OWN_STORED;
    buf_fini(&message_id);
    buf_fini(&content);
    return is_sent;
}

/* Written behind the mail: it may be told twice, but not never. */
static void keep(struct keeper *keeper, struct str file, const struct certificate_told *told)
{
    struct buf bytes = { 0 };

    certificate_told_encode(&bytes, told);
    const struct domain_fact fact = { str_from(fact_told), keeper->process->config->hostname, file,
                                      buf_str(&bytes) };
    directory_put_fact(keeper->directory, &fact, NULL, NULL);
    buf_fini(&bytes);
}

static void look_at(struct keeper *keeper, struct str file, int64_t end_ms)
{
    struct certificate_told told = told_of(keeper, file);
    enum certificate_step step = certificate_due(end_ms, &told, keeper_now(keeper).wall_ms);

    if (step == CERTIFICATE_FINE || !send_mail(keeper, file, end_ms))
        return;
    told = (struct certificate_told){ .end_ms = end_ms, .step = step };
    keep(keeper, file, &told);
}

void keeper_certificates_turn(struct keeper *keeper, struct now now)
{
    struct cursor cursor = cursor_over(buf_str(&keeper->certificate_ends));

    if (now.mono_ms < keeper->certificates_look_ms)
        return;
    keeper->certificates_look_ms = now.mono_ms + LOOK_MS;
    if (keeper->process->config->postmaster.len == 0)
        return;
    while (cursor_ok(&cursor) && cursor.left.len > 0) {
        struct str file = cursor_counted(&cursor);
        int64_t end_ms = (int64_t)cursor_u64(&cursor);
        if (cursor_ok(&cursor))
            look_at(keeper, file, end_ms);
    }
}

int64_t keeper_certificates_deadline(const struct keeper *keeper)
{
    return keeper->certificate_ends.len > 0 ? keeper->certificates_look_ms : NEVER_MS;
}
