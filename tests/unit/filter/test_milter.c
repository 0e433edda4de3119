/* SPDX-License-Identifier: ISC */
/* test_milter.c: conversations with a filter, as rows of what it says and what becomes of it. */
#include "testing.h"

#include <string.h>

#include "filter/milter.h"

static const struct endpoint client = { .family = ENDPOINT_IP4,
                                        .address = { 192, 0, 2, 7 },
                                        .port = 4711 };

struct scene {
    struct recipient recipient[3];
    struct envelope envelope;
    bool is_shown[3];
    struct arena arena;
    struct header header;
    struct milter_mail mail;
    struct milter *milter;
    struct buf said; /* the commands, one letter each; of macros nothing */
    struct buf last; /* the last packet's data */
    struct buf wire; /* not yet a whole packet */
    struct buf new_body;
    bool has_new_body;
    bool wants_body;
    uint64_t wanted_at;
    size_t wanted_size;
};

static void hear(void *context, struct str bytes)
{
    struct scene *scene = context;

    buf_add(&scene->wire, bytes);
    while (scene->wire.len >= 4) {
        const uint8_t *size = (const uint8_t *)scene->wire.ptr;
        size_t len = (size_t)size[2] << 8 | size[3] | (size_t)size[1] << 16;
        if (scene->wire.len < 4 + len)
            break;
        if (scene->wire.ptr[4] != 'D')
            buf_add_byte(&scene->said, scene->wire.ptr[4]);
        buf_reset(&scene->last);
        buf_add_bytes(&scene->last, scene->wire.ptr + 5, len - 1);
        buf_consume(&scene->wire, 4 + len);
    }
}

static void want_body(void *context, uint64_t offset, size_t size)
{
    struct scene *scene = context;

    assert_false(scene->wants_body);
    scene->wants_body = true;
    scene->wanted_at = offset;
    scene->wanted_size = size;
}

static void replace_body(void *context, struct str bytes)
{
    struct scene *scene = context;

    scene->has_new_body = true;
    buf_add(&scene->new_body, bytes);
}

static const struct milter_host host = { .send = hear,
                                         .want_body = want_body,
                                         .replace_body = replace_body };

static void scene_open(struct scene *scene, uint64_t body_size)
{
    static const char *const to[] = { "a@example.org", "b@example.com", "c@example.org" };

    *scene = (struct scene){ .is_shown = { true, false, true } };
    for (int i = 0; i < 3; i++)
        scene->recipient[i].address = str_from(to[i]);
    scene->envelope = (struct envelope){ .client = client,
                                         .helo = STR("client.example"),
                                         .sender = STR("s@client.example"),
                                         .recipient = scene->recipient,
                                         .recipient_count = 3 };
    header_parse(STR("From: x\r\nSubject: a\r\n b\r\n"), &scene->arena, &scene->header);
    scene->mail = (struct milter_mail){ .hostname = STR("mx2.example.net"),
                                        .envelope = &scene->envelope,
                                        .is_shown = scene->is_shown,
                                        .header = &scene->header,
                                        .body_size = body_size,
                                        .body_max = 100 };
    scene->milter = milter_new(&scene->mail, &host, scene);
}

static void scene_close(struct scene *scene)
{
    milter_free(scene->milter);
    arena_fini(&scene->arena);
    buf_fini(&scene->said);
    buf_fini(&scene->last);
    buf_fini(&scene->wire);
    buf_fini(&scene->new_body);
}

static void say(struct scene *scene, char command, struct str data)
{
    struct buf packet = { 0 };
    uint32_t size = (uint32_t)data.len + 1;

    for (int shift = 24; shift >= 0; shift -= 8)
        buf_add_byte(&packet, (char)(size >> shift & 0xff));
    buf_add_byte(&packet, command);
    buf_add(&packet, data);
    for (size_t i = 0; i < packet.len; i++) /* in pieces as small as can be */
        milter_feed(scene->milter, str_of(packet.ptr + i, 1));
    buf_fini(&packet);
}

static void negotiate(struct scene *scene, uint32_t protocol)
{
    const char data[12] = { 0,
                            0,
                            0,
                            6,
                            0,
                            0,
                            0,
                            0x3b,
                            (char)(protocol >> 24),
                            (char)(protocol >> 16),
                            (char)(protocol >> 8),
                            (char)protocol };
    say(scene, 'O', str_of(data, sizeof data));
}

