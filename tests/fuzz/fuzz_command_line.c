/* SPDX-License-Identifier: ISC */
/* fuzz_command_line.c: any words become a request for the keeper or one line that says why not. The
 * words stand in the input with line ends between them. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/printable.h"
#include "cli/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 40 };

static int split(char *text, char **word)
{
    static char program[] = "holdfast";
    char *rest = text;
    int count = 0;

    word[count++] = program;
    while (rest != NULL && count < WORDS_MAX)
        word[count++] = strsep(&rest, "\n");
    return count;
}

static void check_sentence(struct str why)
{
    check(why.len > 0);
    while (why.len > 0) {
        uint32_t code = 0;
        size_t len = printable_utf8(why, &code);
        check(len > 0 && code >= ' ' && (code < 0x7f || code >= 0xa0));
        why = str_skip(why, len);
    }
}

static void check_request(const struct cli *cli)
{
    struct buf why = { 0 };
    json_t *request = cli_request(cli, &why);

    if (request == NULL) {
        check_sentence(buf_str(&why));
    } else {
        char *text = json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII);
        check(text != NULL && strchr(text, '\n') == NULL);
        check(json_is_string(json_object_get(request, "op")));
        free(text);
        json_decref(request);
    }
    buf_fini(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *word[WORDS_MAX + 1] = { NULL };
    char *text = memory_new(size + 1);
    struct buf why = { 0 };
    struct cli cli = { 0 };

    if (size > 0)
        memcpy(text, data, size);
    int count = split(text, word);
    if (cli_parse(&cli, count, word, &why) != EXIT_OK)
        check_sentence(buf_str(&why));
    else if (cli.command != NULL && cli.command->operation != NULL && !cli_has(&cli, OPTION_HELP))
        check_request(&cli);
    buf_fini(&why);
    memory_free(text);
    return 0;
}
