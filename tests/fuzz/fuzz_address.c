/* SPDX-License-Identifier: ISC */
/* fuzz_address.c: what is accepted as an address is one: printable, within its limits, and
 * accepted again when it stands alone. */
#include "base/check.h"
#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(const struct address *address, unsigned flags)
{
    struct address again;

    check(address->whole.len <= ADDRESS_SIZE_MAX);
    for (size_t i = 0; i < address->whole.len; i++) {
        unsigned char c = (unsigned char)address->whole.ptr[i];
        check(c >= ' ' && c != 0x7f);
        check(c < 0x80 || (flags & ADDRESS_MAY_BE_UTF8) != 0);
    }
    if (address->domain.len > 0)
        check(address->local.len + 1 + address->domain.len == address->whole.len);
    check(address_parse(address->whole, flags, &again));
    check(str_equals(again.local, address->local));
    check(str_equals(again.domain, address->domain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (unsigned flags = 0; flags < 8; flags++) {
        struct str text = str_of(data, size);
        struct address address;
        if (address_parse(text, flags, &address))
            check_address(&address, flags);
        if (!address_cut_path(&text, flags, &address))
            continue;
        check_address(&address, flags);
        check((const uint8_t *)text.ptr + text.len == data + size);
    }
    return 0;
}
