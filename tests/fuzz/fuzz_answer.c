/* SPDX-License-Identifier: ISC */
/* fuzz_answer.c: whatever JSON the keeper answers with, the operator's terminal gets text: what may
 * be seen, line ends, and colours only where they were asked for. The first octet chooses the
 * command that shows it, the second language and colour. */
#include "base/check.h"
#include "base/printable.h"
#include "cli/command.h"
#include "cli/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct command *choose(uint8_t n)
{
    const struct command *shown[64];
    size_t count = 0;
    size_t cursor = 0;
    const struct command *command;

    while ((command = command_next(&cursor)) != NULL && count < 64)
        if (command->show != NULL)
            shown[count++] = command;
    check(count > 0);
    return shown[n % count];
}

static size_t color_length(struct str text)
{
    static const struct str colors[] = {
        { COLOR_GOOD, 5 }, { COLOR_WARN, 5 },  { COLOR_BAD, 5 },
        { COLOR_HEAD, 4 }, { COLOR_RESET, 4 },
    };
    for (size_t i = 0; i < sizeof colors / sizeof *colors; i++)
        if (str_starts(text, colors[i]))
            return colors[i].len;
    return 0;
}

static void check_shown(struct str text, bool use_color)
{
    while (text.len > 0) {
        size_t color = use_color ? color_length(text) : 0;
        uint32_t code = 0;
        size_t len = color > 0 ? color : printable_utf8(text, &code);
        check(len > 0);
        check(color > 0 || code == '\n' || (code >= ' ' && (code < 0x7f || code >= 0xa0)));
        check(code != 0x202e && code != 0x2066); /* what turns text around */
        text = str_skip(text, len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct cli cli = { .command = choose(data[0]),
                       .use_color = (data[1] & 1) != 0,
                       .language = data[1] & 2 ? LANGUAGE_DE : LANGUAGE_EN,
                       .now = { .mono_ms = 1, .wall_ms = 1763760000000 } };
    json_t *answer = json_loadb((const char *)data + 2, size - 2, JSON_DECODE_ANY, NULL);

    cli.argument[0] = "example.org";
    if (answer != NULL) {
        cli.command->show(&cli, answer);
        check_shown(buf_str(&cli.out), cli.use_color);
    }
    json_decref(answer);
    buf_fini(&cli.out);
    return 0;
}
