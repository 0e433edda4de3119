/* SPDX-License-Identifier: ISC */
/* letter.h: a message of testdata as it would come over the wire: with CRLF, in two halves. */
#pragma once

#include "base/buf.h"

struct letter {
    struct buf bytes;
    struct str header; /* without the empty line */
    struct str body;
};

/* The file below testdata as it is; false: it is not there. */
bool testdata_read(const char *path, struct buf *out);
void letter_make(struct str text, struct letter *out_letter); /* with LF or CRLF */
void letter_fini(struct letter *letter);
