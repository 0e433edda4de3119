/* SPDX-License-Identifier: ISC */
/* test_pipelines.c: whole conversations by chance, compared with what the server took.
 *
 * Each seed makes mails, a server with its habits (smtp_server.h), and a network
 * that moves octets in pieces of any size, in any interleaving, and may break. At
 * the end the results must agree with the server's book:
 *
 *   1  who is reported as accepted has got the mail, once, as it was, from its sender
 *   2  who has got it is reported as accepted or as deferred in doubt
 *   3  in doubt is only what was handed over whole and got no final reply
 *   4  every mail has one result, and the client says closed once and nothing after
 */
#include "testing.h"

#include "base/memory.h"
#include "deliver/client.h"
#include "smtp_server.h"

enum { SEEDS = 2000, TURNS_MAX = 200000, REQUESTS_MAX = 16 };

struct outcome {
    bool is_given, is_settled, in_doubt, is_lost;
    enum fate fate[MAIL_RECIPIENTS_MAX];
    uint64_t content_given;
};

struct request {
    uint32_t mail;
    uint64_t offset;
    size_t size;
};

struct world {
    struct random random;
    struct server server;
    struct mail mail[MAIL_MAX];
    struct outcome outcome[MAIL_MAX];
    uint32_t mails, next, under_way;
    unsigned window;
    struct deliver_client *client;
    struct buf to_server;
    struct request request[REQUESTS_MAX];
    uint32_t requests;
    unsigned lost_content; /* percent of requests that fail */
    uint64_t fed;          /* octets of replies that reached the client */
    bool is_patient;       /* mostly gives a message only when nothing is under way */
    bool is_ready, is_closed;
    enum deliver_close how;
    struct now now;
};

static struct message_id id_of(uint32_t index)
{
    return (struct message_id){ { (uint8_t)(index + 1) } };
}

static uint32_t index_of(struct message_id id)
{
    return id.bytes[0] - 1u;
}

static void host_send(void *context, struct str bytes)
{
    struct world *world = context;
    assert_false(world->is_closed);
    buf_add(&world->to_server, bytes);
}

static void host_ready(void *context, const struct smtp_greeting *greeting, unsigned window)
{
    struct world *world = context;
    (void)greeting;
    assert_false(world->is_ready);
    world->is_ready = true;
    world->window = window;
}

static void host_result(void *context, struct message_id id, const struct verdict *verdict,
                        uint32_t count, bool in_doubt)
{
    struct world *world = context;
    struct outcome *outcome = &world->outcome[index_of(id)];
    assert_false(world->is_closed);
    assert_true(outcome->is_given);
    assert_false(outcome->is_settled);
    assert_int_equal(count, world->mail[index_of(id)].recipients);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(verdict[i].code >= 200 && verdict[i].code <= 599);
        outcome->fate[i] = verdict[i].fate;
    }
    outcome->is_settled = true;
    outcome->in_doubt = in_doubt;
    world->under_way--;
}

static void host_want_content(void *context, struct message_id id, uint64_t offset, size_t size)
{
    struct world *world = context;
    assert_false(world->is_closed);
    assert_true(size > 0);
    assert_true(offset + size <= world->mail[index_of(id)].content.len);
    assert_true(world->to_server.len <= 300 * 1024);
    assert_true(world->requests < REQUESTS_MAX);
    world->request[world->requests++] = (struct request){ index_of(id), offset, size };
}

static void host_closed(void *context, enum deliver_close how, const struct verdict *verdict)
{
    struct world *world = context;
    (void)verdict;
    assert_false(world->is_closed);
    world->is_closed = true;
    world->how = how;
}

static const struct deliver_host host = { host_send, host_ready, host_result, host_want_content,
                                          host_closed };
static const struct deliver_settings settings = {
    .hostname = { "me.example", 10 },
    .greeting_timeout_ms = SECOND_MS,
    .command_timeout_ms = SECOND_MS,
    .data_timeout_ms = SECOND_MS,
    .block_timeout_ms = SECOND_MS,
    .final_timeout_ms = SECOND_MS,
};

static uint64_t chance(struct world *world, uint64_t bound)
{
    return random_below(&world->random, bound);
}

/* ---- the mails ---- */

static void add_line(struct world *world, struct buf *content)
{
    uint64_t dots = chance(world, 4);
    for (uint64_t i = 0; i + 1 < dots; i++)
        buf_add_byte(content, '.');
    for (uint64_t i = chance(world, 70); i > 0; i--)
        buf_add_byte(content, (char)('a' + i % 26));
    buf_add(content, STR("\r\n"));
}

