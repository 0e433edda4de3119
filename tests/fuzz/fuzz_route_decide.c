/* SPDX-License-Identifier: ISC */
/* fuzz_route_decide.c: whatever the DNS says, the decision ends, and no plan leads to us.
 *
 * The input is a sequence of encoded answers; each question takes the next one, and
 * once they are used up the DNS fails. The first byte says whether primaries are static.
 */
#include "base/check.h"
#include "route/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str our_name[] = { { "us.example", 10 } };
static const struct str primaries[] = { { "host.example:2525", 17 }, { "[2001:db8::9]:26", 16 } };
static const struct endpoint our_address = { .family = ENDPOINT_IP4, .address = { 1, 1, 1, 1 } };
static const struct endpoint our_listener = { .family = ENDPOINT_IP4,
                                              .address = { 1, 1, 1, 1 },
                                              .port = 25 };

static void answer(struct dns_answers *known, struct dns_question question, struct cursor *cursor)
{
    struct arena arena = { 0 };
    struct dns_answer next;

    if (!dns_answer_decode(cursor, &arena, &next))
        next = (struct dns_answer){ .status = DNS_FAILED };
    dns_answers_add(known, question, &next);
    arena_fini(&arena);
}

static void check_result(struct route_result *result)
{
    if (result->step == ROUTE_NONE) {
        check(result->verdict.fate == FATE_DEFER);
        return;
    }
    check(result->plan.count > 0 && result->plan.count <= ROUTE_TARGETS_MAX);
    for (uint32_t i = 0; i < result->plan.count; i++) {
        check(result->plan.target[i].endpoint.port != 0);
        check(!endpoint_equals(result->plan.target[i].endpoint, our_listener));
    }
    route_plan_fini(&result->plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor cursor = cursor_over(str_of(data, size));
    struct route_self self = { our_name, 1, &our_address, 1, &our_listener, 1 };
    struct route_request request = { .domain = { "example.org", 11 },
                                     .primary = primaries,
                                     .primary_count = cursor_u8(&cursor) % 3,
                                     .port = 25,
                                     .self = &self };
    struct dns_answers known = { 0 };
    struct random random;
    struct route_result result;

    random_from_seed(&random, size);
    for (int asked = 0;; asked++) {
        route_decide(&request, &known, &random, &result);
        if (result.step != ROUTE_ASK)
            break;
        check(asked <= 2 * DNS_RECORDS_MAX + 1);
        answer(&known, result.question, &cursor);
    }
    check_result(&result);
    dns_answers_fini(&known);
    return 0;
}
