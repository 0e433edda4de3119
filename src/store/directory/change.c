/* SPDX-License-Identifier: ISC */
/* change.c: what is about to become durable; see database.h. */
#include "base/memory.h"
#include "store/directory/database.h"

struct domain_record *change_new_domain(struct change *change)
{
    change->domain = arena_new(&change->arena, sizeof *change->domain);
    return change->domain;
}

void change_copy_domain(struct arena *arena, const struct domain_record *from,
                        struct domain_record *out)
{
    *out = *from;
    out->name = arena_str(arena, from->name);
    for (uint32_t i = 0; i < from->primary_count; i++)
        out->primary[i] = arena_str(arena, from->primary[i]);
}

void change_copy_route(struct arena *arena, const struct known_route *from, struct known_route *out)
{
    *out = *from;
    out->domain = arena_str(arena, from->domain);
    out->plan = arena_str(arena, from->plan);
}

void change_copy_recipient(struct arena *arena, const struct known_recipient *from,
                           struct known_recipient *out)
{
    *out = *from;
    out->address = arena_str(arena, from->address);
}

void change_copy_memory(struct arena *arena, const struct domain_memory *from,
                        struct domain_memory *out)
{
    *out = *from;
    out->domain = arena_str(arena, from->domain);
}

void change_copy_fact(struct arena *arena, const struct domain_fact *from, struct domain_fact *out)
{
    out->kind = arena_str(arena, from->kind);
    out->domain = arena_str(arena, from->domain);
    out->name = arena_str(arena, from->name);
    out->value = arena_str(arena, from->value);
}

struct change *change_new(enum change_kind kind, directory_done *done, void *context)
{
    struct change *change = memory_new(sizeof *change);

    change->kind = kind;
    change->done = done;
    change->context = context;
    return change;
}

void change_free(struct change *change)
{
    list_remove(&change->link);
    arena_fini(&change->arena);
    memory_free(change);
}