static void make_mails(struct world *world)
{
    world->mails = (uint32_t)(1 + chance(world, MAIL_MAX));
    for (uint32_t i = 0; i < world->mails; i++) {
        struct mail *mail = &world->mail[i];
        mail->recipients = (uint32_t)(1 + chance(world, MAIL_RECIPIENTS_MAX));
        size_t size = chance(world, 100) == 0 ? 200000 : chance(world, 500);
        while (mail->content.len < size)
            add_line(world, &mail->content);
    }
}

static struct server_habits make_habits(struct world *world)
{
    static const unsigned refusals[] = { 0, 0, 20, 50, 80 };
    struct server_habits habits = {
        .pipelining = chance(world, 3) > 0,
        .chunking = chance(world, 2) > 0,
        .ehlo = chance(world, 10) > 0,
        .grants_data_to_nobody = chance(world, 4) == 0,
        .refusals = refusals[chance(world, 5)],
    };
    habits.pipelining &= habits.ehlo;
    habits.chunking &= habits.ehlo;
    if (chance(world, 5) == 0)
        habits.falls_silent_after = (uint32_t)(1 + chance(world, 60));
    if (chance(world, 5) == 0)
        habits.says_421_after = (uint32_t)(1 + chance(world, 60));
    return habits;
}

/* ---- what can happen ---- */

static void give_message(struct world *world)
{
    struct recipient recipient[MAIL_RECIPIENTS_MAX] = { 0 };
    struct buf text[MAIL_RECIPIENTS_MAX + 1] = { 0 };
    uint32_t index = world->next;
    struct mail *mail = &world->mail[index];

    if (!world->is_ready || world->under_way == world->window || index == world->mails)
        return;
    if (world->is_patient && world->under_way > 0 && chance(world, 10) > 0)
        return;
    world->next++;
    for (uint32_t i = 0; i < mail->recipients; i++) {
        buf_add_format(&text[i], "r%u-%u@d", index, i);
        recipient[i].address = buf_str(&text[i]);
    }
    buf_add_format(&text[MAIL_RECIPIENTS_MAX], "s%u@s", index);
    struct delivery delivery = { .id = id_of(index),
                                 .sender = buf_str(&text[MAIL_RECIPIENTS_MAX]),
                                 .recipient = recipient,
                                 .recipient_count = mail->recipients,
                                 .size = mail->content.len };
    world->outcome[index].is_given = true;
    world->under_way++;
    deliver_message(world->client, &delivery, world->now);
    for (size_t i = 0; i < COUNT_OF(text); i++)
        buf_fini(&text[i]);
}

/* Some request, all of it or a part; sometimes twice, sometimes not at all. */
static void give_content(struct world *world)
{
    if (world->requests == 0)
        return;
    uint32_t at = (uint32_t)chance(world, world->requests);
    struct request *request = &world->request[at];
    struct outcome *outcome = &world->outcome[request->mail];
    struct request now = *request;
    if (chance(world, 4) == 0)
        now.size = 1 + chance(world, now.size);
    request->offset += now.size;
    request->size -= now.size;
    if (request->size == 0)
        *request = world->request[--world->requests];
    if (chance(world, 100) < world->lost_content) {
        outcome->is_lost = true;
        deliver_content_failed(world->client, id_of(now.mail), world->now);
        return;
    }
    struct str bytes = str_of(world->mail[now.mail].content.ptr + now.offset, now.size);
    if (!outcome->is_lost && now.offset + now.size > outcome->content_given)
        outcome->content_given = now.offset + now.size;
    for (uint64_t times = chance(world, 10) == 0 ? 2 : 1; times > 0; times--)
        deliver_content(world->client, id_of(now.mail), now.offset, bytes, world->now);
}

static void move_to_server(struct world *world)
{
    size_t len = world->to_server.len;
    if (len == 0)
        return;
    if (chance(world, 3) == 0)
        len = 1 + chance(world, len);
    buf_add_bytes(&world->server.in, world->to_server.ptr, len);
    buf_consume(&world->to_server, len);
    if (world->to_server.len == 0)
        deliver_drained(world->client, world->now);
}

static void move_to_client(struct world *world)
{
    size_t len = world->server.out.len;
    if (len == 0)
        return;
    if (chance(world, 3) == 0)
        len = 1 + chance(world, len);
    world->fed += len;
    deliver_feed(world->client, str_first(buf_str(&world->server.out), len), world->now);
    buf_consume(&world->server.out, len);
}

/* A closed connection may take replies with it that were on their way. */
static void hang_up(struct world *world)
{
    if (!world->server.is_closed || (world->server.out.len > 0 && chance(world, 3) > 0))
        return;
    deliver_end(world->client, world->now);
}

static void work_at_server(struct world *world)
{
    for (uint64_t times = chance(world, 8); times > 0; times--)
        (void)server_work(&world->server);
}

static void turn(struct world *world)
{
    static void (*const events[])(struct world *) = {
        give_message, give_content, move_to_server, move_to_client, hang_up, work_at_server
    };
    events[chance(world, COUNT_OF(events))](world);
    if (!world->is_closed && world->is_ready && world->next == world->mails)
        deliver_quit(world->client, world->now);
}

