/* SPDX-License-Identifier: ISC */
/* template.c: see template.h. */
#include "notify/template.h"

#include "base/check.h"
#include "base/printable.h"
#include "base/suggest.h"
#include "notify/texts.h"
#include "wire/mime.h"

enum { SUBJECT_MAX = 200, NAME_SIZE_MAX = 40, INDENT_MAX = 40 };

#define SUBJECT_MARK "Subject:"

/* ---- the names ---- */

static const char *const occasion_names[OCCASION_COUNT] = {
    [OCCASION_DELAYED] = "delayed",
    [OCCASION_UNKNOWN_RECIPIENT] = "unknown-recipient",
    [OCCASION_MAILBOX_FULL] = "mailbox-full",
    [OCCASION_REFUSED] = "refused",
    [OCCASION_EXPIRED] = "expired",
    [OCCASION_FAILED] = "failed",
    [OCCASION_RELAYED] = "relayed",
    [OCCASION_ARRIVED] = "arrived",
    [OCCASION_DOWN] = "down",
    [OCCASION_BACK] = "back",
    [OCCASION_DRAINED] = "drained",
    [OCCASION_BLOCKED] = "blocked",
    [OCCASION_STRANGER] = "stranger",
    [OCCASION_HALF_UP] = "half-up",
    [OCCASION_BREAKER] = "breaker",
    [OCCASION_NEAR_EXPIRY] = "near-expiry",
    [OCCASION_QUOTA] = "quota",
    [OCCASION_USERS_GONE] = "users-gone",
    [OCCASION_REFUSED_MAIL] = "refused-mail",
    [OCCASION_STRANGER_ADDRESS] = "stranger-address",
};

#define ON(occasion) (1u << OCCASION_##occasion)
#define SENDER       (ON(FIRST_FOR_OWNER) - 1)
#define OWNER        ((1u << OCCASION_COUNT) - 1 - SENDER)

/* clang-format off */
static const struct {
    const char *name;
    unsigned occasions; /* on which it has a value */
    const char *help;
} placeholders[PLACEHOLDER_COUNT] = {
    [PLACEHOLDER_DOMAIN]     = { "domain", SENDER | OWNER, "the domain whose mail is held" },
    [PLACEHOLDER_NODE]       = { "node", SENDER | OWNER, "the name of this server" },
    [PLACEHOLDER_CONTACT]    = { "contact", SENDER | OWNER, "whom to ask, as the domain's owner has set it" },
    [PLACEHOLDER_SENDER]     = { "sender", SENDER, "the address of whoever sent the mail" },
    [PLACEHOLDER_RECIPIENTS] = { "recipients", SENDER, "whom the mail is for, one address a line" },
    [PLACEHOLDER_SUBJECT]    = { "subject", SENDER, "the subject of the mail" },
    [PLACEHOLDER_RECEIVED]   = { "received", SENDER, "when the mail came in" },
    [PLACEHOLDER_UNTIL]      = { "until", ON(DELAYED) | ON(NEAR_EXPIRY), "until when delivery is tried" },
    [PLACEHOLDER_REASON]     = { "reason", SENDER | ON(DOWN) | ON(BLOCKED) | ON(STRANGER) | ON(HALF_UP) | ON(BREAKER) | ON(USERS_GONE) | ON(REFUSED_MAIL) | ON(STRANGER_ADDRESS),
                                 "the last answer of the domain's mail server, or why there is none" },
    [PLACEHOLDER_PRIMARY]    = { "primary", OWNER, "the domain's mail server" },
    [PLACEHOLDER_SINCE]      = { "since", OWNER, "when it began" },
    [PLACEHOLDER_LASTED]     = { "lasted", ON(BACK) | ON(DRAINED), "how long it took" },
    [PLACEHOLDER_HELD]       = { "held", OWNER, "how many messages are held" },
    [PLACEHOLDER_OLDEST]     = { "oldest", OWNER, "when the oldest of them came in" },
    [PLACEHOLDER_DELIVERED]  = { "delivered", ON(DRAINED) | ON(BREAKER), "how many messages were handed over" },
    [PLACEHOLDER_FAILURES]   = { "failures", ON(DRAINED) | ON(BREAKER) | ON(USERS_GONE) | ON(REFUSED_MAIL), "how many messages were refused" },
    [PLACEHOLDER_USED]       = { "used", ON(QUOTA), "how much room is used" },
    [PLACEHOLDER_QUOTA]      = { "quota", ON(QUOTA), "how much room there is" },
};
/* clang-format on */

const char *occasion_name(enum occasion occasion)
{
    check(occasion < OCCASION_COUNT);
    return occasion_names[occasion];
}

bool occasion_from_name(struct str name, enum occasion *out_occasion)
{
    for (size_t i = 0; i < OCCASION_COUNT; i++)
        if (str_equals(str_from(occasion_names[i]), name)) {
            *out_occasion = (enum occasion)i;
            return true;
        }
    return false;
}

