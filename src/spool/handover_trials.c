/* SPDX-License-Identifier: ISC */
/* handover_trials.c: refusals on trial: what was said of each recipient, until the scheduler
 * believes it (it is settled), doubts it, or has the message tried again.
 *
 * One trial an entry: a later one takes the place of the one before. What our own side refused, for
 * the peer does not offer what the message needs, is no word of the peer's that could be doubted:
 * it is not tried, but settled at once.
 */
#include "base/memory.h"
#include "spool/handover_private.h"

void handover_trial_free(struct trial *trial)
{
    if (trial == NULL)
        return;
    memory_free(trial->recipient);
    memory_free(trial->verdict);
    buf_fini(&trial->remote);
    buf_fini(&trial->sender);
    memory_free(trial);
}

struct trial *handover_trial_take(struct handover *handover, struct message_id id,
                                  struct str domain)
{
    struct buf key = handover_entry_key(id, domain);
    struct trial *trial = map_remove(&handover->trials, buf_str(&key));

    buf_fini(&key);
    return trial;
}

bool handover_is_doubtful(const struct verdict *verdict)
{
    return verdict->fate == FATE_REJECT && verdict->stage != STAGE_OURS;
}

void handover_trial_begin(struct handover *handover, const struct handover_result *result,
                          const struct handover_answers *answers)
{
    const uint32_t *recipient = answers->recipient;
    const struct verdict *verdict = answers->verdict;
    uint32_t count = answers->count;
    struct trial *trial = memory_new(sizeof *trial);
    struct buf key = handover_entry_key(result->id, result->domain);

    trial->recipient = memory_new(result->refused * sizeof *trial->recipient);
    trial->verdict = memory_new(result->refused * sizeof *trial->verdict);
    for (uint32_t i = 0; i < count; i++) {
        if (!handover_is_doubtful(&verdict[i]))
            continue;
        trial->recipient[trial->count] = recipient[i];
        trial->verdict[trial->count++] = verdict[i];
    }
    trial->at_ms = answers->at_ms;
    buf_add(&trial->remote, answers->remote);
    trial->has_envelope = answers->envelope != NULL;
    if (trial->has_envelope) {
        trial->flags = answers->envelope->flags;
        buf_add(&trial->sender, answers->envelope->sender);
    }
    handover_trial_free(map_put(&handover->trials, buf_str(&key), trial));
    buf_fini(&key);
}

void handover_doubt(struct handover *handover, struct message_id id, struct str domain)
{
    handover_trial_free(handover_trial_take(handover, id, domain));
}

void handover_trials_fini(struct handover *handover)
{
    struct trial *trial;

    for (size_t cursor = 0; (trial = map_next(&handover->trials, &cursor, NULL)) != NULL;)
        handover_trial_free(trial);
    map_fini(&handover->trials);
}
