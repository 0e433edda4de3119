/* SPDX-License-Identifier: ISC */
/* spf_macro.h: macros of SPF (RFC 7208 7). */
#pragma once

#include "base/buf.h"
#include "base/endpoint.h"

/* What the letters stand for. */
struct spf_values {
    struct endpoint client;
    struct str sender_local;
    struct str sender_domain;
    struct str domain; /* %{d} */
    struct str helo;
    struct str validated; /* %{p} */
    struct str receiver;  /* %{r} */
    int64_t now_s;        /* %{t} */
};

/* A domain-spec: macros, and at the end a macro or a top label (7.1, 12). */
bool spf_domain_spec_is_valid(struct str text);
/* A macro-string, as in a modifier that we do not know. */
bool spf_macro_string_is_valid(struct str text);
/* An explanation: spaces too, and the letters c, r and t (6.2). */
bool spf_explanation_is_valid(struct str text);
/* Does it ask for %{p}, which needs the DNS? */
bool spf_macro_wants_validated(struct str text);
/* The text must be valid by one of the above. */
void spf_macro_expand(struct str text, const struct spf_values *values, struct buf *out);
/* As a name to ask for: without labels from the left until it is short enough (7.3), in normal
 * form. */
void spf_macro_expand_name(struct str text, const struct spf_values *values, struct buf *out);
