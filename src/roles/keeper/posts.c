/* SPDX-License-Identifier: ISC */
/* posts.c: see posts.h.
 *
 *     waiting ── due ──▶ asking (DNS) ──▶ posting, by a deliverer ── 2xx ──▶ gone
 *        ▲                  │                 │
 *        └── a minute, doubled up to an hour ─┴── a day old, or 410 ──▶ gone, and logged
 *
 * One of a domain is under way at a time. When a server takes one, it gets the others at once.
 * Where it leads is looked up for each attempt, and what must not be posted to (net/web_reach.h) is
 * not.
 */
#include "roles/keeper/posts.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/url.h"
#include "mail/domain.h"
#include "notify/post.h"

enum { LOOK_AGAIN_MS = SECOND_MS };

struct keeper_posts {
    struct keeper *keeper;
    const struct keeper_posts_kind *kind;
    struct link all; /* struct keeper_post.link, in the order in which they were made */
    size_t octets;
    unsigned under_way;
    int64_t look_ms; /* monotonic: when something may be due */
};

/* ---- what is kept ---- */

static void put_fact(struct keeper_post *post, struct str value)
{
    const struct domain_fact fact = { str_from(post->owner->kind->fact), buf_str(&post->domain),
                                      buf_str(&post->id), value };
    directory_put_fact(post->owner->keeper->directory, &fact, NULL, NULL);
}

static void keep(struct keeper_post *post)
{
    const struct post_waiting waiting = { post->made_ms, post->next_ms, post->tries,
                                          buf_str(&post->octets) };
    struct buf bytes = { 0 };

    post_waiting_encode(&bytes, &waiting);
    put_fact(post, buf_str(&bytes));
    buf_fini(&bytes);
}

static struct keeper_post *post_new(struct keeper_posts *owner, struct str domain, struct str id,
                                    const struct post_waiting *waiting)
{
    struct keeper_post *post = memory_new(sizeof *post);

    post->owner = owner;
    buf_add(&post->id, id);
    buf_add(&post->domain, domain);
    buf_add(&post->octets, waiting->octets);
    owner->octets += waiting->octets.len;
    post->made_ms = waiting->made_ms;
    post->next_ms = waiting->next_ms;
    post->tries = waiting->tries;
    return post;
}

static void end_attempt(struct keeper_post *post)
{
    keeper_dns_forget(post->owner->keeper, &post->four);
    keeper_dns_forget(post->owner->keeper, &post->six);
    buf_fini(&post->host);
    if (post->state != POST_WAITING)
        post->owner->under_way--;
    post->state = POST_WAITING;
    post->ticket = 0;
}

static void post_free(struct keeper_post *post)
{
    end_attempt(post);
    list_remove(&post->link);
    post->owner->octets -= post->octets.len;
    buf_fini(&post->id);
    buf_fini(&post->domain);
    buf_fini(&post->octets);
    memory_free(post);
}

/* ---- what becomes of an attempt ---- */

/* Without the URL: whoever knows a webhook's path may post there. */
static void log_end(const struct keeper_post *post, enum log_level level, const char *event,
                    unsigned status, struct str why)
{
    log_event(level, event, LOG_STR("id", buf_str(&post->id)),
              LOG_STR("domain", buf_str(&post->domain)), LOG_INT("tries", post->tries),
              LOG_INT("status", status), LOG_STR("why", why));
}

static void forget(struct keeper_post *post, enum log_level level, const char *event,
                   unsigned status, struct str why)
{
    log_end(post, level, event, status, why);
    put_fact(post, STR(""));
    post_free(post);
}

static struct str url_of(const struct keeper_post *post)
{
    return post->owner->kind->url(post->owner->keeper, post);
}

/* Its server lives: what waits for it need not wait longer. */
static void hurry_others(const struct keeper_post *taken)
{
    list_each (link, &taken->owner->all) {
        struct keeper_post *post = container_of(link, struct keeper_post, link);
        if (post->state == POST_WAITING &&
            str_equals(buf_str(&post->domain), buf_str(&taken->domain)) &&
            str_equals(url_of(post), url_of(taken)))
            post->next_ms = 0;
    }
}

static void attempt_failed(struct keeper_post *post, unsigned status, struct str why)
{
    struct keeper *keeper = post->owner->keeper;
    const struct keeper_posts_kind *kind = post->owner->kind;
    int64_t now_ms = keeper_mail_now(keeper).wall_ms;

    end_attempt(post);
    post->tries++;
    if (status == 410 || now_ms - post->made_ms >= POST_LIFE_MS) {
        forget(post, LOG_WARN, kind->ended, status,
               status == 410 ? STR("the server wants no more of it") : why);
        return;
    }
    int64_t pause_ms = post_pause(post->tries);
    post->next_ms = now_ms + random_around(&keeper->process->random, pause_ms, pause_ms / 10);
    keep(post);
    log_end(post, LOG_INFO, kind->failed, status, why);
}