/* ---- what must be true ---- */

static void check_mail(const struct world *world, uint32_t index)
{
    const struct mail *mail = &world->mail[index];
    const struct outcome *outcome = &world->outcome[index];

    assert_int_equal(outcome->is_settled, outcome->is_given);
    for (uint32_t i = 0; i < mail->recipients; i++) {
        assert_true(mail->taken[i] <= 1);
        if (outcome->is_given && outcome->fate[i] == FATE_ACCEPT)
            assert_int_equal(mail->taken[i], 1);
        else if (mail->taken[i] > 0)
            assert_true(outcome->in_doubt && outcome->fate[i] == FATE_DEFER);
    }
    if (!outcome->in_doubt)
        return;
    assert_int_equal(outcome->content_given, mail->content.len);
    assert_true(mail->answered_at == 0 || mail->answered_at > world->fed);
    assert_int_not_equal(world->how, DELIVER_CLOSED_QUIT);
}

static void check_world(const struct world *world)
{
    const struct server *server = &world->server;
    bool is_calm = server->habits.falls_silent_after == 0 && server->habits.says_421_after == 0;

    assert_true(world->is_closed);
    assert_false(server->saw_impatience);
    assert_false(server->saw_wrong_envelope);
    assert_false(server->saw_wrong_content);
    assert_int_not_equal(world->how, DELIVER_CLOSED_PROTOCOL);
    if (is_calm && world->lost_content == 0)
        assert_int_equal(world->how, DELIVER_CLOSED_QUIT);
    for (uint32_t i = 0; i < world->mails; i++)
        check_mail(world, i);
}

static void fini_world(struct world *world)
{
    deliver_free(world->client);
    server_fini(&world->server);
    buf_fini(&world->to_server);
    for (uint32_t i = 0; i < MAIL_MAX; i++)
        buf_fini(&world->mail[i].content);
}

static void live_through(uint64_t seed)
{
    struct world world = { .now = { .mono_ms = 1 } };

    random_from_seed(&world.random, seed);
    make_mails(&world);
    world.is_patient = chance(&world, 3) == 0;
    world.lost_content = chance(&world, 4) == 0 ? 20 : 0;
    world.server = (struct server){ .habits = make_habits(&world), .random = &world.random };
    world.server.mail = world.mail;
    world.server.wire = &world.to_server;
    world.client = deliver_new(&settings, &host, &world, DELIVER_TLS_NO, world.now);
    server_say(&world.server, "220 mx.example");
    for (uint32_t turns = 0; turns < TURNS_MAX && !world.is_closed; turns++)
        turn(&world);
    check_world(&world);
    fini_world(&world);
}

/* SEED=n in the environment lives through that seed alone. */
static void results_agree_with_what_the_server_took(void **state)
{
    const char *only = getenv("SEED");
    uint64_t last = only != NULL ? strtoull(only, NULL, 10) : SEEDS;
    uint64_t *seed = memory_new(sizeof *seed);

    *state = seed;
    for (*seed = only != NULL ? last : 1; *seed <= last; ++*seed)
        live_through(*seed);
    *seed = 0;
}

static int name_the_seed(void **state)
{
    uint64_t *seed = *state;
    if (*seed != 0)
        print_error("with SEED=%llu\n", (unsigned long long)*seed);
    memory_free(seed);
    return 0;
}

/* The server model must be able to catch the mistake, or the seeds above prove nothing: mail 0 has
 * no valid recipient, the server keeps its MAIL, and mail 1 leaves under mail 0's sender. */
static void model_shows_what_happens_without_rset(void **state)
{
    static const struct {
        const char *between;
        bool is_wrong;
    } cases[] = { { "", true }, { "RSET\r\n", false } };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct random random;
        struct mail mail[MAIL_MAX] = { 0 };
        struct buf wire = { 0 };
        struct server server = {
            .habits = { .pipelining = true, .chunking = true, .ehlo = true },
            .random = &random,
            .mail = mail,
            .wire = &wire,
        };
        random_from_seed(&random, 1);
        buf_add(&server.in, STR("MAIL FROM:<s0@s>\r\nBDAT 3 LAST\r\nabc"));
        buf_add(&server.in, str_from(cases[i].between));
        buf_add(&server.in, STR("MAIL FROM:<s1@s>\r\nRCPT TO:<r1-0@d>\r\nBDAT 3 LAST\r\nabc"));
        while (server_work(&server))
            ;
        assert_int_equal(server.saw_wrong_envelope, cases[i].is_wrong);
        assert_int_equal(mail[1].taken[0], 1);
        server_fini(&server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_shows_what_happens_without_rset),
        cmocka_unit_test_teardown(results_agree_with_what_the_server_took, name_the_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
