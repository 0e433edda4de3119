/* SPDX-License-Identifier: ISC */
/* fuzz_recipient_list.c: what is read of a list is addresses of the domain, sorted, each once,
 * whatever the list is. The first octet chooses the format.
 */
#include "base/check.h"
#include "cli/recipient_list.h"
#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recipient_list list = { 0 };
    struct address address;

    if (size == 0)
        return 0;
    recipient_list_read(&list, str_of(data + 1, size - 1),
                        (enum list_format)(data[0] % (LIST_LDIF + 1)), STR("example.org"));
    for (size_t i = 0; i < list.count; i++) {
        check(address_parse(list.address[i], 0, &address));
        check(str_equals(address.domain, STR("example.org")));
        check(i == 0 || str_compare(list.address[i - 1], list.address[i]) < 0);
    }
    for (size_t i = 0; i < list.faults && i < LIST_FAULTS_MAX; i++)
        check(list.fault[i].line > 0);
    recipient_list_fini(&list);
    return 0;
}
