/* SPDX-License-Identifier: ISC */
/* show.c: see show.h. */
#include "cli/show.h"

#include <string.h>

#include "base/printable.h"
#include "control/when.h"

struct str show_text(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);
    return str_of(json_string_value(value), json_string_length(value));
}

int64_t show_number(const json_t *object, const char *member)
{
    return json_integer_value(json_object_get(object, member));
}

bool show_age(const struct cli *cli, const json_t *object, const char *member, int64_t *out_ms)
{
    int64_t at_ms;

    if (!when_parse(show_text(object, member), cli->now, &at_ms))
        return false;
    *out_ms = cli->now.wall_ms - at_ms;
    return true;
}

const char *show_color(struct str state)
{
    static const struct {
        const char *state, *color;
    } colors[] = {
        { "up", COLOR_GOOD },      { "ok", COLOR_GOOD },      { "shaky", COLOR_WARN },
        { "half-up", COLOR_WARN }, { "blocked", COLOR_BAD },  { "down", COLOR_BAD },
        { "paused", COLOR_WARN },  { "removed", COLOR_WARN }, { "full", COLOR_BAD },
        { "stranger", COLOR_BAD }, { "failing", COLOR_BAD },  { "unknown", COLOR_WARN },
        { "rescued", COLOR_WARN },
    };
    for (size_t i = 0; i < sizeof colors / sizeof *colors; i++)
        if (str_equals(state, str_from(colors[i].state)))
            return colors[i].color;
    return NULL;
}

void cell_text(struct table *table, const json_t *object, const char *member)
{
    struct str text = show_text(object, member);
    table_add(table, text.len > 0 ? text : STR("-"));
}

void cell_state(struct table *table, const json_t *object, const char *member)
{
    struct str state = show_text(object, member);
    table_add_colored(table, state, show_color(state));
}

static void add_and_free(struct table *table, struct buf *text)
{
    table_add(table, buf_str(text));
    buf_fini(text);
}

void cell_number(struct table *table, const json_t *object, const char *member)
{
    struct buf text = { 0 };
    buf_add_format(&text, "%lld", (long long)show_number(object, member));
    add_and_free(table, &text);
}

void cell_size(struct table *table, const json_t *object, const char *member)
{
    struct buf text = { 0 };
    human_add_size(&text, show_number(object, member));
    add_and_free(table, &text);
}

void cell_age(struct table *table, const struct cli *cli, const json_t *object, const char *member)
{
    struct buf text = { 0 };
    int64_t ms;

    if (show_age(cli, object, member, &ms))
        human_add_span(&text, ms);
    else
        buf_add_byte(&text, '-');
    add_and_free(table, &text);
}

void cell_until(struct table *table, const struct cli *cli, const json_t *object,
                const char *member)
{
    struct buf text = { 0 };
    int64_t ms;

    if (!show_age(cli, object, member, &ms)) {
        buf_add_byte(&text, '-');
    } else if (ms >= 0) {
        buf_add(&text, str_from(text_in(cli->language, "now")));
    } else {
        buf_add(&text, STR("in ")); /* in both languages */
        human_add_span(&text, -ms);
    }
    add_and_free(table, &text);
}

void line_name(struct cli *cli, const char *name)
{
    const char *shown = text_in(cli->language, name);

    buf_add(&cli->out, str_from(shown));
    for (size_t width = text_width(str_from(shown)); width < 16; width++)
        buf_add_byte(&cli->out, ' ');
}

void line_text(struct cli *cli, const char *name, struct str text)
{
    if (text.len == 0)
        return;
    line_name(cli, name);
    printable_add(&cli->out, text);
    buf_add_byte(&cli->out, '\n');
}

void line_member(struct cli *cli, const char *name, const json_t *object, const char *member)
{
    line_text(cli, name, show_text(object, member));
}

void show_sentence(struct cli *cli, const char *text)
{
    buf_add(&cli->out, str_from(text_in(cli->language, text)));
}
