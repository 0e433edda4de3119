/* SPDX-License-Identifier: ISC */
/* fuzz_milter.c: a filter that says what it likes.
 *
 *   1  what it is told are whole packets of the protocol, each within its limits
 *   2  it comes to an end once it is broken, and nothing is told after that but a good-bye
 *   3  a header that it has changed reads back as fields, with an end and without empty lines
 *   4  a new body has CRLF line ends and its limit
 *
 * The input is what the filter says; first an octet with which the body is given in time or not.
 */
#include "base/check.h"
#include "filter/milter.h"
#include "filter/policy.h"

enum { BODY = 70000, BODY_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct milter *milter;
    struct buf told;
    struct buf body;
    bool wants_body;
    uint64_t at;
    size_t size;
    bool is_over;
};

static void on_send(void *context, struct str bytes)
{
    struct world *world = context;

    check(!world->is_over);
    buf_add(&world->told, bytes);
}

static void on_want_body(void *context, uint64_t offset, size_t size)
{
    struct world *world = context;

    check(!world->wants_body && size > 0 && size <= MILTER_CHUNK_MAX && offset + size <= BODY);
    world->wants_body = true;
    world->at = offset;
    world->size = size;
}

static void on_replace_body(void *context, struct str bytes)
{
    struct world *world = context;

    buf_add(&world->body, bytes);
    check(world->body.len <= BODY_MAX);
}

static const struct milter_host host = { .send = on_send,
                                         .want_body = on_want_body,
                                         .replace_body = on_replace_body };

static void check_told(struct str told)
{
    while (told.len > 0) {
        check(told.len >= 5);
        uint32_t size = (uint32_t)(uint8_t)told.ptr[0] << 24 |
                        (uint32_t)(uint8_t)told.ptr[1] << 16 | (uint32_t)(uint8_t)told.ptr[2] << 8 |
                        (uint8_t)told.ptr[3];
        check(size >= 1 && size <= MILTER_CHUNK_MAX + 1 && told.len - 4 >= size);
        check(str_find(STR("ODCHMRTLNBEQ"), told.ptr[4]) >= 0);
        told = str_skip(told, 4 + size);
    }
}

static void check_changes(const struct milter_result *result, const struct header *header)
{
    struct filtered_header filtered = { .header = *header };
    struct arena arena = { 0 };
    struct buf text = { 0 };
    struct header again;

    changes_apply(&result->changes, &arena, &filtered);
    check(filtered.above <= filtered.header.count);
    for (uint32_t i = 0; i < filtered.header.count; i++)
        buf_add(&text, filtered.header.field[i].raw);
    header_parse(buf_str(&text), &arena, &again);
    check(again.count == filtered.header.count);
    for (uint32_t i = 0; i < again.count; i++)
        check(again.field[i].name.len > 0 && str_ends_nocase(again.field[i].raw, STR("\r\n")));
    buf_fini(&text);
    arena_fini(&arena);
}

static void check_body(struct str body)
{
    for (size_t i = 0; i < body.len; i++) {
        check(body.ptr[i] != '\n' || (i > 0 && body.ptr[i - 1] == '\r'));
        check(body.ptr[i] != '\r' || i + 1 == body.len || body.ptr[i + 1] == '\n');
    }
}

static void check_end(const struct world *world, const struct header *header)
{
    static const struct filter_policy policy = { ACTION_TAG, GONE_TAG, { 1, "a" } };
    const struct milter_result *result = milter_result(world->milter);
    struct verdict reason;
    bool is_marked = false;
    struct buf mark = { 0 };

    check_told(buf_str(&world->told));
    check(result->outcome != MILTER_BROKEN || result->why != NULL);
    if (result->outcome == MILTER_PASSED || result->outcome == MILTER_TO_HOLD) {
        check_changes(result, header);
        check_body(buf_str(&world->body));
    }
    if (result->outcome != MILTER_OPEN)
        (void)filter_judge(&policy, STR("a"), result, 1, &reason, &is_marked);
    if (is_marked)
        filter_add_mark(&mark, STR("a"), result);
    for (size_t i = 0; i + 2 < mark.len; i++)
        check(mark.ptr[i] >= ' ' && mark.ptr[i] < 0x7f);
    buf_fini(&mark);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char body[BODY];
    static const bool is_shown[] = { true, false, true };
    struct recipient recipient[] = { { .address = STR("a@example.org") },
                                     { .address = STR("b@example.org") },
                                     { .address = STR("c@example.org") } };
    const struct envelope envelope = { .client = { .family = ENDPOINT_IP4 },
                                       .helo = STR("client.example"),
                                       .sender = STR("s@client.example"),
                                       .recipient = recipient,
                                       .recipient_count = 3 };
    struct world world = { 0 };
    struct arena arena = { 0 };
    struct header header;

    if (size < 1)
        return 0;
    header_parse(STR("From: x\r\nSubject: a\r\n b\r\nFrom: y\r\n"), &arena, &header);
    const struct milter_mail mail = { .hostname = STR("mx2.example.net"),
                                      .envelope = &envelope,
                                      .is_shown = is_shown,
                                      .header = &header,
                                      .body_start = STR("no field\r\n\r\n"),
                                      .body_size = BODY,
                                      .body_max = BODY_MAX };
    world.milter = milter_new(&mail, &host, &world);
    struct str left = str_of(data + 1, size - 1);
    while (left.len > 0) {
        struct str piece = str_first(left, 1 + (data[0] & 63));
        milter_feed(world.milter, piece);
        left = str_skip(left, piece.len);
        while (world.wants_body) {
            world.wants_body = false;
            milter_body(world.milter, str_of(body, data[0] & 64 ? world.size - 1 : world.size));
        }
        world.is_over = milter_result(world.milter)->outcome != MILTER_OPEN;
    }
    check_end(&world, &header);
    milter_free(world.milter);
    buf_fini(&world.told);
    buf_fini(&world.body);
    arena_fini(&arena);
    return 0;
}
