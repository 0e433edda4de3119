/* SPDX-License-Identifier: ISC */
/* relay.c: see relay.h. */
#include "verify/relay.h"

struct verdict relay_check(const struct directory *directory, struct str recipient)
{
    ptrdiff_t at = str_find_last(recipient, '@');

    if (at < 0)
        return verdict_make(550, 1, 1,
                            STR("No mailboxes here: write to the postmaster of the domain itself"));
    struct str domain = str_skip(recipient, (size_t)at + 1);
    if (directory_find_domain(directory, domain) == NULL)
        return verdict_format(550, 7, 1, "Relaying denied: we take no mail for %.*s",
                              STR_FMT(domain));
    return verdict_make(250, 1, 5, STR("OK"));
}
