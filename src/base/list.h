/* SPDX-License-Identifier: ISC */
/* list.h: a doubly linked list through its members.
 *
 * The member embeds a struct link; the list embeds one too and points at itself
 * when empty. A link that is in no list is {0}; removing it is harmless.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *next;
    struct link *prev;
};

/* clang-format off */
#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer) - offsetof(type, member)))
/* clang-format on */

#define list_each(at, list) for (struct link *at = (list)->next; at != (list); at = at->next)
/* `at` may be removed from the list inside the loop. */
#define list_each_safe(at, list)                                                                   \
    for (struct link *at = (list)->next, *at##_next = at->next; at != (list);                      \
         at = at##_next, at##_next = at->next)

static inline void list_init(struct link *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool list_is_empty(const struct link *list)
{
    return list->next == list;
}

static inline bool link_is_listed(const struct link *link)
{
    return link->next != NULL;
}

static inline void list_insert_before(struct link *place, struct link *link)
{
    link->next = place;
    link->prev = place->prev;
    place->prev->next = link;
    place->prev = link;
}

static inline void list_append(struct link *list, struct link *link)
{
    list_insert_before(list, link);
}

static inline void list_prepend(struct link *list, struct link *link)
{
    list_insert_before(list->next, link);
}

static inline void list_remove(struct link *link)
{
    if (link->next == NULL)
        return;
    link->next->prev = link->prev;
    link->prev->next = link->next;
    link->next = NULL;
    link->prev = NULL;
}

static inline struct link *list_first(const struct link *list)
{
    return list->next == list ? NULL : list->next;
}
