/* SPDX-License-Identifier: ISC */
/* fuzz_named_primary.c: the one spelling of a primary's name is its own one spelling, and says the
 * same. */
#include "base/check.h"
#include "mail/domain.h"
#include "mail/named_primary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct named_primary *a, const struct named_primary *b)
{
    check(a->calls == b->calls && a->port == b->port && b->port > 0);
    check(a->has_level == b->has_level && a->level == b->level);
    check(a->has_from_start == b->has_from_start && a->from_start == b->from_start);
    check((a->tls_name.len > 0) == (b->tls_name.len > 0));
    check(endpoint_equals(a->endpoint, b->endpoint));
    check((a->host.len > 0) == (b->host.len > 0));
    check(b->host.len == 0 || domain_is_valid(b->host));
    check(b->calls || b->host.len > 0 || named_primary_is(a, STR_NONE, b->endpoint));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of(data, size);
    struct named_primary given, kept;
    struct buf once = { 0 };
    struct buf twice = { 0 };

    if (named_primary_normalise(text, &once) == NAMED_PRIMARY_FINE) {
        check(named_primary_parse(text, &given) == NAMED_PRIMARY_FINE);
        check(named_primary_parse(buf_str(&once), &kept) == NAMED_PRIMARY_FINE);
        check_same(&given, &kept);
        check(named_primary_normalise(buf_str(&once), &twice) == NAMED_PRIMARY_FINE);
        check(str_equals(buf_str(&once), buf_str(&twice)));
    }
    buf_fini(&once);
    buf_fini(&twice);
    return 0;
}
