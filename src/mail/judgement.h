/* SPDX-License-Identifier: ISC */
/* judgement.h: what becomes of a message that something speaks against.
 *
 * Each recipient's domain has its own mind; a message may be for several. It is refused only if
 * every one of them refuses it: otherwise those that would refuse have it held back until somebody
 * has looked at it, for SMTP knows one answer to a content (RFC 5321 4.1.1.4), and mail that was
 * taken is never bounced for its content (SPEC A8).
 */
#pragma once

#include "mail/verdict.h"

/* From good to bad. UNSURE: what decides it did not answer. */
enum judgement { JUDGED_GOOD, JUDGED_TO_HOLD, JUDGED_TO_REFUSE, JUDGED_UNSURE };

/* One more thing speaks against a recipient: the worse counts. The reason of them all is the first
 * one's, unless somebody is unsure: then that is what is said. *reason is FATE_ACCEPT as long as
 * there is none. */
void judgement_add(enum judgement *judgement, enum judgement more, struct verdict *reason,
                   const struct verdict *why);
/* Of all recipients' judgements, what becomes of the message: GOOD (take it, and hold back what is
 * TO_HOLD or TO_REFUSE), TO_REFUSE or UNSURE (refuse all, for good or for now). */
enum judgement judgement_combine(const enum judgement *judgement, uint32_t count);
