/* SPDX-License-Identifier: ISC */
/* web_reach.c: see web_reach.h. */
#include "net/web_reach.h"

bool web_may_go_to(struct endpoint endpoint, enum web_reach reach)
{
    switch (endpoint_reach(endpoint)) {
    case REACH_NOBODY:
        return false;
    case REACH_LOOPBACK:
        return reach == WEB_REACH_HERE;
    case REACH_PRIVATE:
        return reach != WEB_REACH_PUBLIC;
    case REACH_WORLD:
        return true;
    }
    return false;
}
