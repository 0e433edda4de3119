/* SPDX-License-Identifier: ISC */
/* web.c: requests to web servers that the keeper asks for; see deliverer.h. */
#include "base/memory.h"
#include "roles/deliverer/deliverer.h"

enum { WHY_MAX = 500, TYPE_MAX = 200 };

void deliverer_web_open(struct deliverer *deliverer, struct str anchors)
{
    deliverer->web = web_new(deliverer->process->loop, anchors);
}

struct asked {
    struct deliverer *deliverer;
    uint64_t ticket;
    uint64_t keeper; /* struct deliverer.keeper_count of the one who asked */
};

static struct asked *asked_new(struct deliverer *deliverer, uint64_t ticket)
{
    struct asked *asked = memory_new(sizeof *asked);

    *asked = (struct asked){ deliverer, ticket, deliverer->keeper_count };
    return asked;
}

static bool is_wanted(const struct asked *asked)
{
    return asked->deliverer->keeper != NULL && asked->keeper == asked->deliverer->keeper_count;
}

static bool read_addresses(struct str bytes, struct endpoint *address, uint32_t *out_count)
{
    struct cursor cursor = cursor_over(bytes);

    while (cursor_ok(&cursor) && cursor.left.len > 0 && *out_count < WEB_ADDRESSES_MAX)
        address[(*out_count)++] = endpoint_decode(&cursor);
    return cursor_done(&cursor) && *out_count > 0;
}

/* ---- posts ---- */

static void answer(struct deliverer *deliverer, uint64_t ticket, unsigned status, struct str why)
{
    channel_send(deliverer->keeper, web_answer, .ticket = ticket, .status = status,
                 .why = str_first(why, WHY_MAX));
}

static void on_posted(void *context, const struct web_answer *got)
{
    struct asked *asked = context;

    if (is_wanted(asked))
        answer(asked->deliverer, asked->ticket, got->status, got->why);
    memory_free(asked);
}

static bool read_fields(struct str lines, struct web_post *out)
{
    struct str line = STR_NONE;

    while (lines.len > 0 && out->field_count < WEB_FIELDS_MAX) {
        (void)str_cut(&lines, '\n', &line);
        out->field[out->field_count++] = line;
    }
    return lines.len == 0;
}

bool deliverer_take_post(struct deliverer *deliverer, struct cursor payload)
{
    struct message_web_post message;
    struct web_post post = { 0 };

    if (!message_get_web_post(payload, &message) ||
        !read_addresses(message.addresses, post.address, &post.address_count) ||
        !read_fields(message.fields, &post))
        return false;
    post.url = message.url;
    post.body = message.body;
    struct asked *asked = asked_new(deliverer, message.ticket);
    if (deliverer->web == NULL || !web_post(deliverer->web, &post, on_posted, asked)) {
        answer(deliverer, message.ticket, 0, STR("it cannot be posted now"));
        memory_free(asked);
    }
    return true;
}

/* ---- what is fetched ---- */

static void tell_fetched(const struct asked *asked, const struct web_answer *got)
{
    channel_send(asked->deliverer->keeper, web_fetched, .ticket = asked->ticket,
                 .status = got->status, .is_untrusted = got->is_untrusted,
                 .why = str_first(got->why, WHY_MAX), .type = str_first(got->type, TYPE_MAX),
                 .body = got->status == 200 ? got->body : STR(""));
}

static void on_fetched(void *context, const struct web_answer *got)
{
    struct asked *asked = context;

    if (is_wanted(asked))
        tell_fetched(asked, got);
    memory_free(asked);
}

bool deliverer_take_fetch(struct deliverer *deliverer, struct cursor payload)
{
    static const struct web_answer busy = { .why = { "it cannot be fetched now", 24 } };
    struct message_web_fetch message;
    struct web_fetch fetch = { 0 };

    if (!message_get_web_fetch(payload, &message) ||
        !read_addresses(message.addresses, fetch.address, &fetch.address_count))
        return false;
    fetch.url = message.url;
    struct asked *asked = asked_new(deliverer, message.ticket);
    if (deliverer->web == NULL || !web_fetch(deliverer->web, &fetch, on_fetched, asked)) {
        tell_fetched(asked, &busy);
        memory_free(asked);
    }
    return true;
}
