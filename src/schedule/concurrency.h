/* SPDX-License-Identifier: ISC */
/* concurrency.h: how many sessions a primary is given at once (SPEC P4, FACTS 4.11).
 *
 * Postfix adds and takes away a session as deliveries succeed and connections
 * fail; a primary that answers 421 above five sessions is thus run into again and
 * again. Here the limit that was hit is remembered:
 *
 *     slow start   allowed grows by one each time that `allowed` messages were
 *                  answered while all allowed sessions were in use
 *     refused      with n other sessions standing: the ceiling is n. Where more than n
 *                  have stood before it may be a passing thing (the server has not
 *                  yet noticed that an old session ended), and only the second
 *                  refusal in a row lowers the ceiling
 *     ceiling      is not exceeded for ten minutes; then one session more is tried,
 *                  and a refusal doubles that time, up to an hour
 *
 * After each refusal no session is opened for a second, doubling up to a minute,
 * while the standing ones go on. Only connections and greetings count; what is
 * said about a message says nothing about the number of sessions. A session that
 * stood and ended before any message was answered is barren: it rests the same way,
 * but does not lower the ceiling. Sessions that were open when such a rest began and end
 * later add nothing to it: what ended the first has ended them all (a server that restarts,
 * a deliverer of ours that dies).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct concurrency {
    uint32_t allowed;
    uint32_t answered; /* messages since it last grew */
    uint32_t proven;   /* this many sessions have stood at once */
    uint32_t ceiling;  /* 0: none is known */
    int64_t ceiling_until_ms;
    int64_t ceiling_for_ms;
    uint32_t refusals; /* in a row */
    uint32_t barren;   /* rests in a row because of barren sessions … */
    int64_t barren_ms; /* … and when the last one began */
    int64_t closed_until_ms;
};

void concurrency_start(struct concurrency *concurrency, uint32_t start);
bool concurrency_may_open(const struct concurrency *concurrency, uint32_t open, int64_t now_ms);
/* `standing` sessions are ready, the new one included. */
void concurrency_ready(struct concurrency *concurrency, uint32_t standing);
/* A message was answered while `open` sessions were; it may grow up to `limit`. */
void concurrency_answered(struct concurrency *concurrency, uint32_t open, uint32_t limit,
                          int64_t now_ms);
/* A session was refused while `others` were ready. */
void concurrency_refused(struct concurrency *concurrency, uint32_t others, int64_t now_ms);
/* The primary fails altogether: what looked like a limit a moment ago was its dying. */
void concurrency_died(struct concurrency *concurrency, int64_t now_ms);
/* A session that was opened then ended before a message was answered on it. */
void concurrency_barren(struct concurrency *concurrency, int64_t opened_ms, int64_t now_ms);
/* None stands: the next one goes alone, until a message is answered on it. */
void concurrency_alone(struct concurrency *concurrency);
