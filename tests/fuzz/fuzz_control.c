/* SPDX-License-Identifier: ISC */
/* fuzz_control.c: any line is answered by at least one line of JSON that says ok or not, and is one
 * line of printable ASCII in the log. Several requests may come in one input, one per line. */
#include "../unit/control/fake.h"

#include "base/log.h"
#include "control/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_event(void *context, struct str line)
{
    (void)context;
    for (size_t i = 0; i < line.len; i++)
        check(line.ptr[i] >= ' ' && line.ptr[i] < 0x7f);
}

static void check_answer(struct fake *fake)
{
    struct str rest = buf_str(&fake->answers);
    struct str line = STR_NONE;

    check(rest.len > 0);
    while (str_cut(&rest, '\n', &line) && line.len > 0) {
        json_t *answer = json_loadb(line.ptr, line.len, 0, NULL);
        check(json_is_boolean(json_object_get(answer, "ok")));
        json_decref(answer);
    }
}

static void ask(struct fake *fake, uint64_t ticket, struct str line)
{
    buf_reset(&fake->answers);
    fake->more = false;
    control_request(fake->control, ticket, line, fake_now());
    fake_turn(fake);
    while (fake->more) {
        fake->more = false;
        control_continue(fake->control, ticket);
        fake_turn(fake);
    }
    check_answer(fake);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control_lines lines = { .size_max = CONTROL_REQUEST_MAX };
    struct str line;
    uint64_t ticket = 0;

    log_set_sink(check_event, NULL);
    log_set_level(LOG_DEBUG);
    struct fake *fake = fake_new();
    fake->knows_routes = size % 2 == 0;
    control_lines_feed(&lines, str_of(data, size));
    while (control_lines_next(&lines, &line))
        ask(fake, ++ticket, line);
    control_lines_fini(&lines);
    fake_free(fake);
    return 0;
}
