/* SPDX-License-Identifier: ISC */
/* place.c: see place.h. */
#include "roles/place.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_LIBSYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "base/check.h"
#include "base/log.h"
#include "net/socket.h"
#include "roles/messages.h"

enum { PATH_MAX_HERE = 4096, RECEIVERS_BY_ITSELF = 8 };

static bool complain(const char *format, const char *what, const char *why)
{
    struct buf text = { 0 };
    buf_add_format(&text, "holdfast: %s: %s: %s\n", format, what, why);
    (void)fwrite(text.ptr, 1, text.len, stderr);
    buf_fini(&text);
    return false;
}

static bool path_of(struct str folder, const char *below, char *room)
{
    int len = snprintf(room, PATH_MAX_HERE, "%.*s%s", STR_FMT(folder), below);
    return len > 0 && len < PATH_MAX_HERE;
}

/* Parents as well, so that the first start needs no preparation. */
static int make_folder(char *path, mode_t mode)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int failed = mkdir(path, 0755) < 0 && errno != EEXIST;
        *slash = '/';
        if (failed)
            return -errno;
    }
    return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
}

/* As root, in a folder that is the roles': what stands there may be theirs to choose, so that below
 * the data folder no link is followed. (The data folder itself may be one.) */
static int give_folder(const char *path, bool may_be_link, const struct passwd *owner, mode_t mode)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (may_be_link ? 0 : O_NOFOLLOW));

    if (fd < 0)
        return -errno;
    bool good =
        fchmod(fd, mode) == 0 && (owner == NULL || fchown(fd, owner->pw_uid, owner->pw_gid) == 0);
    int error = good ? 0 : -errno;
    (void)close(fd);
    return error;
}

static bool own_folder(struct str data, const char *below, const struct passwd *owner, mode_t mode)
{
    char path[PATH_MAX_HERE];

    if (!path_of(data, below, path))
        return complain("the data folder's path is too long", "data", "shorten it");
    int error = make_folder(path, mode);
    if (error != 0)
        return complain("cannot make folder", path, strerror(-error));
    error = give_folder(path, below[0] == '\0', owner, mode);
    if (error != 0)
        return complain("cannot own folder", path, strerror(-error));
    return true;
}

/* Held until the process ends; the kernel lets go of it whatever happens. */
int place_try_lock(const struct config *config)
{
    char path[PATH_MAX_HERE];

    if (!path_of(config->data, "/lock", path))
        return -ENAMETOOLONG;
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    int error = -errno;
    (void)close(fd);
    return error;
}

bool place_lock(const struct config *config)
{
    char path[PATH_MAX_HERE];

    if (!path_of(config->data, "/lock", path))
        return complain("the data folder's path is too long", "data", "shorten it");
    int error = place_try_lock(config);
    if (error == -EWOULDBLOCK)
        return complain("another holdfast uses this data folder", path,
                        "stop it first, or give this one a folder of its own");
    return error == 0 || complain("cannot lock", path, strerror(-error));
}

/* The user that the roles become, or NULL. */
static const struct passwd *owner_of(const struct config *config)
{
    char user[64];

    if (config->user.len >= sizeof user)
        return NULL;
    memcpy(user, config->user.ptr, config->user.len);
    user[config->user.len] = '\0';
    return getpwnam(user);
}

static bool check_owner(const struct passwd *owner)
{
    if (owner == NULL)
        return complain("the roles' user does not exist", "user",
                        "create it (adduser --system --group holdfast) or set another `user`");
    if (owner->pw_uid == 0)
        return complain("the roles must not run as root", "user", "set another `user`");
    return true;
}

bool place_owner(const struct config *config, uid_t *out_user, gid_t *out_group)
{
    const struct passwd *owner = NULL;

    if (geteuid() == 0) {
        owner = owner_of(config);
        if (!check_owner(owner))
            return false;
    }
    *out_user = owner != NULL ? owner->pw_uid : geteuid();
    *out_group = owner != NULL ? owner->pw_gid : getegid();
    return true;
}

