/* SPDX-License-Identifier: ISC */
/* policies.c: see policies.h. */
#include "route/policies.h"

#include "base/check.h"
#include "base/map.h"
#include "base/memory.h"

enum {
    LOOK_MIN_MS = MINUTE_MS, /* between two looks, whatever the DNS says of its time to live */
    LOOK_MAX_MS = HOUR_MS,
    NEARLY_OVER = 4, /* a policy is, in the last quarter of its time */
    VERSION = 1,
};

enum stage { STAGE_IDLE, STAGE_RECORD, STAGE_FETCH };

struct entry {
    struct link link; /* in policies->order */
    enum stage stage;
    struct buf domain;
    struct buf text; /* of what is in force; empty: nothing is */
    struct buf id;
    int64_t expires_ms; /* Unix time */
    struct buf new_id;  /* FETCH: of the policy that is to come */
    int64_t looked_ms;  /* monotonic; the last time that the DNS answered */
    int64_t look_ms;    /* monotonic; the record is not looked at before */
    int64_t fetch_ms;   /* monotonic; nothing is fetched before */
    enum policy_failure failure;
};

struct policies {
    const struct policies_host *host;
    void *context;
    struct map entries;
    struct link order; /* the one wanted longest ago first */
};

const char *policy_failure_name(enum policy_failure failure)
{
    static const char *const names[] = {
        [POLICY_FINE] = "none",
        [POLICY_DNS_FAILED] = "dns-failed",
        [POLICY_NO_RECORD] = "no-record",
        [POLICY_NOT_FETCHED] = "sts-policy-fetch-error",
        [POLICY_UNTRUSTED] = "sts-webpki-invalid",
        [POLICY_INVALID] = "sts-policy-invalid",
    };
    return names[failure];
}

/* ---- what is kept ----
 *
 *     u8 VERSION, u64 expires_ms, counted id, counted text */

static void keep(const struct policies *policies, const struct entry *entry)
{
    struct buf bytes = { 0 };

    if (entry->text.len > 0) {
        buf_add_u8(&bytes, VERSION);
        buf_add_u64(&bytes, (uint64_t)entry->expires_ms);
        buf_add_counted(&bytes, buf_str(&entry->id));
        buf_add_counted(&bytes, buf_str(&entry->text));
    }
    policies->host->keep(policies->context, buf_str(&entry->domain), buf_str(&bytes));
    buf_fini(&bytes);
}

/* ---- entries ---- */

static struct entry *entry_new(struct policies *policies, struct str domain)
{
    struct entry *entry = memory_new(sizeof *entry);

    buf_add(&entry->domain, domain);
    list_append(&policies->order, &entry->link);
    (void)map_put(&policies->entries, domain, entry);
    return entry;
}

static void entry_free(struct policies *policies, struct entry *entry)
{
    (void)map_remove(&policies->entries, buf_str(&entry->domain));
    list_remove(&entry->link);
    buf_fini(&entry->domain);
    buf_fini(&entry->text);
    buf_fini(&entry->id);
    buf_fini(&entry->new_id);
    memory_free(entry);
}

static void make_room(struct policies *policies)
{
    list_each_safe (link, &policies->order) {
        struct entry *entry = container_of(link, struct entry, link);
        if (policies->entries.count < POLICIES_MAX)
            return;
        if (entry->stage != STAGE_IDLE)
            continue; /* somebody waits for it */
        buf_reset(&entry->text);
        keep(policies, entry);
        entry_free(policies, entry);
    }
}

static bool is_in_force(const struct entry *entry, struct now now)
{
    return entry->text.len > 0 && now.wall_ms < entry->expires_ms;
}

static struct sts_policy policy_of(const struct entry *entry)
{
    struct sts_policy policy = { 0 };

    check(sts_policy_parse(buf_str(&entry->text), &policy));
    return policy;
}

static bool is_nearly_over(const struct entry *entry, struct now now)
{
    int64_t whole_ms = (int64_t)policy_of(entry).max_age_s * SECOND_MS;
    return entry->expires_ms - now.wall_ms < whole_ms / NEARLY_OVER;
}

/* A record may live longer than the policy: that is no gap between two policies. */
static bool is_look_due(const struct entry *entry, struct now now)
{
    if (now.mono_ms >= entry->look_ms)
        return true;
    return entry->text.len > 0 && is_nearly_over(entry, now) && now.mono_ms >= entry->fetch_ms &&
           now.mono_ms >= entry->looked_ms + LOOK_MIN_MS;
}

enum policy_state policies_want(struct policies *policies, struct str domain, struct now now,
                                struct sts_policy *out_policy)
{
    struct entry *entry = map_find(&policies->entries, domain);

    if (entry == NULL) {
        make_room(policies);
        entry = entry_new(policies, domain);
    }
    list_remove(&entry->link);
    list_append(&policies->order, &entry->link);
    if (entry->stage == STAGE_IDLE && is_look_due(entry, now)) {
        entry->stage = STAGE_RECORD;
        policies->host->ask(policies->context, domain);
    }
    if (is_in_force(entry, now)) {
        *out_policy = policy_of(entry);
        return POLICY_IN_FORCE;
    }
    return entry->stage == STAGE_IDLE ? POLICY_ABSENT : POLICY_SOUGHT;
}

/* ---- answers ---- */

static void settle(const struct policies *policies, struct entry *entry,
                   enum policy_failure failure, bool is_new)
{
    entry->stage = STAGE_IDLE;
    entry->failure = failure;
    policies->host->settled(policies->context, buf_str(&entry->domain), is_new);
}

