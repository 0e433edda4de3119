/* SPDX-License-Identifier: ISC */
/* txt_fields.h: TXT records of the form "v=STSv1; id=…;" (RFC 8461 3.1, RFC 8460 3): a version,
 * then fields with semicolons between them, of which one may stand behind the last. Strict: one
 * field that is none spoils the record.
 */
#pragma once

#include "base/str.h"

enum { TXT_FIELD_NAME_MAX = 32 };

enum txt_field { TXT_FIELD, TXT_FIELDS_END, TXT_FIELDS_BAD };

/* False: it does not begin with this version. */
bool txt_fields_open(struct str text, struct str version, struct str *out_fields);
/* The next one, without blanks around it; the name is one, its value has been looked at by nobody.
 */
enum txt_field txt_fields_next(struct str *fields, struct str *out_name, struct str *out_value);
/* Of a field that nobody knows. */
bool txt_field_is_extension(struct str value);
/* The name of a field, also in a policy's text: letters, digits, and further on _ - . too. */
bool txt_field_is_name(struct str name);
