/* SPDX-License-Identifier: ISC */
/* test_crc32c.c: RFC 3720 B.4, in one piece and in two; the table agrees with the instruction.
 *
 * The file under test is included, so that both of its ways are reached on one machine.
 */
#include "testing.h"

#include "base/crc32c.c" /* NOLINT(bugprone-suspicious-include) */
#include "base/random.h"

static const char scsi_read[48] = {
    0x01,        [1] = (char)0xc0, [16] = 0x14, [22] = 0x04,
    [27] = 0x14, [31] = 0x18,      [32] = 0x28, [40] = 0x02,
};

static void gives_the_values_of_rfc3720(void **state)
{
    char bytes[32];
    (void)state;
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, str_of(bytes, 32)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, str_of(bytes, 32)), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (char)i;
    assert_int_equal(crc32c(0, str_of(bytes, 32)), 0x46dd794e);
    for (int i = 0; i < 32; i++)
        bytes[i] = (char)(31 - i);
    assert_int_equal(crc32c(0, str_of(bytes, 32)), 0x113fdb5c);
    assert_int_equal(crc32c(0, str_of(scsi_read, 48)), 0xd9963a56);
    assert_int_equal(crc32c(0, STR("123456789")), 0xe3069283);
    assert_int_equal(crc32c(0, STR_NONE), 0);
}

static void goes_on_where_it_stopped(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= 48; cut++) {
        struct str whole = str_of(scsi_read, 48);
        assert_int_equal(crc32c(crc32c(0, str_first(whole, cut)), str_skip(whole, cut)),
                         0xd9963a56);
    }
}

static void table_and_instruction_agree(void **state)
{
    struct random random;
    char bytes[200];
    (void)state;
    random_from_seed(&random, 1);
    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)random_u64(&random);
        struct str any = str_of(bytes + random_below(&random, 9), random_below(&random, 190));
        uint32_t start = (uint32_t)random_u64(&random);
        assert_int_equal(by_table(start, any), update(start, any));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_values_of_rfc3720),
        cmocka_unit_test(goes_on_where_it_stopped),
        cmocka_unit_test(table_and_instruction_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
