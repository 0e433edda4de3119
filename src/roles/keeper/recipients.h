/* SPDX-License-Identifier: ISC */
/* recipients.h: how the verifier (verify/verifier.h) is joined with the rest of the keeper; private
 * to those who join it:
 *
 *     who asks ──▶ askers.c ──▶ the verifier ──▶ callouts.c ──▶ the primary
 *                                    ▲
 *                              recipients.c ◀──▶ scheduler, directory
 *
 *     recipients.c  the whole: what verifier, scheduler and directory hear of each other, and when
 *     askers.c      who has asked the verifier, and waits for its word
 *     greetings.c   what a primary announced when it greeted us last
 *     unsure.c      mail that came in for somebody whom nobody knew
 *
 * Greetings and unsure mail are no business of the verifier's; but what a greeting said is kept in
 * one record with what the verifier remembers of a primary, and who is known, it alone can say.
 */
#pragma once

#include "roles/keeper/keeper.h"

/* recipients.c */
/* Puts down what is known of the domain's primary: the verifier's part, and the greeting. */
void keeper_remember(struct keeper *keeper, struct str domain);
/* The scheduler hears of it at the turn's end. */
void keeper_controlled(struct keeper *keeper, struct str domain, enum control_answer answer);

/* askers.c */
void keeper_asker_answered(struct keeper *keeper, uint64_t asker,
                           const struct verifier_answer *answer);
/* keeper_controlled() follows, perhaps from within. */
void keeper_control_ask(struct keeper *keeper, struct str domain);
void keeper_askers_init(struct keeper *keeper);
void keeper_askers_fini(struct keeper *keeper); /* who still waits hears that nothing was said */

/* greetings.c */
/* Its part of what is remembered of a domain; nothing is changed where there was no greeting. */
void keeper_greeting_save(const struct keeper *keeper, struct str domain,
                          struct domain_memory *memory);
void keeper_greeting_recall(struct keeper *keeper, const struct domain_memory *memory);
/* NULL: it is not listed any more. */
void keeper_greetings_domain_changed(struct keeper *keeper, const struct domain_record *record,
                                     struct str domain);
void keeper_greetings_init(struct keeper *keeper);
void keeper_greetings_fini(struct keeper *keeper);

/* unsure.c */
void keeper_unsure_init(struct keeper *keeper);
void keeper_unsure_fini(struct keeper *keeper);
