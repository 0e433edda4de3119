/* SPDX-License-Identifier: ISC */
/* lines.c: see lines.h. There are few, so they are looked through, not looked up. */
#include "schedule/lines.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"

enum {
    IDLE_CAME_MS = 500, /* he waits for our QUIT, to go on with something else */
    IDLE_WAITS_MS = 20 * SECOND_MS,
    WANTED_MS = 30 * SECOND_MS, /* to be turned round takes a moment, unless something is wrong */
    TURN_MS = 5 * SECOND_MS,    /* a session's, while others wait for its line */
    LOOK_MS = SECOND_MS,        /* how often is looked for those whose turn is over */
};

enum line_state { LINE_WAITING, LINE_WANTED, LINE_FREE, LINE_BUSY, LINE_ENDING };

struct line {
    struct link link;
    uint64_t number;
    enum line_state state;
    int64_t since_ms; /* of WANTED, FREE and BUSY */
    bool is_yielding; /* BUSY, and its session was asked to end */
    uint64_t session;
    const struct buf *session_domain; /* one of `domain`; NULL: it is not BUSY */
    struct buf caller;
    struct buf instance;
    struct buf *domain;
    uint32_t domain_count;
};

struct seeker { /* a session that waits for a line */
    struct link link;
    uint64_t session;
    uint64_t line; /* that is being turned round for it; 0: none */
    struct buf domain;
};

struct served { /* a domain that has, or had, lines */
    uint32_t lines;
    int64_t gone_ms; /* the last one */
};

struct lines {
    const struct lines_host *host;
    void *context;
    struct link all; /* struct line */
    uint32_t count;
    struct link seekers; /* in the order in which they came */
    int64_t look_ms;     /* at turns that are over; only while there are seekers */
    struct map served;   /* by domain */
};

struct lines *lines_new(const struct lines_host *host, void *context)
{
    struct lines *lines = memory_new(sizeof *lines);

    lines->host = host;
    lines->context = context;
    list_init(&lines->all);
    list_init(&lines->seekers);
    map_init(&lines->served);
    return lines;
}

static void line_free(struct lines *lines, struct line *line)
{
    list_remove(&line->link);
    lines->count--;
    buf_fini(&line->caller);
    buf_fini(&line->instance);
    for (uint32_t i = 0; i < line->domain_count; i++)
        buf_fini(&line->domain[i]);
    memory_free(line->domain);
    memory_free(line);
}

static void seeker_free(struct seeker *seeker)
{
    list_remove(&seeker->link);
    buf_fini(&seeker->domain);
    memory_free(seeker);
}

void lines_free(struct lines *lines)
{
    struct served *served;
    size_t cursor = 0;

    if (lines == NULL)
        return;
    list_each_safe (link, &lines->all)
        line_free(lines, container_of(link, struct line, link));
    list_each_safe (link, &lines->seekers)
        seeker_free(container_of(link, struct seeker, link));
    while ((served = map_next(&lines->served, &cursor, NULL)) != NULL)
        memory_free(served);
    map_fini(&lines->served);
    memory_free(lines);
}

static struct line *find(const struct lines *lines, uint64_t number)
{
    list_each (link, &lines->all) {
        struct line *line = container_of(link, struct line, link);
        if (line->number == number)
            return line;
    }
    return NULL;
}

static const struct buf *find_domain(const struct line *line, struct str domain)
{
    for (uint32_t i = 0; i < line->domain_count; i++)
        if (str_equals(buf_str(&line->domain[i]), domain))
            return &line->domain[i];
    return NULL;
}

static bool has_domain(const struct line *line, struct str domain)
{
    return find_domain(line, domain) != NULL;
}

/* ---- which domains have lines ---- */

static void count_in(struct lines *lines, struct str domain, bool waits, struct now now)
{
    struct served *served = map_find(&lines->served, domain);
    int64_t away_ms = NEVER_MS;

    if (served == NULL) {
        served = memory_new(sizeof *served);
        (void)map_put(&lines->served, domain, served);
    } else if (served->lines == 0 && waits) {
        away_ms = now.mono_ms - served->gone_ms;
    }
    if (served->lines++ == 0)
        lines->host->came(lines->context, domain, away_ms);
}

static void fail_seekers(struct lines *lines, struct str domain)
{
    list_each_safe (link, &lines->seekers) {
        struct seeker *seeker = container_of(link, struct seeker, link);
        if (!str_equals(buf_str(&seeker->domain), domain))
            continue;
        lines->host->fail(lines->context, seeker->session, false);
        seeker_free(seeker);
    }
}

/* What is ending serves nobody. */
static void count_out(struct lines *lines, struct line *line, struct now now)
{
    for (uint32_t i = 0; i < line->domain_count; i++) {
        struct str domain = buf_str(&line->domain[i]);
        struct served *served = map_find(&lines->served, domain);
        served->gone_ms = now.mono_ms;
        if (--served->lines > 0)
            continue;
        fail_seekers(lines, domain);
        lines->host->gone(lines->context, domain);
    }
}

