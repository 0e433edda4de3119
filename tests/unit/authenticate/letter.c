/* SPDX-License-Identifier: ISC */
/* letter.c: see letter.h. */
#include "authenticate/letter.h"

#include <stdio.h>
#include <stdlib.h>

#include "wire/content.h"

bool testdata_read(const char *path, struct buf *out)
{
    const char *folder = getenv("HOLDFAST_TESTDATA");
    char name[4096];
    char piece[4096];
    size_t got;

    if (folder == NULL)
        return false;
    (void)snprintf(name, sizeof name, "%s/%s", folder, path);
    FILE *file = fopen(name, "r");
    if (file == NULL)
        return false;
    while ((got = fread(piece, 1, sizeof piece, file)) > 0)
        buf_add_bytes(out, piece, got);
    (void)fclose(file);
    return true;
}

void letter_make(struct str text, struct letter *out_letter)
{
    *out_letter = (struct letter){ 0 };
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n' && (i == 0 || text.ptr[i - 1] != '\r'))
            buf_add_byte(&out_letter->bytes, '\r');
        buf_add_byte(&out_letter->bytes, text.ptr[i]);
    }
    struct str whole = buf_str(&out_letter->bytes);
    out_letter->header = str_first(whole, content_header_size(whole, 0));
    out_letter->body = str_skip(whole, out_letter->header.len + 2);
}

void letter_fini(struct letter *letter)
{
    buf_fini(&letter->bytes);
}
