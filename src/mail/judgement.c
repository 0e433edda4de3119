/* SPDX-License-Identifier: ISC */
/* judgement.c: see judgement.h. */
#include "mail/judgement.h"

void judgement_add(enum judgement *judgement, enum judgement more, struct verdict *reason,
                   const struct verdict *why)
{
    if (more == JUDGED_GOOD)
        return;
    if (reason->fate == FATE_ACCEPT || (more == JUDGED_UNSURE && *judgement != JUDGED_UNSURE))
        *reason = *why;
    if (more > *judgement)
        *judgement = more;
}

enum judgement judgement_combine(const enum judgement *judgement, uint32_t count)
{
    bool all_refuse = count > 0;

    for (uint32_t i = 0; i < count; i++) {
        if (judgement[i] == JUDGED_UNSURE)
            return JUDGED_UNSURE;
        all_refuse = all_refuse && judgement[i] == JUDGED_TO_REFUSE;
    }
    return all_refuse ? JUDGED_TO_REFUSE : JUDGED_GOOD;
}
