/* SPDX-License-Identifier: ISC */
/* receiver_answers.c: what the keeper has said of recipients, and holds for the next ones too.
 *
 * Most mail is for few domains: asking the keeper of each recipient would wake two processes for
 * what is known. The keeper says how far its answer reaches, and calls all of them void when
 * anything they were made from changes; between us and it nothing overtakes. Without a keeper
 * nothing is known.
 */
#include "base/memory.h"
#include "roles/receiver.h"

enum { ANSWERS_MAX = 1024 }; /* one more, and it begins anew */

static const struct verdict *find(const struct receiver *receiver, struct str whom)
{
    return map_find(&receiver->answers, whom);
}

const struct verdict *receiver_answer_find(const struct receiver *receiver, struct str recipient)
{
    const struct verdict *verdict = find(receiver, recipient);
    ptrdiff_t at = str_find_last(recipient, '@');

    if (verdict == NULL && at >= 0)
        verdict = find(receiver, str_skip(recipient, (size_t)at));
    return verdict;
}

void receiver_answers_forget(struct receiver *receiver)
{
    size_t cursor = 0;
    void *verdict;

    while ((verdict = map_next(&receiver->answers, &cursor, NULL)) != NULL)
        memory_free(verdict);
    map_fini(&receiver->answers);
    map_init(&receiver->answers);
}

void receiver_answer_keep(struct receiver *receiver, struct str whom, const struct verdict *verdict)
{
    if (receiver->answers.count >= ANSWERS_MAX)
        receiver_answers_forget(receiver);
    memory_free(map_put(&receiver->answers, whom, memory_copy(verdict, sizeof *verdict)));
}
