/* SPDX-License-Identifier: ISC */
/* filters.c: shows a message to filters, before it may be stored.
 *
 * When it is complete, those see it that its recipients' domains name, one after the other
 * (one_filter.c), each what the ones before it have made of it. Where it will not be taken anyway,
 * no more are asked; all of them together have WAIT_MS.
 *
 * A message for several domains is one: what the filter of one of them changes, all of them get.
 * What a filter says against it counts for the domains that named it.
 */
#include "roles/receiver/filters.h"

#include "base/log.h"
#include "base/memory.h"
#include "store/store.h"

enum {
    WAIT_MS = 4 * MINUTE_MS, /* clients wait for ten (RFC 5321 4.5.3.2.6), the session for five */
    HEADER_MAX = STORE_FRONT_MAX - 128 * 1024, /* ours comes on top */
};

/* ---- which, and what they are shown ---- */

static bool knows(const struct filtering *filtering, struct str name)
{
    for (unsigned i = 0; i < filtering->count; i++)
        if (str_equals(filtering->name[i], name))
            return true;
    return false;
}

/* In the order of the first recipient's domain; then those that only others name. */
static void collect_names(struct filtering *filtering)
{
    const struct checks *checks = &filtering->connection->checks;

    for (uint32_t i = 0; i < checks->envelope.recipient_count; i++) {
        struct str names = filter_policy_names(&checks->policy[i]->filters);
        struct str name = STR_NONE;
        if (i > 0 && checks->policy[i] == checks->policy[i - 1])
            continue;
        while (str_cut(&names, ',', &name))
            if (name.len > 0 && filtering->count < RECEIVER_FILTERS_MAX && !knows(filtering, name))
                filtering->name[filtering->count++] = arena_str(&filtering->arena, name);
    }
}

/* A message without a body may end within its header: what a filter adds begins a line. */
static void end_last_line(struct filtering *filtering)
{
    struct header *header = &filtering->filtered.header;
    struct buf whole = { 0 };

    if (filtering->body_start.len > 0) {
        if (!str_ends_nocase(buf_str(&filtering->body_start), STR("\r\n")))
            buf_add(&filtering->body_start, STR("\r\n"));
        return;
    }
    struct header_field *last = header->count > 0 ? &header->field[header->count - 1] : NULL;
    if (last == NULL || str_ends_nocase(last->raw, STR("\r\n")))
        return;
    buf_add(&whole, last->raw);
    buf_add(&whole, STR("\r\n"));
    size_t value_at = last->raw.len - last->value.len;
    size_t name_len = last->name.len;
    last->raw = arena_str(&filtering->arena, buf_str(&whole));
    last->name = str_first(last->raw, name_len);
    last->value = str_skip(last->raw, value_at);
    buf_fini(&whole);
}

/* Without what others say in our name. From the first line that is no field on, the primary will
 * take the rest for the body: so shall the filters. */
static void collect_header(struct filtering *filtering)
{
    const struct authentication *authentication = filtering->connection->checks.authentication;
    const struct header *all = &authentication->header;
    struct header *header = &filtering->filtered.header;
    uint32_t i = 0;

    header->field = arena_new(&filtering->arena, (all->count + 1) * sizeof *header->field);
    for (; i < all->count && all->field[i].name.len > 0; i++)
        if (!receiver_checks_drops(authentication, &all->field[i]))
            header->field[header->count++] = all->field[i];
    for (uint32_t k = i; k < all->count; k++)
        if (!receiver_checks_drops(authentication, &all->field[k]))
            buf_add(&filtering->body_start, all->field[k].raw);
    end_last_line(filtering);
    if (filtering->body_start.len > 0)
        buf_add(&filtering->body_start, STR("\r\n"));
}

/* ---- what one of them said ---- */

static void log_result(const struct filtering *filtering, struct str name,
                       const struct milter_result *result)
{
    const struct checks *checks = &filtering->connection->checks;
    static const char *const said[] = {
        [MILTER_OPEN] = "",           [MILTER_PASSED] = "passed",
        [MILTER_REFUSED] = "refused", [MILTER_DEFERRED] = "deferred",
        [MILTER_TO_HOLD] = "hold",    [MILTER_BROKEN] = "gone",
    };

    if (result->outcome == MILTER_BROKEN)
        log_warn("filter_gone", LOG_ID(checks->envelope.id), LOG_STR("filter", name),
                 LOG_TEXT("why", result->why));
    else if (result->outcome == MILTER_PASSED)
        log_debug("filter_passed", LOG_ID(checks->envelope.id), LOG_STR("filter", name),
                  LOG_INT("changes", result->changes.count));
    else
        log_info("filter_spoke", LOG_ID(checks->envelope.id), LOG_STR("filter", name),
                 LOG_TEXT("said", said[result->outcome]), LOG_INT("code", result->verdict.code),
                 LOG_STR("text", verdict_text(&result->verdict)));
    if (result->overstepped > 0)
        log_warn("filter_overstepped", LOG_ID(checks->envelope.id), LOG_STR("filter", name),
                 LOG_TEXT("hint", "filters may not change sender or add recipients here"));
}

