/* SPDX-License-Identifier: ISC */
/* test_sealed_store.c: what the sealed driver does where keys come, go and are not there; that it
 * keeps a store's promises is in test_log_contract.c. */
#include "testing.h"

#include <errno.h>

#include "base/memory.h"
#include "fake_disk.h"
#include "rig.h"
#include "store/log/log_store.h"
#include "store/sealed/sealed_private.h"

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
#define KEY_B "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"

static struct fake_disk *disk;

static bool always(void *context, const struct envelope *envelope)
{
    (void)context;
    (void)envelope;
    return true;
}

static const struct sealed_host host = { always, NULL };

static int open_sealed(struct rig *rig, struct store **out_store)
{
    struct log_store_settings settings = { .segment_size = 1 << 19, .large_body_size = 150000 };
    int error = log_store_open(&settings, fake_disk_use(disk), rig->worker, rig->now, out_store);

    if (error == 0)
        *out_store = sealed_store_new(*out_store, &host);
    return error;
}

static void use(struct rig *rig, const char *text)
{
    struct seal_keys keys = { 0 };
    const char *why = NULL;

    assert_true(text[0] == '\0' || seal_keys_parse(str_from(text), &keys, &why));
    sealed_store_use(rig->store, &keys, false);
}

static int begin(void **state)
{
    struct rig *rig = memory_new(sizeof *rig);

    disk = fake_disk_new(1);
    rig->worker = worker_new_inline();
    rig->driver = (struct rig_driver){ open_sealed, NULL };
    rig->now = (struct now){ .mono_ms = 1000, .wall_ms = 1700000000000 };
    random_from_seed(&rig->random, 1);
    rig_open(rig);
    *state = rig;
    return 0;
}

static int end(void **state)
{
    struct rig *rig = *state;

    rig_close(rig);
    worker_free(rig->worker);
    fake_disk_free(disk);
    memory_free(rig);
    return 0;
}

static struct str missing(const struct rig *rig)
{
    struct store_health health;

    store_health(rig->store, &health);
    return health.missing_keys;
}

static struct rig_content look(struct rig *rig, uint32_t number)
{
    struct rig_message message = { .number = number,
                                   .size = 40000,
                                   .recipient_count = 1,
                                   .domains = 1,
                                   .received_ms = RIG_RECEIVED_MS };
    struct rig_content content;

    rig_look(rig, &message, rig_domain[0], &content);
    return content;
}

/* Whose it is can be seen, and it can be settled; only what is in it is out of reach. */
static void what_lacks_its_key_is_kept(void **state)
{
    struct rig *rig = *state;

    use(rig, KEY_A);
    assert_int_equal(rig_add(rig, 1, 40000), 0);
    assert_int_equal(rig_add(rig, 2, 40000), 0);
    assert_true(look(rig, 1).is_same);
    assert_int_equal(missing(rig).len, 0);
    use(rig, KEY_B);
    assert_int_equal(rig_add(rig, 3, 40000), 0);
    for (uint32_t i = 1; i <= 2; i++) {
        struct rig_content content = look(rig, i);
        assert_int_equal(content.error, 0);
        assert_int_equal(content.recipient_count, 1);
        assert_int_equal(content.read_error, -ENOKEY);
        assert_int_equal(missing(rig).len, 2 * SEAL_KEY_ID_SIZE); /* named once */
    }
    assert_true(look(rig, 3).is_same);
    assert_int_equal(rig_settle_now(rig, 2, rig_domain[0], OUTCOME_DISCARDED), 0);
    use(rig, KEY_B KEY_A);
    assert_int_equal(missing(rig).len, 0);
    assert_true(look(rig, 1).is_same);
}

/* Without a key there is nothing in between; what was sealed before still is. */
static void nothing_stands_between_without_a_key(void **state)
{
    struct rig *rig = *state;
    struct store *inner = ((struct sealed_store *)rig->store)->inner;
    struct store_upload *upload = store_upload_open(rig->store, rig_id(9));

    assert_ptr_equal(upload->store, inner);
    store_upload_abort(upload);
    assert_int_equal(rig_add(rig, 1, 40000), 0);
    assert_true(look(rig, 1).is_same);
    use(rig, KEY_A);
    upload = store_upload_open(rig->store, rig_id(9));
    assert_ptr_equal(upload->store, rig->store);
    store_upload_abort(upload);
    assert_true(look(rig, 1).is_same);
    assert_int_equal(rig_add(rig, 2, 40000), 0);
    use(rig, "");
    assert_int_equal(look(rig, 2).read_error, -ENOKEY);
    assert_true(look(rig, 1).is_same);
}