bool place_become_owner(const struct config *config)
{
    uid_t user;
    gid_t group;

    if (geteuid() != 0)
        return true;
    if (!place_owner(config, &user, &group))
        return false;
    if (setgroups(0, NULL) < 0 || setresgid(group, group, group) < 0 ||
        setresuid(user, user, user) < 0)
        return complain("cannot become the roles' user", "user", strerror(errno));
    return true;
}

bool place_prepare(const struct config *config)
{
    const struct passwd *owner = NULL;

    if (geteuid() == 0) {
        owner = owner_of(config);
        if (!check_owner(owner))
            return false;
    }
    return own_folder(config->data, "", owner, 0750) && place_lock(config) &&
           own_folder(config->data, "/spool", owner, 0700) &&
           own_folder(config->data, "/empty", NULL, 0555);
}

/* Of a life that has just ended by force, a receiver may still have the address: it finds out that
 * nobody is above it any more, and goes. */
static int listen_alone(struct endpoint at)
{
    enum { PATIENCE_MS = 3000, PAUSE_MS = 20 };
    const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
    int fd = socket_listen(at, false);

    for (int waited_ms = 0; fd == -EADDRINUSE && waited_ms < PATIENCE_MS; waited_ms += PAUSE_MS) {
        (void)nanosleep(&pause, NULL);
        fd = socket_listen(at, false);
    }
    return fd;
}

/* A socket for each receiver. 0 or a negative errno. */
static int listen_at(struct endpoint at, unsigned number, struct listeners *listeners)
{
    /* Another program that shares the address would get every other connection: alone, first. */
    int fd = listen_alone(at);
    if (fd < 0)
        return fd;
    (void)close(fd);
    for (unsigned i = 0; i < listeners->receivers; i++) {
        fd = socket_listen(at, true);
        listeners->socket[i][number] = fd;
        if (fd < 0)
            return fd;
    }
    return 0;
}

static bool listen_for(const char *service, const struct config_endpoints *at, unsigned kind,
                       struct listeners *listeners)
{
    for (uint32_t i = 0; i < at->count; i++) {
        struct buf text = { 0 };
        int error = listen_at(at->item[i], listeners->count, listeners);
        endpoint_add_text(&text, at->item[i]);
        buf_add_byte(&text, '\0');
        if (error == 0)
            log_info("listening", LOG_TEXT("service", service), LOG_TEXT("address", text.ptr));
        else
            (void)complain("cannot listen", text.ptr, strerror(-error));
        buf_fini(&text);
        if (error != 0)
            return false;
        listeners->kind[listeners->count++] = kind;
    }
    return true;
}

static bool listen_smtp(const struct config *config, struct listeners *listeners)
{
    listeners->receivers = config->receivers;
    check(listeners->receivers <= RECEIVERS_MAX);
    return listen_for("smtp", &config->listen_smtp, LISTENER_SMTP, listeners) &&
           listen_for("smtps", &config->listen_smtps, LISTENER_SMTP | LISTENER_SECURE, listeners) &&
           listen_for("atrn", &config->listen_atrn, LISTENER_ATRN, listeners) &&
           listen_for("atrns", &config->listen_atrns, LISTENER_ATRN | LISTENER_SECURE, listeners);
}

static bool listen_portal(const struct config *config, struct listeners *listeners)
{
    for (uint32_t i = 0; i < config->listen_portal.count; i++) {
        struct buf text = { 0 };
        int fd = listen_alone(config->listen_portal.item[i]);
        endpoint_add_text(&text, config->listen_portal.item[i]);
        buf_add_byte(&text, '\0');
        if (fd >= 0)
            log_info("listening", LOG_TEXT("service", "portal"), LOG_TEXT("address", text.ptr));
        else
            (void)complain("cannot listen", text.ptr, strerror(-fd));
        buf_fini(&text);
        if (fd < 0)
            return false;
        listeners->portal[listeners->portal_count++] = fd;
    }
    return true;
}