static void give_body(struct scene *scene, struct str body)
{
    scene->wants_body = false;
    milter_body(scene->milter,
                str_first(str_skip(body, (size_t)scene->wanted_at), scene->wanted_size));
}

static const struct milter_result *result(const struct scene *scene)
{
    return milter_result(scene->milter);
}

/* ---- */

static void tells_all_of_it_one_by_one(void **state)
{
    struct scene scene;
    (void)state;
    scene_open(&scene, 5);
    assert_buf(&scene.said, "O");
    negotiate(&scene, 0);
    for (const char *next = "CHMRRTLLN"; *next != '\0'; next++) {
        assert_int_equal(scene.said.ptr[scene.said.len - 1], *next);
        if (strcmp(next, "N") == 0) /* the second field */
            assert_false(scene.wants_body);
        say(&scene, 'c', STR_NONE);
    }
    assert_true(scene.wants_body && scene.wanted_at == 0 && scene.wanted_size == 5);
    give_body(&scene, STR("hello"));
    assert_true(str_equals(buf_str(&scene.last), STR("hello")));
    say(&scene, 'c', STR_NONE);
    assert_int_equal(result(&scene)->outcome, MILTER_OPEN);
    say(&scene, 'p', STR_NONE);
    say(&scene, 'c', STR_NONE);
    assert_int_equal(result(&scene)->outcome, MILTER_PASSED);
    buf_reset(&scene.last);
    scene_close(&scene);
}

static void a_field_is_given_as_sendmail_does(void **state)
{
    static const struct {
        uint32_t protocol;
        struct str first, second;
    } cases[] = {
        { 0x7f & ~0x20u, { "From\0x", 7 }, { "Subject\0a\n b", 13 } },
        { (0x7f & ~0x20u) | 0x100000, { "From\0 x", 8 }, { "Subject\0 a\n b", 14 } },
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        scene_open(&scene, 0);
        negotiate(&scene, cases[i].protocol | 0x200);
        assert_true(str_equals(buf_str(&scene.last), cases[i].first));
        say(&scene, 'c', STR_NONE);
        assert_true(str_equals(buf_str(&scene.last), cases[i].second));
        say(&scene, 'c', STR_NONE);
        assert_buf(&scene.said, "OLLE");
        scene_close(&scene);
    }
}

static void what_a_filter_declines_is_not_told(void **state)
{
    struct scene scene;
    (void)state;
    scene_open(&scene, 5);
    negotiate(&scene, 0x37f);
    assert_buf(&scene.said, "OE");
    say(&scene, 'c', STR_NONE);
    assert_buf(&scene.said, "OEQ");
    scene_close(&scene);
}

static void who_gives_no_answers_is_not_waited_for(void **state)
{
    struct scene scene;
    (void)state;
    scene_open(&scene, 5);
    negotiate(&scene, 0x1ff7ff & ~0x37fu);
    assert_buf(&scene.said, "OCHMRRTLLN");
    give_body(&scene, STR("hello"));
    assert_buf(&scene.said, "OCHMRRTLLNBE");
    scene_close(&scene);
}

static void a_large_body_comes_in_pieces_until_it_has_enough(void **state)
{
    static char large[3 * MILTER_CHUNK_MAX];
    struct scene scene;
    (void)state;
    scene_open(&scene, sizeof large);
    scene.mail.body_start = STR("no field\r\n\r\n");
    negotiate(&scene, 0x36f);
    assert_true(str_equals(buf_str(&scene.last), STR("no field\r\n\r\n")));
    say(&scene, 'c', STR_NONE);
    assert_int_equal(scene.wanted_at, 0);
    give_body(&scene, str_of(large, sizeof large));
    say(&scene, 'c', STR_NONE);
    assert_int_equal(scene.wanted_at, MILTER_CHUNK_MAX);
    give_body(&scene, str_of(large, sizeof large));
    say(&scene, 's', STR_NONE);
    assert_buf(&scene.said, "OBBBE");
    scene_close(&scene);
}

