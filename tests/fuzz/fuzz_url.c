/* SPDX-License-Identifier: ISC */
/* fuzz_url.c: what people give as a webhook. What is taken is read by libcurl in the same way: the
 * same scheme, host and port, no user; and its parts are parts of the text. */
#include <curl/curl.h>
#include <string.h>

#include "base/check.h"
#include "base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool part_is(CURLU *handle, CURLUPart part, unsigned flags, struct str wanted)
{
    char *got = NULL;
    bool is = curl_url_get(handle, part, &got, flags) == CURLUE_OK &&
              str_equals_nocase(str_from(got), wanted);
    curl_free(got);
    return is;
}

static bool has_no(CURLU *handle, CURLUPart part)
{
    char *got = NULL;
    bool has = curl_url_get(handle, part, &got, 0) == CURLUE_OK && got != NULL;
    curl_free(got);
    return !has;
}

static void compare(struct str text, const struct url *url)
{
    CURLU *handle = curl_url();
    struct buf whole = { 0 };
    struct buf port = { 0 };

    buf_add(&whole, text);
    buf_add_byte(&whole, '\0');
    check(handle != NULL);
    check(curl_url_set(handle, CURLUPART_URL, buf_str(&whole).ptr, 0) == CURLUE_OK);
    check(part_is(handle, CURLUPART_SCHEME, 0, url->is_tls ? STR("https") : STR("http")));
    if (!url->is_address) /* of addresses there are several spellings */
        check(part_is(handle, CURLUPART_HOST, 0, url->host));
    buf_add_format(&port, "%u", url->port);
    check(part_is(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT, buf_str(&port)));
    check(has_no(handle, CURLUPART_USER) && has_no(handle, CURLUPART_PASSWORD) &&
          has_no(handle, CURLUPART_FRAGMENT));
    buf_fini(&port);
    buf_fini(&whole);
    curl_url_cleanup(handle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of(data, size);
    struct url url;

    if (!url_parse(text, &url))
        return 0;
    check(memchr(text.ptr, 0, text.len) == NULL);
    check(url.host.ptr >= text.ptr && url.host.ptr + url.host.len <= text.ptr + text.len);
    check(url.host.len > 0 && url.port > 0);
    check(!url.is_address || url.endpoint.port == url.port);
    compare(text, &url);
    return 0;
}
