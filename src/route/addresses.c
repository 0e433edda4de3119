/* SPDX-License-Identifier: ISC */
/* addresses.c: see addresses.h. */
#include "route/addresses.h"

#include "base/check.h"
#include "base/cursor.h"
#include "route/plan.h"

enum {
    VERSION = 1,
    ABSENT_FIRST_MS = 2 * SECOND_MS, /* it may be booting */
    ABSENT_MAX_MS = 15 * MINUTE_MS,
    STRANGER_FIRST_MS = MINUTE_MS, /* each try tells him who we are */
    STRANGER_MAX_MS = HOUR_MS,
    OURS_MS = 5 * SECOND_MS, /* until what kept us from asking may be over */
    TRY_FOR_MS = DAY_MS,
};

const char *address_state_name(enum address_state state)
{
    static const char *const names[] = { "trying", "proved", "stranger", "given-up" };
    return names[state];
}

const char *address_fate_name(enum address_fate fate)
{
    static const char *const names[] = {
        [ADDRESS_TAKEN] = "taken",
        [ADDRESS_SAME] = "same",
        [ADDRESS_NO_DOMAIN] = "no-such-domain",
        [ADDRESS_UNPROVABLE] = "unprovable",
        [ADDRESS_BAD] = "bad-address",
        [ADDRESS_TOO_OFTEN] = "too-often",
        [ADDRESS_DONE] = "done",
        [ADDRESS_BAD_LOGIN] = "bad-login",
        [ADDRESS_NOT_YOURS] = "not-yours",
        [ADDRESS_FAILED] = "failed",
    };
    return names[fate];
}

/* ---- who may tell what ---- */

const char *address_refusal(struct endpoint endpoint, enum address_teller teller)
{
    switch (endpoint_reach(endpoint)) {
    case REACH_NOBODY:
        return "no mail server can have this address";
    case REACH_LOOPBACK:
        return teller == TELLER_OWNER ? "this is an address of every machine itself; it leads "
                                        "nowhere from here"
                                      : NULL;
    case REACH_PRIVATE:
        return teller == TELLER_OWNER ? "this is an address of a private network, which cannot be "
                                        "reached from outside; give the one that the Internet sees"
                                      : NULL;
    case REACH_WORLD:
        break;
    }
    return NULL;
}

/* What the DNS demands unasked is not: its records are about hosts that it names, and may be gone
 * tomorrow. Where the settings want them (tls = dane), the host has them looked for. */
bool address_can_be_proved(const struct security *security)
{
    return security->pin_count > 0 || (security->level == SECURITY_NAME &&
                                       security->name_count > 0 && security->name[0].len > 0);
}

/* ---- what happens ---- */

static struct told_address *find(struct addresses *addresses, struct endpoint endpoint)
{
    for (uint32_t i = 0; i < addresses->told_count; i++)
        if (endpoint_equals(addresses->told[i].endpoint, endpoint))
            return &addresses->told[i];
    return NULL;
}

static bool is_told(struct addresses *addresses, const struct endpoint *endpoint, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (find(addresses, endpoint[i]) == NULL)
            return false;
    return count == addresses->told_count;
}

bool addresses_tell(struct addresses *addresses, const struct endpoint *endpoint, uint32_t count,
                    struct now now)
{
    check(count > 0 && count <= ADDRESSES_TOLD_MAX);
    if (is_told(addresses, endpoint, count)) {
        addresses_hurry(addresses, now);
        return false;
    }
    addresses->told_count = count;
    addresses->told_ms = addresses->trying_ms = now.wall_ms;
    for (uint32_t i = 0; i < count; i++)
        addresses->told[i] = (struct told_address){ .endpoint = endpoint[i],
                                                    .since_ms = now.wall_ms,
                                                    .next_ms = now.mono_ms };
    return true;
}

void addresses_hurry(struct addresses *addresses, struct now now)
{
    addresses->trying_ms = now.wall_ms;
    for (uint32_t i = 0; i < addresses->told_count; i++) {
        struct told_address *address = &addresses->told[i];
        if (address->state == ADDRESS_PROVED)
            continue;
        if (address->state == ADDRESS_GIVEN_UP) {
            address->state = ADDRESS_TRYING;
            address->since_ms = now.wall_ms;
        }
        address->tries = 0;
        address->next_ms = now.mono_ms;
    }
}