/* A filter that wants nothing but the end, and says this there; or first to a recipient. */
static const struct {
    char command;
    struct str data;
    enum milter_outcome outcome;
    const char *verdict;
} words[] = {
    { 'c', { "", 0 }, MILTER_PASSED, NULL },
    { 'a', { "", 0 }, MILTER_PASSED, NULL },
    { 'r', { "", 0 }, MILTER_REFUSED, "550 5.7.1 A filter refuses this message" },
    { 't', { "", 0 }, MILTER_DEFERRED, "451 4.7.1 Please try again later" },
    { 'f', { "", 0 }, MILTER_DEFERRED, "451 4.7.1 Please try again later" },
    { '4', { "", 0 }, MILTER_DEFERRED, "451 4.7.1 Please try again later" },
    { 'd', { "", 0 }, MILTER_TO_HOLD, "550 5.7.1 A filter wants it thrown away" },
    { 'y', { "550 5.7.1 100%% spam\0", 21 }, MILTER_REFUSED, "550 5.7.1 100% spam" },
    { 'y', { "451 4.7.1 later\r\n451 4.7.1 much\0", 32 }, MILTER_DEFERRED, "451 4.7.1 later" },
    { 'y', { "554 no\x1b[2J\0", 12 }, MILTER_REFUSED, NULL },
    { 'y', { "250 fine\0", 9 }, MILTER_BROKEN, NULL },
    { 'y', { "550\0", 4 }, MILTER_BROKEN, NULL },
    { 'y', { "550 not ended", 13 }, MILTER_BROKEN, NULL },
    { 'y', { "", 0 }, MILTER_BROKEN, NULL },
    { 's', { "", 0 }, MILTER_BROKEN, NULL },
    { 'O', { "", 0 }, MILTER_BROKEN, NULL },
    { 'Z', { "", 0 }, MILTER_BROKEN, NULL },
    { 'h', { "X", 1 }, MILTER_BROKEN, NULL },
    { 'i', { "\0\0", 2 }, MILTER_BROKEN, NULL },
    { 'i', { "\0\0\0\0X\0y", 7 }, MILTER_BROKEN, NULL },
    { 'q', { "no end", 6 }, MILTER_BROKEN, NULL },
    { '-', { "no end", 6 }, MILTER_BROKEN, NULL },
};

static void each_word_has_its_outcome(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct scene scene;
        struct buf line = { 0 };
        scene_open(&scene, 5);
        negotiate(&scene, 0x37f);
        say(&scene, words[i].command, words[i].data);
        assert_int_equal(result(&scene)->outcome, words[i].outcome);
        if (words[i].verdict != NULL) {
            verdict_add_line(&line, &result(&scene)->verdict);
            assert_buf(&line, words[i].verdict);
        }
        if (words[i].outcome == MILTER_BROKEN)
            assert_non_null(result(&scene)->why);
        buf_fini(&line);
        milter_break(scene.milter, "too late");
        say(&scene, 'c', STR_NONE); /* nobody listens any more */
        assert_int_equal(result(&scene)->outcome, words[i].outcome);
        scene_close(&scene);
    }
}

