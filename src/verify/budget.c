/* SPDX-License-Identifier: ISC */
/* budget.c: see budget.h.
 *
 * Two maps, as in greylist.c: what is used moves to the young one, and when that is full the old
 * one is dropped.
 */
#include "verify/budget.h"

#include "base/map.h"
#include "base/memory.h"

struct account {
    int64_t begin_ms;
    uint32_t used;
};

struct budget {
    int64_t span_ms;
    struct map young, old;
};

struct budget *budget_new(int64_t span_ms)
{
    struct budget *budget = memory_new(sizeof *budget);

    budget->span_ms = span_ms;
    map_init(&budget->young);
    map_init(&budget->old);
    return budget;
}

static void forget(struct map *map)
{
    size_t cursor = 0;
    void *account;

    while ((account = map_next(map, &cursor, NULL)) != NULL)
        memory_free(account);
    map_fini(map);
    map_init(map);
}

void budget_free(struct budget *budget)
{
    if (budget == NULL)
        return;
    forget(&budget->young);
    forget(&budget->old);
    map_fini(&budget->young);
    map_fini(&budget->old);
    memory_free(budget);
}

static const struct account *find(const struct budget *budget, struct str name)
{
    const struct account *account = map_find(&budget->young, name);
    return account != NULL ? account : map_find(&budget->old, name);
}

static struct account *open_account(struct budget *budget, struct str name, int64_t now_ms)
{
    struct account *account = map_find(&budget->young, name);

    if (account == NULL) {
        account = map_remove(&budget->old, name);
        if (account == NULL)
            account = memory_new(sizeof *account);
        if (budget->young.count >= BUDGET_NAMES_MAX / 2) {
            struct map young = budget->young;
            forget(&budget->old);
            map_fini(&budget->old);
            budget->old = young;
            map_init(&budget->young);
        }
        (void)map_put(&budget->young, name, account);
    }
    if (account->used == 0 || now_ms - account->begin_ms >= budget->span_ms)
        *account = (struct account){ .begin_ms = now_ms };
    return account;
}

bool budget_take(struct budget *budget, struct str name, uint32_t limit, int64_t now_ms)
{
    struct account *account = open_account(budget, name, now_ms);

    if (account->used >= limit)
        return false;
    account->used++;
    return true;
}

void budget_return(struct budget *budget, struct str name, int64_t now_ms)
{
    struct account *account = open_account(budget, name, now_ms);

    if (account->used > 0)
        account->used--;
}

uint32_t budget_used(const struct budget *budget, struct str name, int64_t now_ms)
{
    const struct account *account = find(budget, name);
    return account != NULL && now_ms - account->begin_ms < budget->span_ms ? account->used : 0;
}