/* Whoever waited for this one to be turned round waits for another. */
static void forget(const struct lines *lines, uint64_t number)
{
    list_each (link, &lines->seekers) {
        struct seeker *seeker = container_of(link, struct seeker, link);
        seeker->line = seeker->line == number ? 0 : seeker->line;
    }
}

static void end(struct lines *lines, struct line *line, struct now now)
{
    line->state = LINE_ENDING;
    line->session_domain = NULL;
    lines->host->end(lines->context, line->number);
    forget(lines, line->number);
    count_out(lines, line, now);
}

static void dismiss(struct lines *lines, struct line *line, struct now now)
{
    line->state = LINE_ENDING;
    lines->host->dismiss(lines->context, line->number);
    forget(lines, line->number);
    count_out(lines, line, now);
}

/* ---- who gets which ---- */

static struct line *find_in_state(const struct lines *lines, struct str domain,
                                  enum line_state state)
{
    list_each (link, &lines->all) {
        struct line *line = container_of(link, struct line, link);
        if (line->state == state && has_domain(line, domain))
            return line;
    }
    return NULL;
}

static void want(const struct lines *lines, struct line *line, struct now now)
{
    line->state = LINE_WANTED;
    line->since_ms = now.mono_ms;
    lines->host->want(lines->context, line->number);
}

/* For each that waits, one is turned round; whoever is first then gets it. */
static void want_lines(struct lines *lines, struct now now)
{
    list_each (link, &lines->seekers) {
        struct seeker *seeker = container_of(link, struct seeker, link);
        struct line *line =
            seeker->line == 0 ? find_in_state(lines, buf_str(&seeker->domain), LINE_WAITING) : NULL;
        if (line == NULL)
            continue;
        seeker->line = line->number;
        want(lines, line, now);
    }
}

static void serve(struct lines *lines, struct now now)
{
    list_each_safe (link, &lines->seekers) {
        struct seeker *seeker = container_of(link, struct seeker, link);
        struct line *line = find_in_state(lines, buf_str(&seeker->domain), LINE_FREE);
        if (line == NULL)
            continue;
        line->state = LINE_BUSY;
        line->since_ms = now.mono_ms;
        line->is_yielding = false;
        line->session = seeker->session;
        line->session_domain = find_domain(line, buf_str(&seeker->domain));
        seeker_free(seeker);
        lines->host->open(lines->context, line->session, line->number);
    }
    want_lines(lines, now);
}

/* Sessions of the domain that have a line, or wait for one. */
static uint32_t count_sessions(const struct lines *lines, struct str domain)
{
    uint32_t count = 0;

    list_each (link, &lines->all) {
        const struct buf *of = container_of(link, struct line, link)->session_domain;
        count += of != NULL && str_equals(buf_str(of), domain);
    }
    list_each (link, &lines->seekers)
        count += str_equals(buf_str(&container_of(link, struct seeker, link)->domain), domain);
    return count;
}

void lines_ask(struct lines *lines, uint64_t session, struct str domain, bool is_patient,
               struct now now)
{
    uint32_t there_are = lines_count(lines, domain);

    if (there_are == 0 || (!is_patient && count_sessions(lines, domain) >= there_are)) {
        lines->host->fail(lines->context, session, there_are > 0);
        return;
    }
    struct seeker *seeker = memory_new(sizeof *seeker);
    seeker->session = session;
    buf_add(&seeker->domain, domain);
    if (list_is_empty(&lines->seekers))
        lines->look_ms = now.mono_ms + LOOK_MS;
    list_append(&lines->seekers, &seeker->link);
    serve(lines, now);
}

static void set_free(struct line *line, struct now now)
{
    line->state = LINE_FREE;
    line->session = 0;
    line->session_domain = NULL;
    line->since_ms = now.mono_ms;
}

void lines_session_over(struct lines *lines, uint64_t session, bool is_clean, struct now now)
{
    list_each_safe (link, &lines->seekers) {
        struct seeker *seeker = container_of(link, struct seeker, link);
        if (seeker->session == session)
            seeker_free(seeker);
    }
    list_each (link, &lines->all) {
        struct line *line = container_of(link, struct line, link);
        if (line->state != LINE_BUSY || line->session != session)
            continue;
        if (is_clean)
            set_free(line, now);
        else
            end(lines, line, now);
        serve(lines, now);
        return;
    }
}

/* ---- they come and go ---- */

static bool is_of(const struct line *line, const struct line_offer *offer)
{
    return str_equals(buf_str(&line->caller), offer->caller) &&
           str_equals(buf_str(&line->instance), offer->instance);
}

/* To somebody else; or to himself, if he does not wait: then he has it already. */
static bool is_served(const struct lines *lines, const struct line_offer *offer, struct str domain)
{
    if (!lines_serve(lines, domain))
        return false;
    list_each (link, &lines->all) {
        const struct line *line = container_of(link, struct line, link);
        bool is_his_too = offer->instance.len > 0 && is_of(line, offer);
        if (line->state != LINE_ENDING && !is_his_too && has_domain(line, domain))
            return true;
    }
    return false;
}

