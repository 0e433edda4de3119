/* SPDX-License-Identifier: ISC */
/* fuzz_tls_rpt.c: what the DNS says of who wants reports about TLS. What was read is part of the
 * text, printable, and not too much. */
#include "base/check.h"
#include "wire/tls_rpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of(data, size);
    struct tls_rpt_record record;

    if (!tls_rpt_record_parse(text, &record))
        return 0;
    check(tls_rpt_record_is_meant(text));
    check(record.target_count <= TLS_RPT_TARGETS_MAX);
    for (uint32_t i = 0; i < record.target_count; i++) {
        struct str uri = record.target[i];
        check(uri.ptr >= text.ptr && uri.ptr + uri.len <= text.ptr + text.len);
        check(uri.len <= TLS_RPT_URI_MAX);
        check(tls_rpt_is_mail(uri) || str_starts_nocase(uri, STR("https:")));
        for (size_t k = 0; k < uri.len; k++)
            check(uri.ptr[k] > ' ' && uri.ptr[k] < 0x7f && uri.ptr[k] != ';');
    }
    return 0;
}
