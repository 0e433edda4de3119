/* SPDX-License-Identifier: ISC */
/* smtp_command.c: see smtp_command.h. */
#include "wire/smtp_command.h"

static const struct {
    struct str name;
    enum smtp_verb verb;
} verbs[] = {
    { { "HELO", 4 }, SMTP_HELO },         /* RFC 5321 4.1.1.1 */
    { { "EHLO", 4 }, SMTP_EHLO },         /* RFC 5321 4.1.1.1 */
    { { "MAIL", 4 }, SMTP_MAIL },         /* RFC 5321 4.1.1.2 */
    { { "RCPT", 4 }, SMTP_RCPT },         /* RFC 5321 4.1.1.3 */
    { { "DATA", 4 }, SMTP_DATA },         /* RFC 5321 4.1.1.4 */
    { { "BDAT", 4 }, SMTP_BDAT },         /* RFC 3030 2 */
    { { "RSET", 4 }, SMTP_RSET },         /* RFC 5321 4.1.1.5 */
    { { "NOOP", 4 }, SMTP_NOOP },         /* RFC 5321 4.1.1.9 */
    { { "QUIT", 4 }, SMTP_QUIT },         /* RFC 5321 4.1.1.10 */
    { { "VRFY", 4 }, SMTP_VRFY },         /* RFC 5321 4.1.1.6 */
    { { "EXPN", 4 }, SMTP_EXPN },         /* RFC 5321 4.1.1.7 */
    { { "HELP", 4 }, SMTP_HELP },         /* RFC 5321 4.1.1.8 */
    { { "AUTH", 4 }, SMTP_AUTH },         /* RFC 4954 4 */
    { { "STARTTLS", 8 }, SMTP_STARTTLS }, /* RFC 3207 4 */
    { { "ETRN", 4 }, SMTP_ETRN },         /* RFC 1985 5 */
    { { "ATRN", 4 }, SMTP_ATRN },         /* RFC 2645 5.2.1 */
    { { "TURN", 4 }, SMTP_TURN },         /* RFC 5321 F.1 */
    { { "SEND", 4 }, SMTP_SEND },         /* RFC 5321 F.6 */
    { { "SOML", 4 }, SMTP_SOML },         /* RFC 5321 F.6 */
    { { "SAML", 4 }, SMTP_SAML },         /* RFC 5321 F.6 */
};

static enum smtp_verb verb_of(struct str name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (str_equals_nocase(name, verbs[i].name))
            return verbs[i].verb;
    return SMTP_UNKNOWN;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static size_t word_length(struct str text)
{
    size_t len = 0;
    while (len < text.len && !is_blank(text.ptr[len]))
        len++;
    return len;
}

struct smtp_command smtp_command_parse(struct str line)
{
    struct smtp_command command = { .name = str_first(line, word_length(line)) };
    command.verb = verb_of(command.name);
    command.argument = str_trim(str_skip(line, command.name.len));
    return command;
}

/* esmtp-keyword: a letter or digit, then those or hyphens (RFC 5321 4.1.2). */
static bool is_key(struct str key)
{
    for (size_t i = 0; i < key.len; i++)
        if (!ascii_is_alnum(key.ptr[i]) && (key.ptr[i] != '-' || i == 0))
            return false;
    return key.len > 0;
}

/* esmtp-value: printable, neither space nor "="; octets of UTF-8 as RFC 6531 3.3 adds them. */
static bool is_value(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.ptr[i] <= ' ' || value.ptr[i] == '=' || value.ptr[i] == 0x7f)
            return false;
    return value.len > 0;
}

static bool is_given(const struct smtp_path *path, struct str key)
{
    for (size_t i = 0; i < path->parameter_count; i++)
        if (str_equals_nocase(path->parameter[i].key, key))
            return true;
    return false;
}

static bool add_parameter(struct smtp_path *path, struct str word)
{
    struct smtp_parameter parameter = { .value = word };

    (void)str_cut(&parameter.value, '=', &parameter.key);
    if (!is_key(parameter.key) || (parameter.value.ptr != NULL && !is_value(parameter.value)))
        return false;
    if (path->parameter_count == SMTP_PARAMETERS_MAX || is_given(path, parameter.key))
        return false;
    path->parameter[path->parameter_count++] = parameter;
    return true;
}

static bool parse_parameters(struct str rest, struct smtp_path *path)
{
    if (rest.len > 0 && !is_blank(rest.ptr[0]))
        return false;
    for (rest = str_trim(rest); rest.len > 0; rest = str_trim(rest)) {
        struct str word = str_first(rest, word_length(rest));
        if (!add_parameter(path, word))
            return false;
        rest = str_skip(rest, word.len);
    }
    return true;
}

enum smtp_path_fault smtp_path_parse(struct str argument, struct str keyword, unsigned flags,
                                     struct smtp_path *out_path)
{
    struct smtp_path path;

    path.parameter_count = 0;
    if (!str_starts_nocase(argument, keyword))
        return SMTP_PATH_KEYWORD;
    struct str rest = str_trim(str_skip(argument, keyword.len));
    if (!address_cut_path(&rest, flags, &path.address))
        return SMTP_PATH_ADDRESS;
    if (!parse_parameters(rest, &path))
        return SMTP_PATH_PARAMETER;
    *out_path = path;
    return SMTP_PATH_OK;
}

bool smtp_chunk_parse(struct str argument, uint64_t *out_size, bool *out_last)
{
    struct str size = str_first(argument, word_length(argument));
    struct str marker = str_trim(str_skip(argument, size.len));

    if (marker.len > 0 && !str_equals_nocase(marker, STR("LAST")))
        return false;
    if (!str_to_u64(size, UINT64_MAX, out_size))
        return false;
    *out_last = marker.len > 0;
    return true;
}
