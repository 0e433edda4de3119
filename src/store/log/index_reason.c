/* SPDX-License-Identifier: ISC */
/* index_reason.c: why mail was rescued; each distinct reason is kept once. */
#include "store/log/index.h"

#include "base/check.h"
#include "base/cursor.h"
#include "base/memory.h"

struct index_reason {
    uint32_t uses;   /* 0: free */
    uint32_t next;   /* of the free ones */
    struct buf text; /* encoded verdict */
};

static uint32_t free_number(struct index *index)
{
    if (index->reason_free != 0) {
        uint32_t number = index->reason_free;
        index->reason_free = index->reason[number - 1]->next;
        return number;
    }
    index->reason_count++;
    index->reason =
        memory_resize(index->reason, index->reason_count * sizeof(struct index_reason *));
    index->reason[index->reason_count - 1] = memory_new(sizeof(struct index_reason));
    return index->reason_count;
}

/* The map's values point into the table's cells; the number is found through the cell. */
static uint32_t intern(struct index *index, struct str text)
{
    uint32_t *known = map_find(&index->reason_texts, text);
    if (known != NULL) {
        index->reason[*known - 1]->uses++;
        return *known;
    }
    uint32_t number = free_number(index);
    struct index_reason *reason = index->reason[number - 1];
    reason->uses = 1;
    buf_add(&reason->text, text);
    (void)map_put(&index->reason_texts, text, memory_copy(&number, sizeof number));
    return number;
}

static void release(struct index *index, uint32_t number)
{
    struct index_reason *reason = index->reason[number - 1];
    check(reason->uses > 0);
    if (--reason->uses > 0)
        return;
    memory_free(map_remove(&index->reason_texts, buf_str(&reason->text)));
    buf_fini(&reason->text);
    reason->next = index->reason_free;
    index->reason_free = number;
}

void index_set_reason(struct index *index, struct index_entry *entry, const struct verdict *reason)
{
    struct buf text = { 0 };
    uint32_t before = entry->reason;

    entry->reason = 0;
    if (reason != NULL) {
        struct verdict kept = *reason;
        if (index->reason_texts.count >= REASONS_MAX)
            kept.text_len = 0;
        verdict_encode(&text, &kept);
        entry->reason = intern(index, buf_str(&text));
        buf_fini(&text);
    }
    if (before != 0)
        release(index, before);
}

bool index_reason(const struct index *index, const struct index_entry *entry,
                  struct verdict *out_reason)
{
    if (entry->reason == 0)
        return false;
    struct cursor cursor = cursor_over(buf_str(&index->reason[entry->reason - 1]->text));
    *out_reason = verdict_decode(&cursor);
    check(cursor_ok(&cursor));
    return true;
}

void index_reasons_fini(struct index *index)
{
    size_t cursor = 0;
    void *number;

    while ((number = map_next(&index->reason_texts, &cursor, NULL)) != NULL)
        memory_free(number);
    map_fini(&index->reason_texts);
    for (uint32_t i = 0; i < index->reason_count; i++) {
        buf_fini(&index->reason[i]->text);
        memory_free(index->reason[i]);
    }
    memory_free(index->reason);
}