const char *placeholder_name(enum placeholder placeholder)
{
    return placeholders[placeholder].name;
}

const char *placeholder_help(enum placeholder placeholder)
{
    return placeholders[placeholder].help;
}

bool placeholder_is_for(enum placeholder placeholder, enum occasion occasion)
{
    return (placeholders[placeholder].occasions & 1u << occasion) != 0;
}

static bool find_placeholder(struct str name, enum placeholder *out)
{
    for (size_t i = 0; i < PLACEHOLDER_COUNT; i++)
        if (str_equals(str_from(placeholders[i].name), name)) {
            *out = (enum placeholder)i;
            return true;
        }
    return false;
}

struct str template_builtin(enum occasion occasion, enum language language)
{
    return str_from(template_texts[occasion][language]);
}

void template_add_name(struct buf *out, enum occasion occasion, enum language language)
{
    buf_add_format(out, "%s/%s", occasion_name(occasion), language_tag(language));
}

/* ---- reading ---- */

struct piece {
    enum { PIECE_TEXT, PIECE_NAME, PIECE_OPEN } kind; /* OPEN: a brace that nobody closes */
    struct str text;                                  /* to be written, or the name */
};

/* The piece at the front of *rest, which is not empty. */
static struct piece cut_piece(struct str *rest)
{
    struct str text = *rest;

    if (text.ptr[0] != '{') {
        ptrdiff_t brace = str_find(text, '{');
        struct str run = brace < 0 ? text : str_first(text, (size_t)brace);
        *rest = str_skip(text, run.len);
        return (struct piece){ PIECE_TEXT, run };
    }
    if (str_starts(text, STR("{{"))) {
        *rest = str_skip(text, 2);
        return (struct piece){ PIECE_TEXT, STR("{") };
    }
    struct str name = str_first(str_skip(text, 1), NAME_SIZE_MAX);
    ptrdiff_t end = str_find(name, '}');
    ptrdiff_t other = str_find(name, '{');
    ptrdiff_t line = str_find(name, '\n');
    if (end < 0 || (line >= 0 && line < end) || (other >= 0 && other < end)) {
        *rest = str_skip(text, 1);
        return (struct piece){ PIECE_OPEN, STR("{") };
    }
    *rest = str_skip(text, (size_t)end + 2);
    return (struct piece){ PIECE_NAME, str_first(name, (size_t)end) };
}

/* The subject, without its mark, and the text behind an empty line, which may be missing. */
static bool split(struct str template, struct str *out_subject, struct str *out_text)
{
    struct str line = STR_NONE;

    if (str_starts(template, STR("\xef\xbb\xbf"))) /* what some editors begin a file with */
        template = str_skip(template, 3);
    if (!str_starts_nocase(template, STR(SUBJECT_MARK)))
        return false;
    (void)str_cut(&template, '\n', &line);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    *out_subject = str_trim(str_skip(line, sizeof SUBJECT_MARK - 1));
    *out_text = str_skip(template, str_starts(template, STR("\r\n")) ? 2
                                   : str_starts(template, STR("\n")) ? 1
                                                                     : 0);
    return out_subject->len > 0;
}

/* ---- checking ---- */

struct review {
    struct str template;
    enum occasion occasion;
    struct buf *out; /* or NULL */
    unsigned count;
};

/* A mistake at `offset`; its words are added behind by the caller, if this says so. */
static bool begin_problem(struct review *review, size_t offset)
{
    unsigned line = 1;
    unsigned column = 1;

    if (review->count++ >= TEMPLATE_PROBLEMS_MAX || review->out == NULL)
        return false;
    for (size_t i = 0; i < offset; i++) {
        char c = review->template.ptr[i];
        line += c == '\n' ? 1 : 0;
        column = c == '\n' ? 1 : column + (((uint8_t)c & 0xc0) != 0x80 ? 1 : 0);
    }
    buf_add_format(review->out, "line %u, column %u: ", line, column);
    return true;
}

static void add_problem(struct review *review, size_t offset, const char *words)
{
    if (begin_problem(review, offset))
        buf_add_format(review->out, "%s\n", words);
}

static void add_known(struct review *review)
{
    const char *before = "; known here are ";

    for (size_t i = 0; i < PLACEHOLDER_COUNT; i++)
        if (placeholder_is_for((enum placeholder)i, review->occasion)) {
            buf_add_format(review->out, "%s{%s}", before, placeholders[i].name);
            before = ", ";
        }
    buf_add_byte(review->out, '\n');
}

static void add_unknown(struct review *review, size_t offset, struct str name, bool exists)
{
    struct suggestion meant = { .given = name };

    if (!begin_problem(review, offset))
        return;
    if (exists) {
        buf_add_format(review->out, "{%.*s} has no value in a text about \"%s\"", STR_FMT(name),
                       occasion_name(review->occasion));
        add_known(review);
        return;
    }
    for (size_t i = 0; i < PLACEHOLDER_COUNT; i++)
        if (placeholder_is_for((enum placeholder)i, review->occasion))
            suggestion_offer(&meant, str_from(placeholders[i].name));
    buf_add(review->out, STR("there is no {"));
    printable_add(review->out, name);
    buf_add_byte(review->out, '}');
    if (meant.best.len > 0)
        buf_add_format(review->out, "; write {%.*s} instead\n", STR_FMT(meant.best));
    else
        add_known(review);
}

