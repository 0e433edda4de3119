/* SPDX-License-Identifier: ISC */
/* fuzz_domain.c: a normal form is a valid name in lower case, its own normal form, and for ASCII
 * the same name as before. */
#include "base/check.h"
#include "mail/domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((uint8_t)text.ptr[i] >= 0x80)
            return false;
    return true;
}

static void check_normal(struct str name, struct str normal)
{
    struct buf again = { 0 };

    check(normal.len > 0 && normal.len <= DOMAIN_SIZE_MAX && domain_is_valid(normal));
    check(is_ascii(normal) && normal.ptr[normal.len - 1] != '.');
    for (size_t i = 0; i < normal.len; i++)
        check(ascii_lower(normal.ptr[i]) == normal.ptr[i]);
    check(domain_normalise(normal, &again) && str_equals(buf_str(&again), normal));
    check(!is_ascii(name) || domain_equals(name, normal));
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str name = str_of(data, size);
    struct buf normal = { 0 };

    if (domain_normalise(name, &normal))
        check_normal(name, buf_str(&normal));
    else
        check(!domain_is_valid(name));
    buf_fini(&normal);
    return 0;
}
