/* SPDX-License-Identifier: ISC */
/* fuzz_keys.c: a file of keys is good, or wrong with a reason and without a key left; each key that
 * was read is found by its id, and by no other. */
#include <string.h>

#include "base/check.h"
#include "store/sealed/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seal_keys keys;
    const char *why = NULL;

    if (seal_keys_parse(str_of(data, size), &keys, &why)) {
        check(keys.count >= 1 && keys.count <= SEAL_KEYS_MAX);
        for (uint32_t i = 0; i < keys.count; i++)
            check(seal_find_key(&keys, keys.key[i].id) == &keys.key[i]);
        seal_keys_wipe(&keys);
    } else {
        check(why != NULL);
    }
    static const struct seal_keys none;
    check(memcmp(&keys, &none, sizeof keys) == 0);
    return 0;
}