static void attempt_answered(struct keeper_post *post, unsigned status, struct str why)
{
    struct keeper_posts *owner = post->owner;

    owner->look_ms = 0;
    if (status < 200 || status > 299) {
        attempt_failed(post, status, status > 0 ? STR("not taken") : why);
        return;
    }
    post->tries++;
    hurry_others(post);
    forget(post, LOG_INFO, owner->kind->posted, status, STR("taken"));
}

/* ---- posting ---- */

static void send_post(struct keeper_post *post)
{
    struct keeper *keeper = post->owner->keeper;
    const struct keeper_posts_kind *kind = post->owner->kind;
    const struct keeper_peer *peer = keeper_some_deliverer(keeper);
    struct buf addresses = { 0 };
    struct buf fields = { 0 };
    struct str url = url_of(post);

    if (peer == NULL || url.len == 0) {
        attempt_failed(post, 0, STR("no deliverer is there"));
        return;
    }
    for (uint32_t i = 0; i < post->address_count; i++)
        endpoint_encode(&addresses, post->address[i]);
    kind->add_fields(keeper, post, &fields);
    post->state = POST_POSTING;
    post->ticket = ++keeper->last_ticket;
    post->source = peer->source;
    channel_send(peer->channel, web_post, .ticket = post->ticket, .url = url,
                 .addresses = buf_str(&addresses), .fields = buf_str(&fields),
                 .body = kind->body(post));
    buf_fini(&addresses);
    buf_fini(&fields);
}

/* ---- where it leads ---- */

static void add_address(struct keeper_post *post, struct endpoint endpoint, bool is_literal)
{
    const struct keeper_posts *owner = post->owner;

    if (!web_may_go_to(endpoint, owner->kind->reach(owner->keeper, is_literal)))
        post->was_forbidden = true;
    else if (post->address_count < WEB_ADDRESSES_MAX)
        post->address[post->address_count++] = endpoint;
}

static void go_on(struct keeper_post *post)
{
    if (post->address_count > 0)
        send_post(post);
    else
        attempt_failed(post, 0,
                       post->was_forbidden ? STR("nothing is posted to its address")
                                           : STR("its name has no address"));
}

static void take_answer(struct keeper_post *post, const struct dns_answer *answer)
{
    struct url url;

    if (!url_parse(url_of(post), &url)) {
        attempt_failed(post, 0, STR("it was unset"));
        return;
    }
    for (uint32_t i = 0; answer->status == DNS_FOUND && i < answer->record_count; i++) {
        struct endpoint endpoint = answer->record[i].address;
        endpoint.port = url.port;
        if (endpoint.family != ENDPOINT_NONE)
            add_address(post, endpoint, false);
    }
    if (--post->asked == 0)
        go_on(post);
}

static void on_four(struct keeper_question *question, const struct dns_answer *answer)
{
    take_answer(container_of(question, struct keeper_post, four), answer);
}

static void on_six(struct keeper_question *question, const struct dns_answer *answer)
{
    take_answer(container_of(question, struct keeper_post, six), answer);
}

static void ask(struct keeper_post *post)
{
    struct keeper *keeper = post->owner->keeper;
    struct dns_question question = { .name = buf_str(&post->host), .type = DNS_A };

    post->asked = 2;
    post->four.answered = on_four;
    post->six.answered = on_six;
    keeper_dns_ask(keeper, &post->four, question);
    question.type = DNS_AAAA;
    keeper_dns_ask(keeper, &post->six, question);
}

static void begin(struct keeper_post *post)
{
    struct url url;

    if (!url_parse(url_of(post), &url)) {
        forget(post, LOG_INFO, post->owner->kind->ended, 0,
               STR("it has no place to go to any more"));
        return;
    }
    post->state = POST_ASKING;
    post->owner->under_way++;
    post->address_count = 0;
    post->was_forbidden = false;
    buf_reset(&post->host);
    if (url.is_address) {
        add_address(post, url.endpoint, true);
        go_on(post);
    } else if (domain_normalise(url.host, &post->host)) {
        ask(post);
    } else {
        attempt_failed(post, 0, STR("its name has no address"));
    }
}

/* ---- turns ---- */

static bool is_busy(const struct keeper_posts *owner, struct str domain)
{
    list_each (link, &owner->all) {
        const struct keeper_post *post = container_of(link, struct keeper_post, link);
        if (post->state != POST_WAITING && str_equals(buf_str(&post->domain), domain))
            return true;
    }
    return false;
}

/* The first that is due and may begin; else when one will be, in Unix time. */
static struct keeper_post *find_due(const struct keeper_posts *owner, int64_t now_ms,
                                    int64_t *out_next_ms)
{
    *out_next_ms = NEVER_MS;
    if (owner->under_way >= owner->kind->under_way_max)
        return NULL; /* who ends looks again */
    list_each (link, &owner->all) {
        struct keeper_post *post = container_of(link, struct keeper_post, link);
        if (post->state != POST_WAITING || post->next_ms >= *out_next_ms ||
            is_busy(owner, buf_str(&post->domain)))
            continue;
        if (post->next_ms <= now_ms)
            return post;
        *out_next_ms = post->next_ms;
    }
    return NULL;
}

