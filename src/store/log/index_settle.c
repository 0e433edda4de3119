/* SPDX-License-Identifier: ISC */
/* index_settle.c: what becomes of an entry's recipients.
 *
 *     pending --delivered--> gone        rescued --released--> pending
 *     pending --rescued----> rescued     pending, rescued --discarded--> gone
 *
 * Everything else is passed over. An entry is held while a recipient is pending,
 * rescued while none is and one is rescued, and gone after that. Where all
 * recipients share a state, counts say it; a side record comes into being when
 * they part.
 */
#include "store/log/index.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"

static struct str side_key(const uint32_t *number)
{
    return str_of(number, sizeof *number);
}

const struct index_side *index_find_side(const struct index *index, uint32_t number)
{
    if (!(index_entry(index, number)->flags & INDEX_SIDE))
        return NULL;
    return map_find(&index->sides, side_key(&number));
}

void index_put_side(struct index *index, uint32_t number, const uint8_t *state, uint16_t count)
{
    struct index_side *side = memory_new(sizeof *side + count);
    side->count = count;
    memcpy(side->state, state, count);
    memory_free(map_put(&index->sides, side_key(&number), side));
    index_entry(index, number)->flags |= INDEX_SIDE;
}

void index_drop_side(struct index *index, uint32_t number)
{
    struct index_entry *entry = index_entry(index, number);
    if (!(entry->flags & INDEX_SIDE))
        return;
    memory_free(map_remove(&index->sides, side_key(&number)));
    entry->flags &= (uint8_t)~INDEX_SIDE;
}

void index_set_side(struct index *index, uint32_t number, enum recipient_state state)
{
    if (!(index_entry(index, number)->flags & INDEX_SIDE))
        return;
    struct index_side *side = map_find(&index->sides, side_key(&number));
    for (uint32_t i = 0; i < side->count; i++)
        if (side->state[i] != INDEX_OTHER)
            side->state[i] = (uint8_t)state;
}

static enum recipient_state common_state(const struct index_entry *entry)
{
    if (entry->pending > 0)
        return RECIPIENT_PENDING;
    return entry->rescued > 0 ? RECIPIENT_RESCUED : RECIPIENT_GONE;
}

bool index_owns(const struct index *index, uint32_t number, uint32_t recipient)
{
    const struct index_entry *entry = index_entry(index, number);
    const struct index_side *side = index_find_side(index, number);

    if (side != NULL)
        return recipient < side->count && side->state[recipient] != INDEX_OTHER;
    return recipient >= entry->first && recipient - entry->first < entry->count;
}

enum recipient_state index_state(const struct index *index, uint32_t number, uint32_t recipient)
{
    const struct index_side *side = index_find_side(index, number);
    check(index_owns(index, number, recipient));
    return side != NULL ? (enum recipient_state)side->state[recipient]
                        : common_state(index_entry(index, number));
}

/* Does the outcome apply to this state, and what follows? */
static bool next_state(enum outcome outcome, enum recipient_state state,
                       enum recipient_state *out_next)
{
    switch (outcome) {
    case OUTCOME_DELIVERED:
        *out_next = RECIPIENT_GONE;
        return state == RECIPIENT_PENDING;
    case OUTCOME_RESCUED:
        *out_next = RECIPIENT_RESCUED;
        return state == RECIPIENT_PENDING;
    case OUTCOME_RELEASED:
        *out_next = RECIPIENT_PENDING;
        return state == RECIPIENT_RESCUED;
    case OUTCOME_DISCARDED:
        *out_next = RECIPIENT_GONE;
        return state != RECIPIENT_GONE;
    }
    return false;
}

static void count_state(struct index_entry *entry, enum recipient_state state, int by)
{
    if (state == RECIPIENT_PENDING)
        entry->pending = (uint16_t)(entry->pending + by);
    if (state == RECIPIENT_RESCUED)
        entry->rescued = (uint16_t)(entry->rescued + by);
}

/* Writes the common state out, one for each recipient. */
static void part(struct index *index, uint32_t number)
{
    uint8_t state[ENVELOPE_RECIPIENTS_MAX];
    const struct index_entry *entry = index_entry(index, number);

    check(entry->first + entry->count <= ENVELOPE_RECIPIENTS_MAX);
    memset(state, INDEX_OTHER, entry->first);
    memset(state + entry->first, (int)common_state(entry), entry->count);
    index_put_side(index, number, state, (uint16_t)(entry->first + entry->count));
}

static bool settle_one(struct index *index, uint32_t number, uint32_t recipient,
                       enum outcome outcome)
{
    struct index_entry *entry = index_entry(index, number);
    enum recipient_state next;

    if (!index_owns(index, number, recipient))
        return false;
    enum recipient_state state = index_state(index, number, recipient);
    if (!next_state(outcome, state, &next))
        return false;
    if (!(entry->flags & INDEX_SIDE) && entry->count > 1)
        part(index, number);
    count_state(entry, state, -1);
    count_state(entry, next, 1);
    if (entry->flags & INDEX_SIDE) {
        struct index_side *side = map_find(&index->sides, side_key(&number));
        side->state[recipient] = (uint8_t)next;
    }
    return true;
}

static bool settle_common(struct index *index, uint32_t number, enum outcome outcome)
{
    struct index_entry *entry = index_entry(index, number);
    enum recipient_state next;

    if (!next_state(outcome, common_state(entry), &next))
        return false;
    entry->pending = next == RECIPIENT_PENDING ? entry->count : 0;
    entry->rescued = next == RECIPIENT_RESCUED ? entry->count : 0;
    return true;
}

static bool settle_side(struct index *index, uint32_t number, enum outcome outcome)
{
    bool changed = false;
    uint32_t count = index_find_side(index, number)->count;
    for (uint32_t i = 0; i < count; i++)
        changed |= settle_one(index, number, i, outcome);
    return changed;
}

static bool settle_named(struct index *index, uint32_t number, const struct settle_record *settle)
{
    bool changed = false;
    for (uint32_t i = 0; i < settle->count; i++)
        changed |= settle_one(index, number, settle_recipient(settle, i), settle->outcome);
    return changed;
}

void index_hold_back(struct index *index, const struct envelope *envelope)
{
    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        const struct recipient *recipient = &envelope->recipient[i];
        if (!recipient->is_held_back)
            continue;
        uint32_t number = index_find_entry(index, envelope->id, recipient_domain(recipient));
        (void)settle_one(index, number, i, OUTCOME_RESCUED);
        index_set_reason(index, index_entry(index, number), &envelope->reason);
    }
}

bool index_settle(struct index *index, uint32_t number, const struct settle_record *settle)
{
    struct index_entry *entry = index_entry(index, number);
    uint8_t state = entry->state;
    bool changed;

    if (settle->count > 0)
        changed = settle_named(index, number, settle);
    else if (entry->flags & INDEX_SIDE)
        changed = settle_side(index, number, settle->outcome);
    else
        changed = settle_common(index, number, settle->outcome);
    if (!changed)
        return false;
    bool is_gone = entry->pending == 0 && entry->rescued == 0;
    if (is_gone && index->keeps_gone)
        index_hide(index, number);
    else if (is_gone)
        index_remove(index, number);
    if (is_gone)
        return !index->keeps_gone;
    if (settle->outcome == OUTCOME_RESCUED)
        index_set_reason(index, entry, &settle->reason);
    else if (entry->rescued == 0)
        index_set_reason(index, entry, NULL);
    if (state != (entry->pending > 0 ? ENTRY_HELD : ENTRY_RESCUED))
        index_show(index, number, settle->at_ms);
    return false;
}
