/* SPDX-License-Identifier: ISC */
/* deliverer_web.c: posts to web servers that the keeper asks for; see deliverer.h. */
#include "base/memory.h"
#include "roles/deliverer.h"

enum { WHY_MAX = 500 };

void deliverer_web_open(struct deliverer *deliverer, struct str anchors)
{
    deliverer->web = web_new(deliverer->process->loop, anchors);
}

/* ---- posts ---- */

struct post {
    struct deliverer *deliverer;
    uint64_t ticket;
    uint64_t keeper; /* struct deliverer.keeper_count of the one who asked */
};

static void answer(struct deliverer *deliverer, uint64_t ticket, unsigned status, struct str why)
{
    channel_send(deliverer->keeper, web_answer, .ticket = ticket, .status = status,
                 .why = str_first(why, WHY_MAX));
}

static void on_done(void *context, unsigned status, struct str why)
{
    struct post *post = context;
    struct deliverer *deliverer = post->deliverer;

    if (deliverer->keeper != NULL && post->keeper == deliverer->keeper_count)
        answer(deliverer, post->ticket, status, why);
    memory_free(post);
}

static bool read_addresses(struct str bytes, struct web_post *out)
{
    struct cursor cursor = cursor_over(bytes);

    while (cursor_ok(&cursor) && cursor.left.len > 0 && out->address_count < WEB_ADDRESSES_MAX)
        out->address[out->address_count++] = endpoint_decode(&cursor);
    return cursor_done(&cursor) && out->address_count > 0;
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
    struct web_post asked = { 0 };

    if (!message_get_web_post(payload, &message) || !read_addresses(message.addresses, &asked) ||
        !read_fields(message.fields, &asked))
        return false;
    asked.url = message.url;
    asked.body = message.body;
    struct post *post = memory_new(sizeof *post);
    *post = (struct post){ deliverer, message.ticket, deliverer->keeper_count };
    if (deliverer->web == NULL || !web_post(deliverer->web, &asked, on_done, post)) {
        answer(deliverer, message.ticket, 0, STR("it cannot be posted now"));
        memory_free(post);
    }
    return true;
}