bool place_listen(const struct config *config, struct listeners *out_listeners)
{
    char path[PATH_MAX_HERE];
    int error = 0;

    *out_listeners = (struct listeners){ .control = -1 };
    if (!path_of(config->control, "", path))
        return complain("the control socket's path is too long", "control", "shorten it");
    out_listeners->control = socket_listen_unix(path, 0660);
    /* Members of the roles' group may use it. */
    if (out_listeners->control >= 0 && geteuid() == 0)
        error = chown(path, 0, owner_of(config)->pw_gid) < 0 ? errno : 0;
    if (out_listeners->control < 0)
        error = -out_listeners->control;
    if (error != 0) {
        return complain("cannot listen", path, strerror(error));
    }
    return listen_smtp(config, out_listeners) && listen_portal(config, out_listeners);
}

void place_close(struct listeners *listeners)
{
    for (unsigned i = 0; i < listeners->receivers; i++)
        for (unsigned k = 0; k < listeners->count; k++)
            (void)close(listeners->socket[i][k]);
    for (unsigned i = 0; i < listeners->portal_count; i++)
        (void)close(listeners->portal[i]);
    if (listeners->control >= 0)
        (void)close(listeners->control);
    *listeners = (struct listeners){ .control = -1 };
}

static void add_address(struct config *config, struct endpoint address)
{
    struct config_endpoints *ours = &config->addresses;

    address.port = 0;
    for (uint32_t i = 0; i < ours->count; i++)
        if (endpoint_same_address(ours->item[i], address))
            return;
    if (ours->count == CONFIG_LIST_MAX) {
        log_warn("too_many_addresses", LOG_INT("limit", CONFIG_LIST_MAX));
        return;
    }
    ours->item[ours->count++] = address;
}

static void add_all_of_machine(struct config *config)
{
    struct ifaddrs *all;
    char text[INET6_ADDRSTRLEN];

    if (getifaddrs(&all) < 0)
        return;
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        struct endpoint address;
        const void *raw = NULL;
        int family = one->ifa_addr != NULL ? one->ifa_addr->sa_family : AF_UNSPEC;
        if (family == AF_INET)
            raw = &((const struct sockaddr_in *)(const void *)one->ifa_addr)->sin_addr;
        else if (family == AF_INET6)
            raw = &((const struct sockaddr_in6 *)(const void *)one->ifa_addr)->sin6_addr;
        if (raw != NULL && inet_ntop(family, raw, text, sizeof text) != NULL &&
            endpoint_from_ip(str_from(text), 0, &address))
            add_address(config, address);
    }
    freeifaddrs(all);
}

static bool is_any(struct endpoint endpoint)
{
    static const uint8_t zero[16];
    return memcmp(endpoint.address, zero, sizeof zero) == 0;
}

/* One processor is left to the keeper and its threads: where they share them all, each receiver has
 * fewer sessions to look after in a turn, and all wake each other more often. */
static uint32_t receivers_by_itself(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN) - 1;
    if (count < 1)
        return 1;
    return count > RECEIVERS_BY_ITSELF ? RECEIVERS_BY_ITSELF : (uint32_t)count;
}

/* True: one of them listens at all of the machine. */
static bool add_listeners(struct config *config, const struct config_endpoints *list)
{
    bool all = false;

    for (uint32_t i = 0; i < list->count; i++) {
        if (is_any(list->item[i]))
            all = true;
        else
            add_address(config, list->item[i]);
    }
    return all;
}

void place_fill_in(struct config *config)
{
    if (config->receivers == 0)
        config->receivers = receivers_by_itself();
    bool plain = add_listeners(config, &config->listen_smtp);
    bool secure = add_listeners(config, &config->listen_smtps);
    if (plain || secure)
        add_all_of_machine(config); /* who is called at `listen atrn` takes no mail there */
}

void place_notify(const char *state)
{
#ifdef HAVE_LIBSYSTEMD
    (void)sd_notify(0, state);
#else
    (void)state;
#endif
}
