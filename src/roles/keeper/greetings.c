/* SPDX-License-Identifier: ISC */
/* greetings.c: what a domain's primary announced when it greeted us last.
 *
 * Sessions that hand mail over learn it; receivers hear of it, so that what a primary cannot take
 * is refused while its sender is there (docs/decisions/0021). It is kept in the directory, in what
 * is remembered of the domain, and thrown away with the domain, or when other primaries are named
 * for it: of them nothing is known.
 *
 * Of a primary that never greeted nothing is said: it lacks nothing, and its size is not known.
 */
#include "base/memory.h"
#include "deliver/client.h"
#include "mail/named_primary.h"
#include "roles/keeper/recipients.h"

struct greeting { /* a primary's, as it greeted last */
    struct buf domain;
    struct buf primaries; /* that were named then, a line each: others may take other mail */
    uint64_t extensions, size_max;
    int64_t greeted_ms;
};

static void greeting_free(struct greeting *greeting)
{
    if (greeting == NULL)
        return;
    buf_fini(&greeting->domain);
    buf_fini(&greeting->primaries);
    memory_free(greeting);
}

/* However they are spoken with. */
static void add_primaries(const struct domain_record *record, struct buf *out)
{
    for (uint32_t i = 0; i < record->primary_count; i++) {
        buf_add(out, named_primary_place(record->primary[i]));
        buf_add_byte(out, '\n');
    }
}

static struct greeting *greeting_use(struct keeper *keeper, const struct domain_record *record)
{
    struct greeting *greeting = map_find(&keeper->greetings, record->name);

    if (greeting == NULL) {
        greeting = memory_new(sizeof *greeting);
        buf_add(&greeting->domain, record->name);
        (void)map_put(&keeper->greetings, record->name, greeting);
    }
    buf_reset(&greeting->primaries);
    add_primaries(record, &greeting->primaries);
    return greeting;
}

void keeper_greeted(struct keeper *keeper, struct str domain, uint64_t extensions,
                    uint64_t size_max)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);

    if (record == NULL)
        return;
    struct greeting *greeting = greeting_use(keeper, record);
    bool is_news = greeting->greeted_ms == 0 || greeting->extensions != extensions ||
                   greeting->size_max != size_max;
    greeting->extensions = extensions;
    greeting->size_max = size_max;
    greeting->greeted_ms = keeper_mail_now(keeper).wall_ms;
    if (!is_news)
        return;
    keeper_remember(keeper, domain);
    keeper->answers_are_void = true;
}

/* ---- what others may know of it ---- */

uint64_t keeper_size_max(const struct keeper *keeper, struct str domain)
{
    const struct greeting *greeting = map_find(&keeper->greetings, domain);
    return greeting != NULL ? greeting->size_max : 0;
}

uint8_t keeper_lacks(const struct keeper *keeper, struct str domain)
{
    const struct greeting *greeting = map_find(&keeper->greetings, domain);
    unsigned lacks = 0;

    if (greeting == NULL || greeting->greeted_ms == 0)
        return 0;
    if (!(greeting->extensions & EXTENSION_SMTPUTF8))
        lacks |= ENVELOPE_SMTPUTF8;
    if (!(greeting->extensions & EXTENSION_REQUIRETLS))
        lacks |= ENVELOPE_REQUIRETLS;
    return (uint8_t)lacks;
}

uint64_t keeper_size_max_of_any(const struct keeper *keeper)
{
    const struct domain_record *record;
    uint64_t most = 0;
    size_t cursor = 0;

    while ((record = directory_next_domain(keeper->directory, &cursor)) != NULL) {
        uint64_t size_max = keeper_size_max(keeper, record->name);
        if (size_max == 0)
            return 0;
        most = size_max > most ? size_max : most;
    }
    return most;
}

/* ---- from one life to the next ---- */

void keeper_greeting_save(const struct keeper *keeper, struct str domain,
                          struct domain_memory *memory)
{
    const struct greeting *greeting = map_find(&keeper->greetings, domain);

    if (greeting == NULL)
        return;
    memory->extensions = greeting->extensions;
    memory->size_max = greeting->size_max;
    memory->greeted_ms = greeting->greeted_ms;
}

void keeper_greeting_recall(struct keeper *keeper, const struct domain_memory *memory)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, memory->domain);

    if (memory->greeted_ms == 0 || record == NULL)
        return;
    struct greeting *greeting = greeting_use(keeper, record);
    greeting->extensions = memory->extensions;
    greeting->size_max = memory->size_max;
    greeting->greeted_ms = memory->greeted_ms;
}

/* ---- domains ---- */

/* Of others that were named since, nothing is known. */
static void forget_that_of_others(struct keeper *keeper, const struct domain_record *record)
{
    const struct greeting *greeting = map_find(&keeper->greetings, record->name);
    struct buf primaries = { 0 };

    add_primaries(record, &primaries);
    if (greeting != NULL && !str_equals(buf_str(&greeting->primaries), buf_str(&primaries))) {
        greeting_free(map_remove(&keeper->greetings, record->name));
        keeper_remember(keeper, record->name);
        keeper->answers_are_void = true;
    }
    buf_fini(&primaries);
}

void keeper_greetings_domain_changed(struct keeper *keeper, const struct domain_record *record,
                                     struct str domain)
{
    if (record != NULL)
        forget_that_of_others(keeper, record);
    else
        greeting_free(map_remove(&keeper->greetings, domain));
}

/* ---- beginning and end ---- */

void keeper_greetings_init(struct keeper *keeper)
{
    map_init(&keeper->greetings);
}

void keeper_greetings_fini(struct keeper *keeper)
{
    struct greeting *greeting;
    size_t cursor = 0;

    while ((greeting = map_next(&keeper->greetings, &cursor, NULL)) != NULL)
        greeting_free(greeting);
    map_fini(&keeper->greetings);
}
