/* SPDX-License-Identifier: ISC */
/* web_reach.h: which addresses we may be sent to by a name or a URL of somebody else's.
 *
 * Whoever says where we connect to speaks with our voice to what only we can reach. So it depends
 * on whose word it is. Never to what only this link or everybody is: link-local addresses, with the
 * metadata services of clouds; multicast; the address that is none.
 */
#pragma once

#include "base/endpoint.h"

enum web_reach {
    WEB_REACH_PUBLIC, /* what everybody reaches: a stranger's word */
    WEB_REACH_NEAR,   /* private networks, too: a name that somebody of ours has given */
    WEB_REACH_HERE,   /* and this machine: he has said so by its address, or it is for tests */
};

bool web_may_go_to(struct endpoint endpoint, enum web_reach reach);
