/* SPDX-License-Identifier: ISC */
/* answers.c: what the keeper has said of recipients, and holds for the next ones too.
 *
 * Most mail is for few recipients: asking the keeper of each would wake two processes for
 * what is known. The keeper says how far its answer reaches, and calls all of them void when
 * anything they were made from changes; between us and it nothing overtakes. After some minutes
 * it is asked again, for it may want to ask the primary again. Without a keeper nothing is known.
 */
#include "base/memory.h"
#include "roles/receiver/receiver.h"

enum { ANSWERS_MAX = 65536, LIFE_MS = 5 * MINUTE_MS }; /* one more, and it begins anew */

struct known_answer { /* of all for whom it holds */
    size_t holders;
    int64_t until_ms;
    struct recipient_answer answer;
};

static const struct recipient_answer *find(const struct receiver *receiver, struct str whom,
                                           int64_t now_ms)
{
    const struct known_answer *known = map_find(&receiver->answers, whom);
    return known != NULL && now_ms < known->until_ms ? &known->answer : NULL;
}

const struct recipient_answer *receiver_answer_find(const struct receiver *receiver,
                                                    struct str recipient, int64_t now_ms)
{
    const struct recipient_answer *answer = find(receiver, recipient, now_ms);
    ptrdiff_t at = str_find_last(recipient, '@');

    if (answer == NULL && at >= 0)
        answer = find(receiver, str_skip(recipient, (size_t)at), now_ms);
    return answer;
}

static void release(struct known_answer *known)
{
    if (known != NULL && --known->holders == 0)
        memory_free(known);
}

void receiver_answers_forget(struct receiver *receiver)
{
    size_t cursor = 0;
    struct known_answer *known;

    while ((known = map_next(&receiver->answers, &cursor, NULL)) != NULL)
        release(known);
    map_fini(&receiver->answers);
    map_init(&receiver->answers);
}

static void hold(struct receiver *receiver, struct str whom, struct known_answer *known)
{
    if (receiver->answers.count >= ANSWERS_MAX)
        receiver_answers_forget(receiver);
    known->holders++;
    release(map_put(&receiver->answers, whom, known));
}

void receiver_answer_keep(struct receiver *receiver, struct str whom, struct str company,
                          const struct recipient_answer *answer, int64_t now_ms)
{
    struct known_answer *known = memory_new(sizeof *known);
    struct str next = STR_NONE;

    known->holders = 1; /* ourselves, until all have it */
    known->until_ms = now_ms + LIFE_MS;
    known->answer = *answer;
    hold(receiver, whom, known);
    while (company.len > 0 && str_cut(&company, '\0', &next))
        hold(receiver, next, known);
    release(known);
}