struct told_address *addresses_take_due(struct addresses *addresses, struct now now)
{
    for (uint32_t i = 0; i < addresses->told_count; i++) {
        struct told_address *address = &addresses->told[i];
        if (address->is_asked || address->next_ms > now.mono_ms)
            continue;
        address->is_asked = true;
        return address;
    }
    return NULL;
}

int64_t addresses_deadline(const struct addresses *addresses)
{
    int64_t deadline = NEVER_MS;

    for (uint32_t i = 0; i < addresses->told_count; i++)
        if (!addresses->told[i].is_asked && addresses->told[i].next_ms < deadline)
            deadline = addresses->told[i].next_ms;
    return deadline;
}

static int64_t pause_ms(const struct told_address *address, enum address_answer answer)
{
    int64_t pause = answer == ANSWER_STRANGER ? STRANGER_FIRST_MS : ABSENT_FIRST_MS;
    int64_t most = answer == ANSWER_STRANGER ? STRANGER_MAX_MS : ABSENT_MAX_MS;

    for (uint32_t i = 1; i < address->tries && pause < most; i++)
        pause *= 2;
    return pause < most ? pause : most;
}

static enum addresses_news enter(struct told_address *address, enum address_state state,
                                 struct now now)
{
    if (address->state == state)
        return NEWS_NONE;
    address->state = state;
    address->since_ms = now.wall_ms;
    return NEWS_STATE;
}

/* Those that are proved, in the order they were told in. */
static enum addresses_news use(struct addresses *addresses, struct now now)
{
    addresses->used_count = 0;
    addresses->used_ms = now.wall_ms;
    for (uint32_t i = 0; i < addresses->told_count; i++)
        if (addresses->told[i].state == ADDRESS_PROVED)
            addresses->used[addresses->used_count++] = addresses->told[i].endpoint;
    return NEWS_USED;
}

static enum addresses_news put_off(struct addresses *addresses, struct told_address *address,
                                   enum address_answer answer, struct now now)
{
    address->tries++;
    address->next_ms = now.mono_ms + pause_ms(address, answer);
    if (now.wall_ms - addresses->trying_ms < TRY_FOR_MS)
        return enter(address, answer == ANSWER_STRANGER ? ADDRESS_STRANGER : ADDRESS_TRYING, now);
    address->next_ms = NEVER_MS;
    return enter(address, ADDRESS_GIVEN_UP, now);
}

enum addresses_news addresses_answered(struct addresses *addresses, struct endpoint endpoint,
                                       enum address_answer answer, const struct verdict *verdict,
                                       struct now now)
{
    struct told_address *address = find(addresses, endpoint);

    if (address == NULL || address->state == ADDRESS_PROVED)
        return NEWS_NONE;
    address->is_asked = false;
    if (answer == ANSWER_NONE) {
        address->next_ms = now.mono_ms + OURS_MS;
        return NEWS_NONE;
    }
    address->last = *verdict;
    if (answer != ANSWER_PROVED)
        return put_off(addresses, address, answer, now);
    address->tries++;
    address->next_ms = NEVER_MS;
    (void)enter(address, ADDRESS_PROVED, now);
    return use(addresses, now);
}

/* ---- what becomes of it ---- */

static const struct route_target *find_target(const struct route_plan *plan,
                                              struct endpoint endpoint)
{
    for (uint32_t i = 0; i < plan->count; i++)
        if (endpoint_equals(plan->target[i].endpoint, endpoint))
            return &plan->target[i];
    return NULL;
}