enum line_welcome lines_offer(struct lines *lines, const struct line_offer *offer, struct now now)
{
    uint32_t own = 0;

    check(offer->domain_count > 0 && offer->domain_count <= LINE_DOMAINS_MAX);
    list_each (link, &lines->all) {
        const struct line *line = container_of(link, struct line, link);
        own += line->state != LINE_ENDING && is_of(line, offer);
    }
    for (uint32_t i = 0; i < offer->domain_count; i++)
        if (is_served(lines, offer, offer->domain[i]))
            return LINE_SERVED;
    if (own >= LINES_OF_CALLER_MAX || lines->count >= LINES_MAX)
        return LINE_TOO_MANY;
    struct line *line = memory_new(sizeof *line);
    line->number = offer->line;
    line->state = LINE_WAITING;
    buf_add(&line->caller, offer->caller);
    buf_add(&line->instance, offer->instance);
    line->domain = memory_new(offer->domain_count * sizeof *line->domain);
    for (uint32_t i = 0; i < offer->domain_count; i++)
        if (!has_domain(line, offer->domain[i]))
            buf_add(&line->domain[line->domain_count++], offer->domain[i]);
    list_append(&lines->all, &line->link);
    lines->count++;
    for (uint32_t i = 0; i < line->domain_count; i++)
        count_in(lines, buf_str(&line->domain[i]), offer->instance.len > 0, now);
    if (offer->instance.len == 0)
        want(lines, line, now);
    serve(lines, now);
    return LINE_WELCOME;
}

void lines_up(struct lines *lines, uint64_t number, struct now now)
{
    struct line *line = find(lines, number);

    if (line == NULL || line->state != LINE_WANTED)
        return;
    set_free(line, now);
    serve(lines, now);
}

void lines_down(struct lines *lines, uint64_t number, struct now now)
{
    struct line *line = find(lines, number);

    if (line == NULL)
        return;
    if (line->state != LINE_ENDING)
        count_out(lines, line, now);
    forget(lines, number);
    line_free(lines, line);
    serve(lines, now);
}

void lines_dismiss(struct lines *lines, struct str domain, struct now now)
{
    list_each (link, &lines->all) {
        struct line *line = container_of(link, struct line, link);
        if (line->state == LINE_ENDING ||
            (!has_domain(line, domain) && !str_equals(buf_str(&line->caller), domain)))
            continue;
        if (line->state == LINE_WAITING)
            dismiss(lines, line, now);
        else
            end(lines, line, now);
    }
}

bool lines_serve(const struct lines *lines, struct str domain)
{
    return lines_count(lines, domain) > 0;
}

uint32_t lines_count(const struct lines *lines, struct str domain)
{
    const struct served *served = map_find(&lines->served, domain);
    return served != NULL ? served->lines : 0;
}

/* ---- turns ---- */

static bool is_sought(const struct lines *lines, const struct line *line)
{
    list_each (link, &lines->seekers) {
        const struct seeker *seeker = container_of(link, struct seeker, link);
        if (seeker->line == 0 && has_domain(line, buf_str(&seeker->domain)))
            return true;
    }
    return false;
}

bool lines_overdue(struct lines *lines, struct now now, uint64_t *out_session)
{
    if (list_is_empty(&lines->seekers) || now.mono_ms < lines->look_ms)
        return false;
    list_each (link, &lines->all) {
        struct line *line = container_of(link, struct line, link);
        if (line->state != LINE_BUSY || line->is_yielding ||
            now.mono_ms - line->since_ms < TURN_MS || !is_sought(lines, line))
            continue;
        line->is_yielding = true;
        *out_session = line->session;
        return true;
    }
    lines->look_ms = now.mono_ms + LOOK_MS;
    return false;
}

/* ---- time ---- */

static int64_t deadline_of(const struct line *line)
{
    if (line->state == LINE_WANTED)
        return line->since_ms + WANTED_MS;
    if (line->state != LINE_FREE)
        return NEVER_MS;
    return line->since_ms + (line->instance.len > 0 ? IDLE_WAITS_MS : IDLE_CAME_MS);
}

int64_t lines_deadline(const struct lines *lines)
{
    int64_t look_ms = list_is_empty(&lines->seekers) ? NEVER_MS : lines->look_ms;
    int64_t deadline = NEVER_MS;

    list_each (link, &lines->all) {
        const struct line *line = container_of(link, struct line, link);
        bool may_yield = line->state == LINE_BUSY && !line->is_yielding;
        int64_t until = may_yield ? look_ms : deadline_of(line);
        deadline = until < deadline ? until : deadline;
    }
    return deadline;
}

void lines_tick(struct lines *lines, struct now now)
{
    list_each (link, &lines->all) {
        struct line *line = container_of(link, struct line, link);
        if (deadline_of(line) > now.mono_ms)
            continue;
        if (line->state == LINE_WANTED)
            dismiss(lines, line, now);
        else
            end(lines, line, now);
    }
    serve(lines, now);
}
