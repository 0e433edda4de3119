/* SPDX-License-Identifier: ISC */
/* test_greylist.c: strangers who come back, and clients who insist. */
#include "testing.h"

#include "verify/greylist.h"

#define PAUSE ((int64_t)5 * MINUTE_MS)

static struct endpoint client_at(const char *ip)
{
    struct endpoint client;
    assert_true(endpoint_from_ip(str_from(ip), 0, &client));
    return client;
}

static bool comes(struct greylist *greylist, const char *ip, const char *sender, int64_t now_ms)
{
    int64_t wait_ms = 0;
    return greylist_lets_in(greylist, client_at(ip), str_from(sender), STR("r@example.org"), PAUSE,
                            now_ms, &wait_ms);
}

static void who_comes_back_after_the_pause_is_let_in(void **state)
{
    struct greylist *greylist = greylist_new();
    (void)state;
    assert_false(comes(greylist, "192.0.2.1", "s", 1000));
    assert_false(comes(greylist, "192.0.2.77", "s", 1000 + PAUSE - 1)); /* the same network */
    assert_true(comes(greylist, "192.0.2.5", "s", 1000 + PAUSE));
    assert_true(comes(greylist, "192.0.2.5", "s", 1000 + PAUSE + 34LL * DAY_MS));
    assert_false(comes(greylist, "192.0.2.5", "other", 1000 + PAUSE));
    assert_false(comes(greylist, "198.51.100.5", "s", 1000 + PAUSE));
    greylist_free(greylist);
}

static void who_comes_back_too_late_begins_again(void **state)
{
    struct greylist *greylist = greylist_new();
    (void)state;
    assert_false(comes(greylist, "192.0.2.1", "s", 1000));
    assert_false(comes(greylist, "192.0.2.1", "s", 1001 + GREYLIST_WINDOW_MS));
    assert_true(comes(greylist, "192.0.2.1", "s", 1001 + GREYLIST_WINDOW_MS + PAUSE));
    greylist_free(greylist);
}

static void there_is_an_end_to_paths(void **state)
{
    struct greylist *greylist = greylist_new();
    (void)state;
    assert_false(comes(greylist, "192.0.2.1", "s", 1000));
    for (int i = 0; i < GREYLIST_PATHS_MAX; i++) {
        char sender[16];
        (void)snprintf(sender, sizeof sender, "%d", i);
        (void)comes(greylist, "192.0.2.1", sender, 1000);
    }
    assert_false(comes(greylist, "192.0.2.1", "s", 1000 + PAUSE)); /* forgotten */
    greylist_free(greylist);
}

static bool insists(struct greylist *greylist, const char *sender, int64_t now_ms)
{
    return greylist_insists(greylist, client_at("192.0.2.1"), str_from(sender),
                            STR("r@example.org"), now_ms);
}

static void who_insists_comes_twice_again_over_a_quarter_of_an_hour(void **state)
{
    const int64_t minute = MINUTE_MS;
    struct greylist *greylist = greylist_new();
    (void)state;
    assert_false(insists(greylist, "s", 0));
    assert_false(insists(greylist, "s", 5 * minute));
    assert_false(insists(greylist, "s", 14 * minute)); /* twice, but too soon */
    assert_true(insists(greylist, "s", 15 * minute));
    assert_true(insists(greylist, "s", 16 * minute));
    assert_false(insists(greylist, "t", 0));
    assert_false(insists(greylist, "t", 20 * minute)); /* long enough, but once */
    assert_true(insists(greylist, "t", 21 * minute));
    assert_false(insists(greylist, "t", 21 * minute + GREYLIST_WINDOW_MS));
    greylist_free(greylist);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_comes_back_after_the_pause_is_let_in),
        cmocka_unit_test(who_comes_back_too_late_begins_again),
        cmocka_unit_test(there_is_an_end_to_paths),
        cmocka_unit_test(who_insists_comes_twice_again_over_a_quarter_of_an_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