void addresses_lead(const struct addresses *addresses, struct route_plan *plan)
{
    struct route_plan next = { .ttl_s = route_plan_ttl(plan->ttl_s) };
    struct buf name = { 0 };
    bool must_make_room =
        addresses->used_count > 0 && plan->count > 0 && plan->target[0].preference == 0;

    for (uint32_t i = 0; i < addresses->used_count; i++) {
        const struct route_target *there = find_target(plan, addresses->used[i]);
        buf_reset(&name);
        endpoint_add_ip(&name, addresses->used[i]);
        route_plan_add(&next, there != NULL ? there->host : buf_str(&name), addresses->used[i], 0,
                       there != NULL ? there->security : STR_NONE);
    }
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct route_target *target = &plan->target[i];
        uint16_t preference = target->preference;
        if (must_make_room && preference < UINT16_MAX)
            preference++;
        route_plan_add(&next, target->host, target->endpoint, preference, target->security);
    }
    buf_fini(&name);
    route_plan_fini(plan);
    *plan = next;
}

/* ---- in the directory ----
 *
 *     u8 VERSION, u64 told_ms, u8 count, of each: endpoint, u8 state, u64 since_ms
 *     u64 used_ms, u8 count, of each: endpoint */

void addresses_encode(struct buf *out, const struct addresses *addresses)
{
    buf_add_u8(out, VERSION);
    buf_add_u64(out, (uint64_t)addresses->told_ms);
    buf_add_u8(out, (uint8_t)addresses->told_count);
    for (uint32_t i = 0; i < addresses->told_count; i++) {
        endpoint_encode(out, addresses->told[i].endpoint);
        buf_add_u8(out, (uint8_t)addresses->told[i].state);
        buf_add_u64(out, (uint64_t)addresses->told[i].since_ms);
    }
    buf_add_u64(out, (uint64_t)addresses->used_ms);
    buf_add_u8(out, (uint8_t)addresses->used_count);
    for (uint32_t i = 0; i < addresses->used_count; i++)
        endpoint_encode(out, addresses->used[i]);
}

static bool take_endpoint(struct cursor *cursor, struct endpoint *out_endpoint)
{
    *out_endpoint = endpoint_decode(cursor);
    return cursor_ok(cursor) && out_endpoint->family != ENDPOINT_NONE && out_endpoint->port != 0;
}

static bool take_told(struct cursor *cursor, struct now now, struct addresses *addresses)
{
    uint8_t count = cursor_u8(cursor);

    for (uint8_t i = 0; i < count && i < ADDRESSES_TOLD_MAX; i++) {
        struct told_address *address = &addresses->told[addresses->told_count];
        *address = (struct told_address){ .next_ms = now.mono_ms };
        if (!take_endpoint(cursor, &address->endpoint) ||
            find(addresses, address->endpoint) != NULL)
            return false;
        uint8_t state = cursor_u8(cursor);
        address->since_ms = (int64_t)cursor_u64(cursor);
        if (!cursor_ok(cursor) || state > ADDRESS_GIVEN_UP || address->since_ms < 0)
            return false;
        address->state = (enum address_state)state;
        if (state == ADDRESS_PROVED || state == ADDRESS_GIVEN_UP)
            address->next_ms = NEVER_MS;
        addresses->told_count++;
    }
    return count <= ADDRESSES_TOLD_MAX;
}

static bool take_used(struct cursor *cursor, struct addresses *addresses)
{
    uint8_t count = cursor_u8(cursor);

    for (uint8_t i = 0; i < count && i < ADDRESSES_TOLD_MAX; i++)
        if (!take_endpoint(cursor, &addresses->used[addresses->used_count++]))
            return false;
    return count <= ADDRESSES_TOLD_MAX;
}

bool addresses_decode(struct str bytes, struct now now, struct addresses *out_addresses)
{
    struct cursor cursor = cursor_over(bytes);
    struct addresses addresses = { .told_count = 0 };

    if (cursor_u8(&cursor) != VERSION)
        return false;
    addresses.told_ms = addresses.trying_ms = (int64_t)cursor_u64(&cursor);
    if (!take_told(&cursor, now, &addresses))
        return false;
    addresses.used_ms = (int64_t)cursor_u64(&cursor);
    if (!take_used(&cursor, &addresses) || !cursor_done(&cursor) || addresses.told_ms < 0 ||
        addresses.used_ms < 0 || addresses.told_count == 0)
        return false;
    *out_addresses = addresses;
    return true;
}
