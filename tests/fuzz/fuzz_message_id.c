/* SPDX-License-Identifier: ISC */
/* fuzz_message_id.c: text that is taken for an id is that id's text, but for the letters' case; any
 * sixteen bytes have a text that leads back. */
#include <string.h>

#include "base/check.h"
#include "mail/message_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct str text)
{
    struct message_id id;

    if (!message_id_from_text(text, &id))
        return;
    struct message_id_text canonical = message_id_to_text(id);
    check(text.len == MESSAGE_ID_TEXT_SIZE);
    for (size_t i = 0; i < text.len; i++)
        check(ascii_lower(text.ptr[i]) == ascii_lower(canonical.text[i]));
}

static void check_bytes(const uint8_t *bytes)
{
    struct message_id id;
    struct message_id back;

    memcpy(id.bytes, bytes, sizeof id.bytes);
    check(message_id_from_text(str_from(message_id_to_text(id).text), &back));
    check(message_id_equals(id, back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_text(str_of(data, size));
    if (size >= MESSAGE_ID_SIZE)
        check_bytes(data);
    return 0;
}