/* Else two contents would be under one key, at the same places. */
static void other_content_takes_another_salt(void **state)
{
    struct rig *rig = *state;

    use(rig, KEY_A);
    struct store_upload *upload = store_upload_open(rig->store, rig_id(1));
    const struct sealed_upload *sealed = (const struct sealed_upload *)upload;
    struct seal_mark before = sealed->mark;
    assert_true(before.is_sealed);
    store_upload_write(upload, STR("some"));
    store_upload_restart(upload);
    assert_memory_not_equal(before.salt, sealed->mark.salt, SEAL_SALT_SIZE);
    before = sealed->mark;
    store_upload_abort(upload);

    upload = store_upload_open(rig->store, rig_id(1)); /* the same id, offered again */
    sealed = (const struct sealed_upload *)upload;
    assert_memory_not_equal(before.salt, sealed->mark.salt, SEAL_SALT_SIZE);
    store_upload_abort(upload);
}

/* Wants mail to be sealed, and takes it with what is begun; how it ends. */
static int end_of(struct rig *rig, struct store_upload *upload, uint32_t number)
{
    struct recipient recipient = { .address = STR("user@one.example") };
    struct envelope envelope = { .id = rig_id(number),
                                 .received_ms = RIG_RECEIVED_MS,
                                 .recipient = &recipient,
                                 .recipient_count = 1 };
    struct rig_answer answer = { 0 };

    store_append(rig->store, upload, &envelope, STR("Subject: x\r\n\r\n"), rig_answered, &answer);
    return rig_wait(rig, &answer);
}

/* It would lie there, and nobody could ever read it. */
static void takes_nothing_under_a_key_that_went_meanwhile(void **state)
{
    struct rig *rig = *state;

    use(rig, KEY_A);
    struct store_upload *under_a = store_upload_open(rig->store, rig_id(1));
    struct store_upload *small = store_upload_open(rig->store, rig_id(2));
    store_upload_write(under_a, STR("some"));
    store_upload_write(small, STR("some"));
    use(rig, KEY_B KEY_A); /* it seals no more, and opens yet */
    assert_int_equal(end_of(rig, under_a, 1), 0);
    use(rig, KEY_B);
    assert_int_equal(end_of(rig, small, 2), -ENOKEY);
    assert_int_equal(rig_ask(rig, 2), -ENOENT);
    assert_int_equal(store_memory(rig->store), 0);

    small = store_upload_open(rig->store, rig_id(3));
    use(rig, ""); /* no encryption any more is no reason to keep it so */
    assert_int_equal(end_of(rig, small, 3), -ENOKEY);
}

/* Who began with the keeper before may come to the end of his mail with one that has no keys. */
static void takes_nothing_openly_while_keys_are_wanted(void **state)
{
    struct rig *rig = *state;
    struct seal_keys none = { 0 };
    struct store_health health;

    assert_int_equal(rig_add(rig, 1, 100), 0);
    sealed_store_use(rig->store, &none, true);
    store_health(rig->store, &health);
    assert_int_equal(health.condition, STORE_FAILING);
    assert_int_equal(end_of(rig, store_upload_open(rig->store, rig_id(2)), 2), -ENOKEY);
    assert_int_equal(rig_ask(rig, 2), -ENOENT);
    /* What is there already is answered as ever. */
    assert_int_equal(end_of(rig, store_upload_open(rig->store, rig_id(1)), 1), -EEXIST);
    use(rig, KEY_A);
    assert_int_equal(rig_add(rig, 3, 100), 0);
}

static void keep_reader(void *context, int error, struct store_reader *reader,
                        const struct stored_message *message)
{
    (void)message;
    assert_int_equal(error, 0);
    *(struct store_reader **)context = reader;
}

static void what_is_open_at_the_end_is_freed(void **state)
{
    struct rig *rig = *state;
    struct store_reader *reader = NULL;

    use(rig, KEY_A);
    assert_int_equal(rig_add(rig, 1, 40000), 0);
    store_open(rig->store, rig_id(1), rig_domain[0], keep_reader, (void *)&reader);
    rig_idle(rig);
    assert_non_null(reader);
    store_upload_write(store_upload_open(rig->store, rig_id(2)), STR("some"));
    rig_close(rig);
    rig_open(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_lacks_its_key_is_kept, begin, end),
        cmocka_unit_test_setup_teardown(nothing_stands_between_without_a_key, begin, end),
        cmocka_unit_test_setup_teardown(other_content_takes_another_salt, begin, end),
        cmocka_unit_test_setup_teardown(takes_nothing_under_a_key_that_went_meanwhile, begin, end),
        cmocka_unit_test_setup_teardown(takes_nothing_openly_while_keys_are_wanted, begin, end),
        cmocka_unit_test_setup_teardown(what_is_open_at_the_end_is_freed, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
