/* SPDX-License-Identifier: ISC */
/* webhooks.c: events that wait until their domain's web server has taken them
 * (posts.h).
 *
 * An event's octets are its body; where it goes is the domain's setting at the time. It is signed
 * with a secret that is made when it is needed for the first time, and kept as a fact, too.
 */
#include "notify/webhook.h"

#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "roles/keeper/posts.h"

/* Of the domain; STR_NONE: there is none any more. */
static struct str url_of(const struct keeper *keeper, const struct keeper_post *post)
{
    const struct domain_record *record =
        directory_find_domain(keeper->directory, buf_str(&post->domain));

    if (record == NULL)
        return STR_NONE;
    return setting_text(&record->settings, &keeper->process->config->defaults, SETTING_WEBHOOK);
}

static struct str body_of(const struct keeper_post *post)
{
    return buf_str(&post->octets);
}

/* Signed for this attempt, with the time of a clock that may be compared with others. */
static void add_fields(struct keeper *keeper, const struct keeper_post *post, struct buf *out)
{
    int64_t now_s = keeper_now(keeper).wall_ms / SECOND_MS;

    buf_add(out, STR("X-Holdfast-Signature: "));
    webhook_add_signature(out, keeper_webhook_secret(keeper, buf_str(&post->domain)), now_s,
                          body_of(post));
    buf_add_format(out, "\nX-Holdfast-Timestamp: %lld\nX-Holdfast-Id: %.*s\n", (long long)now_s,
                   STR_FMT(buf_str(&post->id)));
}

/* Who sets it is somebody of ours. To this machine only if he says so by its address. */
static enum web_reach reach(const struct keeper *keeper, bool is_literal)
{
    (void)keeper;
    return is_literal ? WEB_REACH_HERE : WEB_REACH_NEAR;
}

static const struct keeper_posts_kind events = {
    .fact = "webhook",
    .posted = "webhook_posted",
    .failed = "webhook_failed",
    .ended = "webhook_given_up",
    .waiting_max = 200,
    .octets_max = SIZE_MAX,
    .under_way_max = 20,
    .url = url_of,
    .body = body_of,
    .add_fields = add_fields,
    .reach = reach,
};

void keeper_webhooks_add(struct keeper *keeper, struct str domain, struct message_id id,
                         struct str body)
{
    if (keeper->webhooks != NULL)
        keeper_posts_add(keeper->webhooks, domain, id, body);
}

/* ---- the secret ---- */

static void make_secret(struct keeper *keeper, struct str domain, directory_done *done,
                        void *context)
{
    unsigned char chance[WEBHOOK_SECRET_SIZE / 2];
    struct buf text = { 0 };

    check(getrandom(chance, sizeof chance, 0) == sizeof chance);
    for (size_t i = 0; i < sizeof chance; i++)
        buf_add_format(&text, "%02x", chance[i]);
    const struct domain_fact fact = { STR(WEBHOOK_SECRET_FACT), domain, STR(""), buf_str(&text) };
    directory_put_fact(keeper->directory, &fact, done, context);
    explicit_bzero(chance, sizeof chance);
    explicit_bzero(text.ptr, text.len);
    buf_fini(&text);
}

struct str keeper_webhook_secret(struct keeper *keeper, struct str domain)
{
    struct str secret =
        directory_find_fact(keeper->directory, STR(WEBHOOK_SECRET_FACT), domain, STR(""));

    if (secret.len == 0)
        make_secret(keeper, domain, NULL, NULL);
    return directory_find_fact(keeper->directory, STR(WEBHOOK_SECRET_FACT), domain, STR(""));
}

void keeper_webhook_new_secret(struct keeper *keeper, struct str domain, directory_done *done,
                               void *context)
{
    make_secret(keeper, domain, done, context);
}

/* ---- life ---- */

void keeper_webhooks_start(struct keeper *keeper)
{
    keeper->webhooks = keeper_posts_new(keeper, &events);
}

void keeper_webhooks_end(struct keeper *keeper)
{
    keeper_posts_free(keeper->webhooks);
    keeper->webhooks = NULL;
}
