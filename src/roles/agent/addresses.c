/* SPDX-License-Identifier: ISC */
/* addresses.c: where the backup is.
 *
 * Its name is looked up as the system does it, which may take its time: by a worker, once for all
 * lines that wait for it. What was found is used for as long as it serves. When a call has come to
 * nothing, the next one goes to another address, and what is known is looked up again before: a
 * backup may have moved. Lines that have failed at the same address go on to the next one together:
 * if each went one further, two lines would never come to the second of two.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "roles/agent/private.h"

/* ---- on the worker's thread ---- */

static bool read_address(const struct addrinfo *info, struct endpoint *address)
{
    if (info->ai_family == AF_INET) {
        address->family = ENDPOINT_IP4;
        memcpy(address->address,
               &((const struct sockaddr_in *)(const void *)info->ai_addr)->sin_addr, 4);
        return true;
    }
    if (info->ai_family == AF_INET6) {
        address->family = ENDPOINT_IP6;
        memcpy(address->address,
               &((const struct sockaddr_in6 *)(const void *)info->ai_addr)->sin6_addr, 16);
        return true;
    }
    return false;
}

static void look_up(struct worker_job *job)
{
    struct agent_addresses *addresses = container_of(job, struct agent_addresses, job);
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *found = NULL;

    addresses->count = 0;
    addresses->error = getaddrinfo(addresses->host, NULL, &hints, &found);
    for (const struct addrinfo *one = found; one != NULL && addresses->count < AGENT_ADDRESSES_MAX;
         one = one->ai_next) {
        struct endpoint *address = &addresses->address[addresses->count];
        *address = (struct endpoint){ .port = addresses->port };
        if (read_address(one, address))
            addresses->count++;
    }
    if (found != NULL)
        freeaddrinfo(found);
}

/* ---- on ours ---- */

static void looked_up(struct worker_job *job)
{
    struct agent_addresses *addresses = container_of(job, struct agent_addresses, job);
    struct agent *agent = container_of(addresses, struct agent, addresses);

    addresses->is_under_way = addresses->is_stale = false;
    for (unsigned i = 0; i < agent->settings->lines; i++) {
        struct agent_line *line = &agent->line[i];
        if (line->state != LINE_RESOLVING)
            continue;
        if (addresses->count > 0)
            agent_backup_connect(line);
        else
            agent_line_fail(line, "backup_unknown",
                            addresses->error != 0 ? str_from(gai_strerror(addresses->error))
                                                  : STR("it has no address"),
                            NULL);
    }
}

void agent_addresses_resolve(struct agent_line *line)
{
    struct agent_addresses *addresses = &line->agent->addresses;

    if (!addresses->is_under_way && !addresses->is_stale && addresses->count > 0) {
        agent_backup_connect(line);
        return;
    }
    agent_line_enter(line, LINE_RESOLVING, NEVER_MS);
    if (addresses->is_under_way)
        return;
    addresses->is_under_way = true;
    worker_submit(addresses->worker, &addresses->job);
}

struct endpoint agent_addresses_next(struct agent_line *line)
{
    const struct agent_addresses *addresses = &line->agent->addresses;

    line->address = addresses->next;
    return addresses->address[addresses->next % addresses->count];
}

/* What has been found stays in use by those who have waited for it. */
void agent_addresses_look_elsewhere(const struct agent_line *line)
{
    struct agent_addresses *addresses = &line->agent->addresses;

    if (line->address == addresses->next)
        addresses->next++;
    addresses->is_stale = true;
}

static void on_worker(void *context, unsigned what)
{
    const struct agent_addresses *addresses = context;

    (void)what;
    (void)worker_collect(addresses->worker);
}

void agent_addresses_init(struct agent *agent)
{
    struct agent_addresses *addresses = &agent->addresses;
    struct str host = agent->settings->backup;

    check(host.len < sizeof addresses->host);
    memcpy(addresses->host, host.ptr, host.len);
    addresses->port = agent->settings->backup_port;
    addresses->job.run = look_up;
    addresses->job.done = looked_up;
    addresses->worker = worker_new();
    addresses->watch =
        watch_new(agent->loop, worker_descriptor(addresses->worker), on_worker, addresses);
    watch_set(addresses->watch, WATCH_READ);
}

void agent_addresses_fini(struct agent *agent)
{
    watch_free(agent->addresses.watch);
    worker_free(agent->addresses.worker);
}