static size_t header_octets(const struct header *header)
{
    size_t octets = 0;

    for (uint32_t i = 0; i < header->count; i++)
        octets += header->field[i].raw.len;
    return octets;
}

static void apply(struct filtering *filtering, struct milter_result *result)
{
    struct filtered_header changed = filtering->filtered;

    changes_apply(&result->changes, &filtering->arena, &changed);
    if (header_octets(&changed.header) + filtering->body_start.len > HEADER_MAX) {
        result->outcome = MILTER_BROKEN;
        result->why = "it made the header too large";
        return;
    }
    filtering->filtered = changed;
    if (!result->replaces_body)
        return;
    buf_reset(&filtering->body_start);
    authentication_end(filtering->connection->checks.authentication);
}

/* The old body is gone, and the new one not what the filter stands by: nothing is left that could
 * be taken. */
static bool has_lost_body(const struct filtering *filtering, const struct milter_result *result)
{
    return filtering->has_new_body && result->outcome != MILTER_PASSED &&
           result->outcome != MILTER_TO_HOLD;
}

static void judge_lost_body(struct checks *checks)
{
    const struct verdict why =
        verdict_make(451, 3, 0, STR("The message was lost on its way; please send it again"));

    if (judgement_combine(checks->judgement, checks->envelope.recipient_count) != JUDGED_GOOD)
        return; /* it is not taken anyway */
    for (uint32_t i = 0; i < checks->envelope.recipient_count; i++)
        judgement_add(&checks->judgement[i], JUDGED_UNSURE, &checks->reason, &why);
}

static void judge(struct filtering *filtering, struct str name, const struct milter_result *result)
{
    struct checks *checks = &filtering->connection->checks;
    bool is_marked = false;

    for (uint32_t i = 0; i < checks->envelope.recipient_count; i++) {
        const struct filter_policy *policy = &checks->policy[i]->filters;
        struct verdict why;
        if (!filter_policy_has(policy, name))
            continue;
        enum judgement more = filter_judge(policy, name, result, i, &why, &is_marked);
        judgement_add(&checks->judgement[i], more, &checks->reason, &why);
    }
    if (has_lost_body(filtering, result))
        judge_lost_body(checks);
    if (is_marked)
        filter_add_mark(&filtering->marks, name, result);
}

static void take_result(struct filtering *filtering)
{
    struct str name = filtering->name[filtering->next++];
    struct milter_result result = receiver_filter_result(filtering);

    if (result.outcome == MILTER_PASSED || result.outcome == MILTER_TO_HOLD)
        apply(filtering, &result);
    log_result(filtering, name, &result);
    judge(filtering, name, &result);
    receiver_filter_leave(filtering, result.outcome != MILTER_BROKEN);
}

/* ---- one after the other ---- */

/* False: nobody wants it filtered. */
static bool begin(struct connection *connection)
{
    struct checks *checks = &connection->checks;
    struct filtering *filtering = memory_new(sizeof *filtering);

    filtering->connection = connection;
    collect_names(filtering);
    if (filtering->count == 0) {
        arena_fini(&filtering->arena);
        memory_free(filtering);
        return false;
    }
    checks->filtering = filtering;
    collect_header(filtering);
    filtering->is_shown =
        arena_new(&filtering->arena, checks->envelope.recipient_count * sizeof(bool));
    filtering->until_ms = loop_now(connection->receiver->process->loop).mono_ms + WAIT_MS;
    channel_send(connection->receiver->keeper, content_whole, .ticket = connection->content_ticket);
    return true;
}

bool receiver_filters_run(struct connection *connection)
{
    struct checks *checks = &connection->checks;

    if (checks->filtering == NULL && !begin(connection))
        return true;
    struct filtering *filtering = checks->filtering;
    for (;;) {
        if (receiver_filter_has_spoken(filtering))
            take_result(filtering);
        else if (filtering->is_asked)
            return false;
        if (filtering->next == filtering->count ||
            judgement_combine(checks->judgement, checks->envelope.recipient_count) != JUDGED_GOOD)
            return true;
        if (!receiver_filter_begin(filtering))
            return false;
    }
}

void receiver_filters_add_top(const struct filtering *filtering, struct buf *front)
{
    buf_add(front, buf_str(&filtering->marks));
    for (uint32_t i = 0; i < filtering->filtered.above; i++)
        buf_add(front, filtering->filtered.header.field[i].raw);
}

void receiver_filters_add_rest(const struct filtering *filtering, struct buf *front)
{
    const struct header *header = &filtering->filtered.header;

    for (uint32_t i = filtering->filtered.above; i < header->count; i++)
        buf_add(front, header->field[i].raw);
    if (filtering->body_start.len > 2) /* the empty line is the body's */
        buf_add(front, str_first(buf_str(&filtering->body_start), filtering->body_start.len - 2));
}

void receiver_filters_forget(struct connection *connection)
{
    struct filtering *filtering = connection->checks.filtering;

    if (filtering == NULL)
        return;
    receiver_filter_leave(filtering, false);
    connection->checks.filtering = NULL;
    buf_fini(&filtering->body_start);
    buf_fini(&filtering->marks);
    buf_fini(&filtering->new_body);
    arena_fini(&filtering->arena);
    memory_free(filtering);
}
