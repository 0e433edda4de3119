/* SPDX-License-Identifier: ISC */
/* line.c: a line goes round and round, by itself.
 *
 *     RESTING ─▶ LOOKING (is the local server there?) ─▶ RESOLVING ─▶ CONNECTING ─▶ CALLING
 *        ▲                                                                            │ 250
 *        └── at once when all went well, later and later when not ── ENDING ◀── TURNED ◀┘
 *
 * As long as the local server refuses connections, nobody calls: the backup would hand mail to
 * nobody, and hold its primary for alive. A server that was there the last time is not looked for,
 * and an address that is known is not asked for: then these two are passed over. From everywhere a
 * line may come to rest.
 *
 * 1. Octets pass through, both ways; whoever reads nothing is not read from.
 * 2. Pauses grow with failures in a row, and differ: lines that failed together do not call again
 *    together. What went well, but was over within a second, is followed by a pause, too.
 */
#include <errno.h>

#include "base/check.h"
#include "roles/agent/private.h"

enum {
    AGAIN_MIN_MS = SECOND_MS,
    AGAIN_MAX_MS = MINUTE_MS,
    LAST_OCTETS_MS = 10 * SECOND_MS,
    PENDING_MAX = 64 * 1024,
};

void agent_line_init(struct agent_line *line, struct agent *agent)
{
    *line =
        (struct agent_line){ .agent = agent, .must_look = true, .backup.fd = -1, .server.fd = -1 };
}

/* ---- states ---- */

#define FROM(state) (1u << (state))

void agent_line_enter(struct agent_line *line, enum line_state state, int64_t deadline_ms)
{
    static const unsigned from[] = {
        [LINE_RESTING] = ~0u,
        [LINE_LOOKING] = FROM(LINE_RESTING),
        [LINE_RESOLVING] = FROM(LINE_RESTING) | FROM(LINE_LOOKING),
        [LINE_CONNECTING] = FROM(LINE_RESTING) | FROM(LINE_LOOKING) | FROM(LINE_RESOLVING),
        [LINE_CALLING] = FROM(LINE_CONNECTING),
        [LINE_TURNED] = FROM(LINE_CALLING),
        [LINE_ENDING] = FROM(LINE_TURNED),
    };

    check(from[state] & FROM(line->state));
    line->state = state;
    line->deadline_ms = deadline_ms;
}

static void drop(struct agent_line *line)
{
    agent_side_close(&line->backup);
    agent_side_close(&line->server);
    call_free(line->call);
    line->call = NULL;
    adapter_free(line->adapter);
    line->adapter = NULL;
    buf_fini(&line->early);
    line->is_over = line->is_due = false;
}

void agent_line_rest(struct agent_line *line, int64_t ms)
{
    drop(line);
    agent_line_enter(line, LINE_RESTING, agent_now_ms(line->agent) + ms);
}

/* Longer and longer, and not all at once. */
static int64_t pause_of(const struct agent_line *line)
{
    int64_t ms = AGAIN_MIN_MS;

    for (unsigned i = 1; i < line->failures && ms < AGAIN_MAX_MS; i++)
        ms *= 2;
    ms = ms < AGAIN_MAX_MS ? ms : AGAIN_MAX_MS;
    return ms / 2 + (int64_t)random_below(&line->agent->random, (uint64_t)ms);
}

void agent_line_fail(struct agent_line *line, const char *event, struct str why, const char *hint)
{
    line->failures++;
    agent_addresses_look_elsewhere(line);
    agent_say_trouble(line->agent, event, why, hint);
    agent_line_rest(line, pause_of(line));
}

void agent_line_over(struct agent_line *line, bool went_well)
{
    line->is_over = line->is_due = true;
    line->went_well = went_well;
}

void agent_line_last_octets(struct agent_line *line, struct agent_side *other)
{
    agent_line_enter(line, LINE_ENDING, agent_now_ms(line->agent) + LAST_OCTETS_MS);
    stream_close_after_flush(other->stream);
}

/* ---- the turn's end ---- */

static void begin(struct agent_line *line)
{
    if (line->must_look)
        agent_server_look(line);
    else
        agent_addresses_resolve(line);
}

static void expire(struct agent_line *line)
{
    switch (line->state) {
    case LINE_RESTING:
        begin(line);
        return;
    case LINE_CONNECTING:
        agent_line_fail(line, "backup_away", STR("it does not answer"), NULL);
        return;
    case LINE_LOOKING:
    case LINE_TURNED:
        agent_server_is_away(line, -ETIMEDOUT);
        return;
    case LINE_ENDING:
        agent_line_over(line, true);
        return;
    case LINE_CALLING:
    case LINE_RESOLVING:
        return;
    }
}

static void begin_anew(struct agent_line *line, struct now now)
{
    int64_t lasted_ms = now.mono_ms - line->waited_ms; /* if the call was taken */

    if (line->went_well) {
        line->failures = 0;
        agent_line_rest(line, lasted_ms < AGAIN_MIN_MS ? AGAIN_MIN_MS /* nobody was handed much */
                                                       : 0);
        return;
    }
    if (line->has_waited && lasted_ms > AGAIN_MAX_MS)
        line->failures = 0; /* until a moment ago all was well */
    line->failures++;
    if (!line->has_waited)
        agent_addresses_look_elsewhere(line);
    agent_line_rest(line, pause_of(line));
}

/* Who may send on. */
static void balance(const struct agent_line *line)
{
    struct stream *backup = line->backup.stream;
    struct stream *server = line->server.stream;

    if (line->state != LINE_TURNED || backup == NULL)
        return;
    size_t for_server = server != NULL ? stream_pending(server) : line->early.len;
    stream_want_input(backup, for_server < PENDING_MAX);
    if (server != NULL)
        stream_want_input(server, stream_pending(backup) < PENDING_MAX);
}

bool agent_line_drained(void *context)
{
    struct agent_line *line = context;

    line->is_due = true;
    return true;
}

/* The call has a deadline of its own. */
static int64_t deadline_of(const struct agent_line *line)
{
    int64_t of_call = line->state == LINE_CALLING ? call_deadline(line->call) : NEVER_MS;
    return of_call < line->deadline_ms ? of_call : line->deadline_ms;
}

int64_t agent_line_turn(struct agent_line *line, struct now now)
{
    if (line->deadline_ms <= now.mono_ms)
        expire(line);
    if (line->state == LINE_CALLING && !line->is_over && call_deadline(line->call) <= now.mono_ms)
        call_tick(line->call, now);
    if (line->is_over)
        begin_anew(line, now);
    line->is_due = false;
    balance(line);
    return deadline_of(line);
}
