/* SPDX-License-Identifier: ISC */
/* suggest.c: see suggest.h. */
#include "base/suggest.h"

enum { NAME_MAX_LEN = 48, DISTANCE_MAX = 2 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static bool is_swap(struct str a, size_t i, struct str b, size_t j)
{
    return i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1];
}

unsigned suggest_distance(struct str a, struct str b, unsigned limit)
{
    /* Row i: the distance of the first i letters of a to the first j letters of b. */
    unsigned row[NAME_MAX_LEN + 1][NAME_MAX_LEN + 1];

    if (a.len > NAME_MAX_LEN || b.len > NAME_MAX_LEN)
        return limit + 1;
    for (size_t i = 0; i <= a.len; i++) {
        for (size_t j = 0; j <= b.len; j++) {
            if (i == 0 || j == 0) {
                row[i][j] = (unsigned)(i + j);
                continue;
            }
            unsigned changed = ascii_lower(a.ptr[i - 1]) != ascii_lower(b.ptr[j - 1]);
            row[i][j] = least(least(row[i - 1][j], row[i][j - 1]) + 1, row[i - 1][j - 1] + changed);
            if (is_swap(a, i, b, j))
                row[i][j] = least(row[i][j], row[i - 2][j - 2] + 1);
        }
    }
    return least(row[a.len][b.len], limit + 1);
}

void suggestion_offer(struct suggestion *suggestion, struct str name)
{
    unsigned distance = suggest_distance(suggestion->given, name, DISTANCE_MAX);

    if (distance > DISTANCE_MAX || 2 * (size_t)distance > suggestion->given.len)
        return;
    if (suggestion->best.len > 0 && suggestion->distance <= distance)
        return;
    suggestion->best = name;
    suggestion->distance = distance;
}