/* Records of other kinds may stand beside it; two of its kind are none (RFC 8461 3.1). */
static bool read_record(const struct dns_answer *answer, struct str *out_id)
{
    unsigned count = 0;
    bool is_valid = false;

    for (uint32_t i = 0; i < answer->record_count; i++)
        if (str_starts(answer->record[i].data, STR("v=STSv1"))) {
            count++;
            is_valid = sts_record_parse(answer->record[i].data, out_id);
        }
    return count == 1 && is_valid;
}

static int64_t next_look(const struct dns_answer *answer, struct now now)
{
    int64_t wait_ms = (int64_t)answer->ttl_s * SECOND_MS;

    if (answer->status == DNS_FAILED)
        wait_ms = POLICIES_PAUSE_MS;
    else if (wait_ms < LOOK_MIN_MS)
        wait_ms = LOOK_MIN_MS;
    return now.mono_ms + (wait_ms < LOOK_MAX_MS ? wait_ms : LOOK_MAX_MS);
}

/* The domain has no policy any more, and the last one need not be kept. */
static void drop_if_over(const struct policies *policies, struct entry *entry, struct now now)
{
    if (entry->text.len == 0 || is_in_force(entry, now))
        return;
    buf_fini(&entry->text);
    keep(policies, entry);
}

void policies_record(struct policies *policies, struct str domain, const struct dns_answer *answer,
                     struct now now)
{
    struct entry *entry = map_find(&policies->entries, domain);
    struct str id = STR_NONE;

    if (entry == NULL || entry->stage != STAGE_RECORD)
        return;
    entry->looked_ms = now.mono_ms;
    entry->look_ms = next_look(answer, now);
    if (answer->status == DNS_FAILED) {
        settle(policies, entry, POLICY_DNS_FAILED, false);
        return;
    }
    if (answer->status != DNS_FOUND || !read_record(answer, &id)) {
        drop_if_over(policies, entry, now);
        settle(policies, entry, POLICY_NO_RECORD, false);
        return;
    }
    bool is_known = is_in_force(entry, now) && str_equals(buf_str(&entry->id), id);
    if (is_known && !is_nearly_over(entry, now)) {
        settle(policies, entry, POLICY_FINE, false);
        return;
    }
    if (now.mono_ms < entry->fetch_ms) {
        settle(policies, entry, entry->failure, false);
        return;
    }
    buf_reset(&entry->new_id);
    buf_add(&entry->new_id, id);
    entry->stage = STAGE_FETCH;
    policies->host->fetch(policies->context, buf_str(&entry->domain));
}

/* Only what we understood of it, so that a long one takes no room. */
static bool take(struct entry *entry, struct str text, struct now now)
{
    struct sts_policy policy;
    struct buf kept = { 0 };

    if (!sts_policy_parse(text, &policy))
        return false;
    sts_policy_add_text(&kept, &policy);
    buf_fini(&entry->text);
    entry->text = kept;
    buf_reset(&entry->id);
    buf_add(&entry->id, buf_str(&entry->new_id));
    entry->expires_ms = now.wall_ms + (int64_t)policy.max_age_s * SECOND_MS;
    return true;
}

void policies_fetched(struct policies *policies, struct str domain, enum policy_failure failure,
                      struct str text, struct now now)
{
    struct entry *entry = map_find(&policies->entries, domain);

    if (entry == NULL || entry->stage != STAGE_FETCH)
        return;
    if (failure == POLICY_FINE && !take(entry, text, now))
        failure = POLICY_INVALID;
    if (failure == POLICY_FINE)
        keep(policies, entry);
    else
        entry->fetch_ms = now.mono_ms + POLICIES_PAUSE_MS;
    settle(policies, entry, failure, failure == POLICY_FINE);
}

/* ---- others ---- */

bool policies_find(const struct policies *policies, struct str domain, struct now now,
                   struct policy_status *out_status)
{
    const struct entry *entry = map_find(&policies->entries, domain);

    if (entry == NULL)
        return false;
    *out_status =
        (struct policy_status){ .failure = entry->failure, .is_in_force = is_in_force(entry, now) };
    if (out_status->is_in_force) {
        out_status->policy = policy_of(entry);
        out_status->id = buf_str(&entry->id);
        out_status->expires_ms = entry->expires_ms;
    }
    return true;
}

bool policies_restore(struct policies *policies, struct str domain, struct str bytes)
{
    struct cursor cursor = cursor_over(bytes);
    struct sts_policy policy;
    unsigned version = cursor_u8(&cursor);
    uint64_t expires_ms = cursor_u64(&cursor);
    struct str id = cursor_counted(&cursor);
    struct str text = cursor_counted(&cursor);

    if (!cursor_done(&cursor) || version != VERSION || expires_ms > INT64_MAX ||
        !sts_policy_parse(text, &policy) || map_find(&policies->entries, domain) != NULL ||
        policies->entries.count >= POLICIES_MAX)
        return false;
    struct entry *entry = entry_new(policies, domain);
    entry->expires_ms = (int64_t)expires_ms;
    buf_add(&entry->id, id);
    buf_add(&entry->text, text);
    return true;
}

struct policies *policies_new(const struct policies_host *host, void *context)
{
    struct policies *policies = memory_new(sizeof *policies);

    policies->host = host;
    policies->context = context;
    list_init(&policies->order);
    map_init(&policies->entries);
    return policies;
}

void policies_free(struct policies *policies)
{
    if (policies == NULL)
        return;
    list_each_safe (link, &policies->order)
        entry_free(policies, container_of(link, struct entry, link));
    map_fini(&policies->entries);
    memory_free(policies);
}
