/* SPDX-License-Identifier: ISC */
/* to_7bit.c: the 7-bit form of the message on standard input, for other programs to compare.
 *
 *     to_7bit [PIECE] < message > converted
 *
 * PIECE is how many octets go in at a time. Ends with 0: it is written, 3: it was fine as it is,
 * 4: it cannot be converted.
 */
#include "wire/to_7bit.h"

#include <stdio.h>
#include <stdlib.h>

static void read_all(struct buf *content)
{
    char room[65536];
    size_t len;

    while ((len = fread(room, 1, sizeof room, stdin)) > 0)
        buf_add_bytes(content, room, len);
}

int main(int argc, char **argv)
{
    size_t piece = argc > 1 ? strtoul(argv[1], NULL, 10) : 65536;
    struct to_7bit *to = to_7bit_new(0);
    struct buf content = { 0 };
    struct buf out = { 0 };
    int status = 0;

    read_all(&content);
    for (size_t at = 0; at < content.len; at += piece)
        to_7bit_look(to, str_first(str_skip(buf_str(&content), at), piece));
    enum to_7bit_finding found = to_7bit_found(to);
    for (size_t at = 0; found == TO_7BIT_CONVERTS && at < content.len; at += piece)
        to_7bit_add(to, str_first(str_skip(buf_str(&content), at), piece), &out);
    if (found == TO_7BIT_CONVERTS)
        to_7bit_add_end(to, &out);
    else
        status = found == TO_7BIT_IS_FINE ? 3 : 4;
    if (found == TO_7BIT_IMPOSSIBLE)
        (void)fprintf(stderr, "%s\n", to_7bit_why(to));
    if (fwrite(out.ptr, 1, out.len, stdout) < out.len)
        status = 1;
    to_7bit_free(to);
    buf_fini(&content);
    buf_fini(&out);
    return status;
}
