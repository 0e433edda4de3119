/* SPDX-License-Identifier: ISC */
/* unsure.c: mail that came in for somebody whom nobody knew.
 *
 * It was taken in all the same, and its primary may refuse it. A primary that sees too many such
 * refusals slows down or hangs up, so the scheduler asks of each message whether it may become one
 * (the setting `refusals`): it may until all whom nobody knew are known to be there.
 *
 * Only the latest of them are remembered, in two generations: when the young one is full (by its
 * messages, or by the octets of their recipients) it becomes the old one, and what was old is
 * forgotten. Nothing of it outlives us. What is forgotten counts as sure, and is handed over like
 * any other.
 */
#include "base/memory.h"
#include "roles/keeper/recipients.h"
#include "verify/verifier.h"

enum { YOUNG_MAX = 50000, YOUNG_OCTETS_MAX = 8 * 1024 * 1024 };

struct unsure_mail {
    struct buf recipients; /* those whom nobody knew, a zero behind each */
};

static struct str message_id_key(const struct message_id *id)
{
    return str_of(id->bytes, sizeof id->bytes);
}

static void unsure_mail_free(struct unsure_mail *mail)
{
    if (mail != NULL)
        buf_fini(&mail->recipients);
    memory_free(mail);
}

static void forget_unsure(struct map *map)
{
    size_t cursor = 0;
    void *mail;

    while ((mail = map_next(map, &cursor, NULL)) != NULL)
        unsure_mail_free(mail);
    map_fini(map);
}

static void add_unsure(struct unsure *unsure, struct message_id id, struct unsure_mail *mail)
{
    if (unsure->young.count >= YOUNG_MAX || unsure->octets >= YOUNG_OCTETS_MAX) {
        forget_unsure(&unsure->old);
        unsure->old = unsure->young;
        unsure->octets = 0;
        map_init(&unsure->young);
    }
    unsure->octets += mail->recipients.len;
    unsure_mail_free(map_put(&unsure->young, message_id_key(&id), mail));
}

void keeper_note_unsure(struct keeper *keeper, const struct envelope *envelope)
{
    struct buf recipients = { 0 };

    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        struct str address = envelope->recipient[i].address;
        const struct domain_record *record =
            directory_find_domain(keeper->directory, recipient_domain(&envelope->recipient[i]));
        if (record == NULL || !keeper_verifies(keeper, record) ||
            verifier_is_valid(keeper->verifier, address, keeper_mail_now(keeper)))
            continue;
        buf_add(&recipients, address);
        buf_add_byte(&recipients, '\0');
    }
    if (recipients.len == 0)
        return;
    struct unsure_mail *mail = memory_new(sizeof *mail);
    mail->recipients = recipients;
    add_unsure(&keeper->unsure, envelope->id, mail);
}

/* Until all of them are known to be there. */
bool keeper_is_unsure(const struct keeper *keeper, struct message_id id)
{
    const struct unsure_mail *mail = map_find(&keeper->unsure.young, message_id_key(&id));
    struct str address = STR_NONE;

    if (mail == NULL)
        mail = map_find(&keeper->unsure.old, message_id_key(&id));
    if (mail == NULL)
        return false;
    struct str left = buf_str(&mail->recipients);
    while (left.len > 0 && str_cut(&left, '\0', &address))
        if (address.len > 0 &&
            !verifier_is_valid(keeper->verifier, address, keeper_mail_now(keeper)))
            return true;
    return false;
}

void keeper_unsure_init(struct keeper *keeper)
{
    map_init(&keeper->unsure.young);
    map_init(&keeper->unsure.old);
}

void keeper_unsure_fini(struct keeper *keeper)
{
    forget_unsure(&keeper->unsure.young);
    forget_unsure(&keeper->unsure.old);
}
