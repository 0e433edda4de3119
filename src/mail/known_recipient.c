/* SPDX-License-Identifier: ISC */
/* known_recipient.c: see known_recipient.h. */
#include "mail/known_recipient.h"

const char *recipient_source_name(enum recipient_source source)
{
    static const char *const names[RECIPIENT_SOURCES] = {
        [LEARNED_BY_PROBE] = "probe",
        [LEARNED_BY_DELIVERY] = "delivery",
        [LEARNED_FROM_LIST] = "list",
        [PINNED] = "pinned",
    };
    return names[source];
}