void keeper_posts_turn(struct keeper_posts *posts, struct now now)
{
    struct keeper_post *post;
    int64_t next_ms;

    if (posts == NULL || now.mono_ms < posts->look_ms)
        return;
    int64_t wall_ms = keeper_mail_now(posts->keeper).wall_ms;
    if (keeper_some_deliverer(posts->keeper) == NULL) {
        posts->look_ms = now.mono_ms + LOOK_AGAIN_MS;
        return;
    }
    while ((post = find_due(posts, wall_ms, &next_ms)) != NULL)
        begin(post);
    posts->look_ms = next_ms == NEVER_MS ? NEVER_MS : now.mono_ms + (next_ms - wall_ms);
}

int64_t keeper_posts_deadline(const struct keeper_posts *posts)
{
    return posts == NULL || list_is_empty(&posts->all) ? NEVER_MS : posts->look_ms;
}

/* ---- what others say ---- */

static struct keeper_post *find_posting(const struct keeper_posts *owner, uint64_t ticket,
                                        uint32_t source)
{
    list_each (link, &owner->all) {
        struct keeper_post *post = container_of(link, struct keeper_post, link);
        if (post->state == POST_POSTING && post->ticket == ticket && post->source == source)
            return post;
    }
    return NULL;
}

bool keeper_posts_answer(struct keeper_posts *posts, uint32_t source,
                         const struct message_web_answer *message)
{
    struct keeper_post *post = posts != NULL ? find_posting(posts, message->ticket, source) : NULL;

    if (post != NULL)
        attempt_answered(post, (unsigned)message->status, message->why);
    return post != NULL;
}

void keeper_posts_deliverer_gone(struct keeper_posts *posts, uint32_t source)
{
    if (posts == NULL)
        return;
    list_each_safe (link, &posts->all) {
        struct keeper_post *post = container_of(link, struct keeper_post, link);
        if (post->state == POST_POSTING && post->source == source)
            attempt_answered(post, 0, STR("the deliverer was restarted"));
    }
}

void keeper_posts_forget(struct keeper_posts *posts, struct str domain)
{
    if (posts == NULL)
        return;
    list_each_safe (link, &posts->all) {
        struct keeper_post *post = container_of(link, struct keeper_post, link);
        if (str_equals(buf_str(&post->domain), domain))
            post_free(post);
    }
}

/* ---- new ones ---- */

/* The oldest that is not under way makes room. */
static void make_room(const struct keeper_posts *owner, struct str domain)
{
    struct keeper_post *oldest = NULL;
    unsigned count = 0;

    list_each (link, &owner->all) {
        struct keeper_post *post = container_of(link, struct keeper_post, link);
        if (!str_equals(buf_str(&post->domain), domain))
            continue;
        count++;
        if (oldest == NULL && post->state == POST_WAITING)
            oldest = post;
    }
    if (count >= owner->kind->waiting_max && oldest != NULL)
        forget(oldest, LOG_WARN, owner->kind->ended, 0, STR("too many wait"));
}

void keeper_posts_add(struct keeper_posts *posts, struct str domain, struct message_id id,
                      struct str octets)
{
    int64_t now_ms = keeper_mail_now(posts->keeper).wall_ms;
    const struct post_waiting waiting = { now_ms, now_ms, 0, octets };

    make_room(posts, domain);
    struct keeper_post *post =
        post_new(posts, domain, str_from(message_id_to_text(id).text), &waiting);
    list_append(&posts->all, &post->link);
    if (octets.len > POST_OCTETS_MAX || posts->octets > posts->kind->octets_max) {
        log_end(post, LOG_WARN, posts->kind->ended, 0, STR("there is no room for it"));
        post_free(post);
        return;
    }
    keep(post);
    posts->look_ms = 0;
}

/* ---- life ---- */

/* Ids sort by time. */
static void insert(struct keeper_posts *owner, struct keeper_post *post)
{
    struct link *place = &owner->all;

    while (place->prev != &owner->all &&
           str_compare(buf_str(&container_of(place->prev, struct keeper_post, link)->id),
                       buf_str(&post->id)) > 0)
        place = place->prev;
    list_insert_before(place, &post->link);
}

struct keeper_posts *keeper_posts_new(struct keeper *keeper, const struct keeper_posts_kind *kind)
{
    struct keeper_posts *posts = memory_new(sizeof *posts);
    const struct domain_fact *fact;
    struct post_waiting waiting;
    size_t cursor = 0;

    posts->keeper = keeper;
    posts->kind = kind;
    list_init(&posts->all);
    while ((fact = directory_next_fact(keeper->directory, &cursor)) != NULL)
        if (str_equals(fact->kind, str_from(kind->fact)) &&
            post_waiting_decode(fact->value, &waiting))
            insert(posts, post_new(posts, fact->domain, fact->name, &waiting));
    return posts;
}

void keeper_posts_free(struct keeper_posts *posts)
{
    if (posts == NULL)
        return;
    list_each_safe (link, &posts->all)
        post_free(container_of(link, struct keeper_post, link));
    memory_free(posts);
}