static void what_speaks_no_milter_is_broken(void **state)
{
    static const struct str talks[] = {
        { "HTTP/1.1 400 Bad", 16 }, { "\0\0\0\0", 4 },
        { "\xff\xff\xff\xffx", 5 }, { "\0\0\0\1c", 5 },
        { "\0\0\0\5O\0\0\0\6", 9 }, { "\0\0\0\15O\0\0\0\1\0\0\0\0\0\0\0\0", 17 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
        struct scene scene;
        scene_open(&scene, 5);
        milter_feed(scene.milter, talks[i]);
        assert_int_equal(result(&scene)->outcome, MILTER_BROKEN);
        assert_buf(&scene.said, "O");
        scene_close(&scene);
    }
}

static void changes_are_for_the_end(void **state)
{
    struct scene scene;
    (void)state;
    scene_open(&scene, 5);
    negotiate(&scene, 0x37f);
    say(&scene, 'h', str_of("X\0y", 4));
    say(&scene, 'i', str_of("\0\0\0\1Z\0z", 8));
    say(&scene, 'm', str_of("\0\0\0\2From\0", 10));
    say(&scene, 'e', str_of("<evil@example.com>", 19));
    say(&scene, '+', str_of("<more@example.com>", 19));
    say(&scene, '-', str_of("<C@example.org>", 16));
    say(&scene, '-', str_of("<b@example.com>", 16)); /* not his to take off */
    say(&scene, 'b', STR("new\nbody\n"));
    say(&scene, 'c', STR_NONE);
    const struct milter_result *said = result(&scene);
    assert_int_equal(said->outcome, MILTER_PASSED);
    assert_int_equal(said->changes.count, 3);
    assert_int_equal(said->changes.item[0].kind, CHANGE_ADD);
    assert_true(str_equals(said->changes.item[0].value, STR(" y")));
    assert_int_equal(said->changes.item[1].index, 1);
    assert_int_equal(said->changes.item[2].value.len, 0);
    assert_int_equal(said->overstepped, 2);
    assert_int_equal(said->recipient[0], MILTER_PASSED);
    assert_int_equal(said->recipient[1], MILTER_PASSED);
    assert_int_equal(said->recipient[2], MILTER_TO_HOLD);
    assert_buf(&scene.new_body, "new\r\nbody\r\n");
    scene_close(&scene);
    scene_open(&scene, 5);
    negotiate(&scene, 0);
    say(&scene, 'h', str_of("X\0y", 4));
    assert_int_equal(result(&scene)->outcome, MILTER_BROKEN);
    scene_close(&scene);
}

static void a_new_body_has_an_end(void **state)
{
    static char large[101];
    struct scene scene;
    (void)state;
    memset(large, 'x', sizeof large);
    scene_open(&scene, 5);
    negotiate(&scene, 0x37f);
    say(&scene, 'b', STR_NONE);
    assert_true(scene.has_new_body);
    say(&scene, 'b', str_of(large, 100));
    assert_int_equal(result(&scene)->outcome, MILTER_OPEN);
    say(&scene, 'b', str_of(large, 1));
    assert_int_equal(result(&scene)->outcome, MILTER_BROKEN);
    scene_close(&scene);
}

static void quarantine_holds_what_passes(void **state)
{
    struct scene scene;
    (void)state;
    scene_open(&scene, 5);
    negotiate(&scene, 0x37f);
    say(&scene, 'q', str_of("odd", 4));
    assert_int_equal(result(&scene)->outcome, MILTER_OPEN);
    say(&scene, 'c', STR_NONE);
    assert_int_equal(result(&scene)->outcome, MILTER_TO_HOLD);
    assert_true(str_equals(verdict_text(&result(&scene)->verdict), STR("odd")));
    scene_close(&scene);
}

static void one_refused_recipient_is_not_all(void **state)
{
    struct scene scene;
    (void)state;
    scene_open(&scene, 0);
    negotiate(&scene, 0x377);
    say(&scene, 'r', STR_NONE);
    assert_buf(&scene.said, "ORR");
    say(&scene, 'c', STR_NONE);
    say(&scene, 'c', STR_NONE);
    assert_int_equal(result(&scene)->outcome, MILTER_PASSED);
    assert_int_equal(result(&scene)->recipient[0], MILTER_REFUSED);
    assert_int_equal(result(&scene)->recipient[2], MILTER_PASSED);
    scene_close(&scene);
    scene_open(&scene, 0);
    negotiate(&scene, 0x377);
    say(&scene, 'r', STR_NONE);
    say(&scene, 'y', str_of("550 5.1.1 nobody", 17));
    assert_int_equal(result(&scene)->outcome, MILTER_REFUSED);
    assert_int_equal(result(&scene)->verdict.enhanced[1], 1);
    scene_close(&scene);
    scene_open(&scene, 0);
    negotiate(&scene, 0x377);
    say(&scene, 't', STR_NONE); /* only the whole message can wait */
    assert_int_equal(result(&scene)->outcome, MILTER_DEFERRED);
    scene_close(&scene);
}

static void a_body_that_cannot_be_read_ends_it(void **state)
{
    struct scene scene;
    (void)state;
    scene_open(&scene, 5);
    negotiate(&scene, 0x36f);
    milter_body(scene.milter, STR("hell"));
    assert_int_equal(result(&scene)->outcome, MILTER_BROKEN);
    milter_body(scene.milter, STR("hello"));
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_all_of_it_one_by_one),
        cmocka_unit_test(a_field_is_given_as_sendmail_does),
        cmocka_unit_test(what_a_filter_declines_is_not_told),
        cmocka_unit_test(who_gives_no_answers_is_not_waited_for),
        cmocka_unit_test(a_large_body_comes_in_pieces_until_it_has_enough),
        cmocka_unit_test(each_word_has_its_outcome),
        cmocka_unit_test(what_speaks_no_milter_is_broken),
        cmocka_unit_test(changes_are_for_the_end),
        cmocka_unit_test(a_new_body_has_an_end),
        cmocka_unit_test(quarantine_holds_what_passes),
        cmocka_unit_test(one_refused_recipient_is_not_all),
        cmocka_unit_test(a_body_that_cannot_be_read_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