static void check_placeholders(struct review *review)
{
    for (struct str rest = review->template; rest.len > 0;) {
        size_t offset = review->template.len - rest.len;
        struct piece piece = cut_piece(&rest);
        enum placeholder placeholder;
        if (piece.kind == PIECE_OPEN) {
            add_problem(review, offset,
                        "this brace is not closed in its line; write {name}, or {{ for a brace");
        } else if (piece.kind == PIECE_NAME) {
            bool exists = find_placeholder(piece.text, &placeholder);
            if (!exists || !placeholder_is_for(placeholder, review->occasion))
                add_unknown(review, offset, piece.text, exists);
        }
    }
}

/* One complaint is enough: such a file is of the wrong kind as a whole. */
static void check_characters(struct review *review)
{
    for (struct str rest = review->template; rest.len > 0;) {
        size_t offset = review->template.len - rest.len;
        uint32_t point = 0;
        size_t size = printable_utf8(rest, &point);
        bool is_control = point < ' ' && point != '\n' && point != '\r' && point != '\t';
        if (size == 0 || is_control) {
            add_problem(review, offset,
                        size == 0 ? "this is no UTF-8; save the text as UTF-8"
                                  : "a control character; remove it");
            return;
        }
        rest = str_skip(rest, size);
    }
}

static void check_shape(struct review *review)
{
    struct str subject = STR_NONE;
    struct str text = STR_NONE;

    if (!split(review->template, &subject, &text))
        add_problem(review, 0,
                    "the first line has to be the subject; write \"Subject: Your mail to {domain} "
                    "is delayed\" there, or the like");
    else if (str_trim(text).len == 0)
        add_problem(review, review->template.len,
                    "there is no text behind the subject; write it below an empty line");
}

unsigned template_check(struct str template, enum occasion occasion, struct buf *out)
{
    struct review review = { template, occasion, out, 0 };

    check(occasion < OCCASION_COUNT);
    if (template.len > TEMPLATE_SIZE_MAX) {
        if (out != NULL)
            buf_add_format(out, "the text has %zu octets, %d are allowed; make it shorter\n",
                           template.len, TEMPLATE_SIZE_MAX);
        return 1;
    }
    check_shape(&review);
    check_characters(&review);
    check_placeholders(&review);
    return review.count;
}

/* ---- filling ---- */

/* Characters in the last line of *out. */
static size_t column_of(const struct buf *out)
{
    size_t column = 0;

    for (size_t i = out->len; i > 0 && out->ptr[i - 1] != '\n'; i--)
        column += ((uint8_t)out->ptr[i - 1] & 0xc0) != 0x80 ? 1 : 0;
    return column;
}

/* Its lines below each other, or in one. */
static void add_value(struct buf *out, struct str value, bool in_one)
{
    struct str rest = str_first(value, TEMPLATE_VALUE_MAX);
    size_t column = column_of(out);
    int indent = column < INDENT_MAX ? (int)column : INDENT_MAX;
    struct str line;

    for (bool is_first = true; str_cut(&rest, '\n', &line); is_first = false) {
        if (!is_first && in_one)
            buf_add_byte(out, ' ');
        else if (!is_first)
            buf_add_format(out, "\n%*s", indent, "");
        bool has_cr = line.len > 0 && line.ptr[line.len - 1] == '\r';
        buf_add(out, str_first(line, line.len - has_cr));
    }
}

static void fill(struct str text, const struct template_values *values, bool in_one,
                 struct buf *out)
{
    while (text.len > 0 && out->len < TEMPLATE_TEXT_MAX) {
        struct piece piece = cut_piece(&text);
        enum placeholder placeholder;
        if (piece.kind == PIECE_NAME && find_placeholder(piece.text, &placeholder))
            add_value(out, values->value[placeholder], in_one);
        else
            buf_add(out, piece.text);
    }
}

bool template_fill(struct str own, enum occasion occasion, enum language language,
                   const struct template_values *values, struct buf *out_subject,
                   struct buf *out_text)
{
    bool is_own = own.len > 0 && template_check(own, occasion, NULL) == 0;
    struct str template = is_own ? own : template_builtin(occasion, language);
    struct buf filled = { 0 };
    struct str subject = STR_NONE;
    struct str text = STR_NONE;

    check(split(template, &subject, &text));
    fill(subject, values, true, &filled);
    mime_add_clean_line(out_subject, buf_str(&filled), SUBJECT_MAX);
    buf_reset(&filled);
    fill(text, values, false, &filled);
    mime_add_clean_lines(out_text, buf_str(&filled));
    buf_fini(&filled);
    return is_own || own.len == 0;
}
