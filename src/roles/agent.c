/* SPDX-License-Identifier: ISC */
/* agent.c: see agent.h.
 *
 * Each line goes round and round, by itself:
 *
 *     RESTING ─▶ LOOKING (is the local server there?) ─▶ RESOLVING ─▶ CONNECTING ─▶ CALLING
 *        ▲                                                                            │ 250
 *        └── at once when all went well, later and later when not ── ENDING ◀── TURNED ◀┘
 *
 * As long as the local server refuses connections, nobody calls: the backup would hand mail to
 * nobody, and hold its primary for alive. Octets pass through here, both ways; whoever reads
 * nothing is not read from.
 *
 * When it is told to stop, no line is called for any more, and those that are turned round have
 * time to come to the end of what is under way: whatever were cut there would be in doubt.
 */
#include "roles/agent.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/worker.h"
#include "call/adapter.h"
#include "call/call.h"
#include "net/socket.h"
#include "net/stream.h"

enum {
    ADDRESSES_MAX = 8,
    CONNECT_MS = 15 * SECOND_MS,
    SERVER_CONNECT_MS = 10 * SECOND_MS,
    AGAIN_MIN_MS = SECOND_MS,
    AGAIN_MAX_MS = MINUTE_MS,
    SERVER_AGAIN_MS = 2 * SECOND_MS,
    LAST_OCTETS_MS = 10 * SECOND_MS,
    STOP_MS = 20 * SECOND_MS, /* for what is under way when it is told to stop, … */
    QUIET_MS = SECOND_MS,     /* … which is nothing when the server was the last to speak */
    PENDING_MAX = 64 * 1024,
};

enum line_state {
    LINE_RESTING,
    LINE_LOOKING,
    LINE_RESOLVING,
    LINE_CONNECTING,
    LINE_CALLING,
    LINE_TURNED,
    LINE_ENDING, /* last octets are on their way */
};

struct agent;

struct agent_line {
    struct agent *agent;
    enum line_state state;
    bool must_look;      /* the local server did not answer the last time */
    unsigned failures;   /* in a row */
    int64_t deadline_ms; /* of the state; NEVER_MS: none */
    int fd;              /* while connecting to the backup; else -1 */
    int server_fd;       /* … to the server */
    struct watch *connecting, *server_connecting;
    struct stream *backup, *server;
    struct call *call;
    struct adapter *adapter; /* NULL: octets go through as they are */
    struct buf early;        /* for the server, until it is connected */
    struct endpoint client;  /* for the PROXY header; family 0: none is known */
    bool is_due;             /* to be looked after at the turn's end */
    bool is_over;
    bool went_well;
    bool has_waited;     /* the backup has taken this call, … */
    int64_t waited_ms;   /* … then */
    bool server_spoke;   /* … and the local server has said something */
    bool is_answered;    /* it was the last to speak, … */
    int64_t answered_ms; /* … then */
};

struct resolving {
    struct worker_job job;
    char host[256];
    uint16_t port;
    struct endpoint address[ADDRESSES_MAX];
    unsigned count;
    int error; /* of getaddrinfo() */
    bool is_under_way;
};

struct agent {
    const struct agent_settings *settings;
    struct call_settings call_settings;
    char instance[33];
    struct loop *loop;
    struct stream_set streams;
    struct random random;
    struct tls_client *tls;
    struct worker *worker;
    struct watch *worker_watch;
    struct resolving resolving;
    unsigned next_address;
    struct agent_line line[AGENT_LINES_MAX];
    int64_t stop_ms;  /* until when it stops; NEVER_MS: it has not been told to */
    bool has_waited;  /* once */
    const char *said; /* the last event of a failure, that it is not told every second */
};

static int64_t now_ms(const struct agent *agent)
{
    return loop_now(agent->loop).mono_ms;
}

/* ---- round and round ---- */

static void close_fd(int *fd, struct watch **watch)
{
    watch_free(*watch);
    *watch = NULL;
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void drop_all(struct agent_line *line)
{
    close_fd(&line->fd, &line->connecting);
    close_fd(&line->server_fd, &line->server_connecting);
    stream_free(line->backup);
    stream_free(line->server);
    line->backup = line->server = NULL;
    call_free(line->call);
    line->call = NULL;
    adapter_free(line->adapter);
    line->adapter = NULL;
    buf_fini(&line->early);
    line->is_over = line->is_due = false;
}

static void rest(struct agent_line *line, int64_t ms)
{
    struct agent *agent = line->agent;

    drop_all(line);
    line->state = LINE_RESTING;
    line->deadline_ms = now_ms(agent) + ms;
}

/* Longer and longer, and not all at once. */
static int64_t pause_of(const struct agent_line *line)
{
    int64_t ms = AGAIN_MIN_MS;

    for (unsigned i = 1; i < line->failures && ms < AGAIN_MAX_MS; i++)
        ms *= 2;
    ms = ms < AGAIN_MAX_MS ? ms : AGAIN_MAX_MS;
    return ms / 2 + (int64_t)random_below(&line->agent->random, (uint64_t)ms);
}

/* The same trouble is told once, until something has gone well. */
static void say_failure(struct agent *agent, const char *event, struct str why, const char *hint)
{
    if (agent->said == event)
        return;
    agent->said = event;
    if (hint != NULL)
        log_warn(event, LOG_STR("why", why), LOG_TEXT("hint", hint));
    else
        log_warn(event, LOG_STR("why", why));
}

/* Its next address, or another one by now. */
static void look_elsewhere(struct agent *agent)
{
    agent->next_address++;
    if (!agent->resolving.is_under_way)
        agent->resolving.count = 0;
}

static void fail(struct agent_line *line, const char *event, struct str why, const char *hint)
{
    line->failures++;
    look_elsewhere(line->agent);
    say_failure(line->agent, event, why, hint);
    rest(line, pause_of(line));
}

/* At the turn's end: streams cannot go while they call us. */
static void is_over(struct agent_line *line, bool went_well)
{
    line->is_over = line->is_due = true;
    line->went_well = went_well;
}

/* ---- the local server ---- */

static void server_came(struct agent_line *line);
static void resolve(struct agent_line *line);

static void server_is_away(struct agent_line *line, int error)
{
    line->must_look = true;
    say_failure(line->agent, "server_away", str_from(strerror(-error)),
                "the local mail server does not take connections; the backup is not called "
                "until it does");
    if (line->state == LINE_TURNED) /* perhaps from within a call of the backup's stream */
        is_over(line, false);
    else
        rest(line, SERVER_AGAIN_MS);
}

static void on_server_connected(void *context, unsigned what)
{
    struct agent_line *line = context;
    int fd = line->server_fd;
    int error = socket_error(fd);

    (void)what;
    watch_free(line->server_connecting);
    line->server_connecting = NULL;
    if (error != 0) {
        server_is_away(line, error);
        return;
    }
    line->must_look = false;
    if (line->state == LINE_LOOKING) {
        close_fd(&line->server_fd, &line->server_connecting);
        resolve(line);
        return;
    }
    server_came(line);
}

static void connect_server(struct agent_line *line)
{
    int fd = socket_connect(line->agent->settings->server);

    if (fd < 0) {
        server_is_away(line, fd);
        return;
    }
    line->server_fd = fd;
    line->server_connecting = watch_new(line->agent->loop, fd, on_server_connected, line);
    watch_set(line->server_connecting, WATCH_WRITE);
    line->deadline_ms = now_ms(line->agent) + SERVER_CONNECT_MS;
}

static void on_server_input(void *context, struct str bytes)
{
    struct agent_line *line = context;

    if (line->is_over || line->backup == NULL)
        return;
    line->server_spoke = line->is_answered = true;
    line->answered_ms = now_ms(line->agent);
    if (line->adapter != NULL)
        adapter_from_server(line->adapter, bytes);
    else
        stream_output(line->backup, bytes);
    line->is_due = true;
}

static void on_server_end(void *context, int error)
{
    struct agent_line *line = context;

    (void)error;
    if (line->is_over || line->state != LINE_TURNED)
        return;
    if (!line->server_spoke) { /* somebody takes connections there, and nobody is behind him */
        line->must_look = true;
        say_failure(line->agent, "server_away", STR("it hangs up before it has said a word"), NULL);
        is_over(line, false);
        return;
    }
    line->state = LINE_ENDING;
    line->deadline_ms = now_ms(line->agent) + LAST_OCTETS_MS;
    stream_close_after_flush(line->backup);
}

static bool on_drained(void *context)
{
    struct agent_line *line = context;
    line->is_due = true;
    return true;
}

static void on_server_closed(void *context)
{
    struct agent_line *line = context;
    line->server = NULL;
    is_over(line, true);
}

static const struct stream_host server_hooks = { .input = on_server_input,
                                                 .end = on_server_end,
                                                 .drained = on_drained,
                                                 .closed = on_server_closed };

static void server_came(struct agent_line *line)
{
    struct agent *agent = line->agent;
    struct buf header = { 0 };

    line->deadline_ms = NEVER_MS;
    line->server = stream_new(agent->loop, &agent->streams, line->server_fd, &server_hooks, line);
    line->server_fd = -1;
    if (agent->settings->is_proxied)
        adapter_add_proxy_header(&header, line->client, agent->settings->server);
    stream_output(line->server, buf_str(&header));
    stream_output(line->server, buf_str(&line->early));
    buf_fini(&header);
    buf_fini(&line->early);
    line->is_due = true;
}

/* ---- the adapter ---- */

static void on_to_server(void *context, struct str bytes)
{
    struct agent_line *line = context;

    if (line->server != NULL)
        stream_output(line->server, bytes);
    else
        buf_add(&line->early, bytes);
}

static void on_to_backup(void *context, struct str bytes)
{
    const struct agent_line *line = context;
    stream_output(line->backup, bytes);
}

static void on_reconnect(void *context, struct endpoint client)
{
    struct agent_line *line = context;

    line->client = client;
    stream_free(line->server); /* a command has come from the backup: it is not calling */
    line->server = NULL;
    close_fd(&line->server_fd, &line->server_connecting);
    connect_server(line);
}

static void on_broken(void *context, const char *why)
{
    struct agent_line *line = context;

    say_failure(line->agent, "line_broken", str_from(why), NULL);
    is_over(line, false);
}

static const struct adapter_host adapter_hooks = { .to_server = on_to_server,
                                                   .to_backup = on_to_backup,
                                                   .reconnect = on_reconnect,
                                                   .broken = on_broken };

/* ---- the call ---- */

static void on_call_send(void *context, struct str bytes)
{
    const struct agent_line *line = context;
    stream_output(line->backup, bytes);
}

static void secure(struct agent_line *line)
{
    const struct agent_settings *settings = line->agent->settings;
    stream_secure(line->backup, tls_connect(line->agent->tls, &settings->security, STR_NONE));
}

static void on_call_start_tls(void *context)
{
    secure(context);
}

static void on_call_waits(void *context)
{
    struct agent_line *line = context;

    line->has_waited = true;
    line->waited_ms = now_ms(line->agent);
    if (line->agent->said != NULL || !line->agent->has_waited)
        log_info("agent_waits", LOG_STR("backup", line->agent->settings->backup));
    line->agent->said = NULL;
    line->agent->has_waited = true;
}

static void on_call_turned(void *context, struct str rest_of_it)
{
    struct agent_line *line = context;
    const struct agent_settings *settings = line->agent->settings;
    const struct adapter_settings wishes = { settings->is_lmtp, settings->is_proxied };

    log_info("agent_turned", LOG_STR("backup", settings->backup));
    line->state = LINE_TURNED;
    line->client = (struct endpoint){ 0 };
    if (wishes.is_lmtp || wishes.is_proxied)
        line->adapter = adapter_new(&wishes, &adapter_hooks, line);
    buf_add(&line->early, rest_of_it);
    connect_server(line);
}

static void on_call_over(void *context, enum call_end end, struct str why)
{
    static const char *const event[] = { [CALL_LOST] = "backup_lost",
                                         [CALL_LATER] = "backup_busy",
                                         [CALL_REFUSED] = "backup_refuses",
                                         [CALL_STRANGER] = "backup_unsuitable" };
    struct agent_line *line = context;

    say_failure(line->agent, event[end], why,
                end == CALL_REFUSED
                    ? "look at --user, --secret-file and --domains; `holdfast domain "
                      "secret` on the backup makes a secret"
                    : NULL);
    if (end == CALL_REFUSED || end == CALL_STRANGER)
        line->failures += 4; /* it will not be better in a second */
    is_over(line, false);
}

static const struct call_host call_hooks = { .send = on_call_send,
                                             .start_tls = on_call_start_tls,
                                             .waits = on_call_waits,
                                             .turned = on_call_turned,
                                             .over = on_call_over };

/* ---- the backup ---- */

static void on_backup_input(void *context, struct str bytes)
{
    struct agent_line *line = context;

    if (line->is_over)
        return;
    line->is_due = true;
    line->is_answered = false;
    if (line->state == LINE_CALLING)
        call_feed(line->call, bytes, loop_now(line->agent->loop));
    else if (line->adapter != NULL)
        adapter_from_backup(line->adapter, bytes);
    else
        on_to_server(line, bytes);
}

static void on_backup_secured(void *context)
{
    struct agent_line *line = context;

    if (line->call != NULL && !line->is_over)
        call_secured(line->call, loop_now(line->agent->loop));
}

static void on_backup_end(void *context, int error)
{
    struct agent_line *line = context;

    if (line->is_over)
        return;
    if (error == -EPROTO) {
        say_failure(
            line->agent, "backup_stranger", tls_why(stream_tls(line->backup)),
            "who answers there has not shown that he is the backup; nothing was said to him");
        is_over(line, false);
    } else if (line->state == LINE_CALLING) {
        call_lost(line->call);
    } else if (line->state == LINE_TURNED && line->server != NULL && error == 0) {
        line->state = LINE_ENDING; /* the server hears the QUIT that came before */
        line->deadline_ms = now_ms(line->agent) + LAST_OCTETS_MS;
        stream_close_after_flush(line->server);
    } else {
        is_over(line, line->state != LINE_CALLING);
    }
}

static void on_backup_closed(void *context)
{
    struct agent_line *line = context;
    line->backup = NULL;
    is_over(line, true);
}

static const struct stream_host backup_hooks = { .input = on_backup_input,
                                                 .end = on_backup_end,
                                                 .secured = on_backup_secured,
                                                 .drained = on_drained,
                                                 .closed = on_backup_closed };

static void call_backup(struct agent_line *line)
{
    struct agent *agent = line->agent;
    bool from_start = agent->settings->security.from_start;

    line->state = LINE_CALLING;
    line->deadline_ms = NEVER_MS; /* the call has its own */
    line->has_waited = line->server_spoke = line->is_answered = false;
    line->backup = stream_new(agent->loop, &agent->streams, line->fd, &backup_hooks, line);
    line->fd = -1;
    stream_keep_alive(line->backup);
    line->call =
        call_new(&agent->call_settings, &call_hooks, line, from_start, loop_now(agent->loop));
    if (from_start)
        secure(line);
}

static void on_backup_connected(void *context, unsigned what)
{
    struct agent_line *line = context;
    int error = socket_error(line->fd);

    (void)what;
    watch_free(line->connecting);
    line->connecting = NULL;
    if (error != 0) {
        fail(line, "backup_away", str_from(strerror(-error)), NULL);
        return;
    }
    call_backup(line);
}

static void connect_backup(struct agent_line *line)
{
    struct agent *agent = line->agent;
    struct endpoint to = agent->resolving.address[agent->next_address % agent->resolving.count];
    int fd = socket_connect(to);

    line->state = LINE_CONNECTING;
    line->deadline_ms = now_ms(agent) + CONNECT_MS;
    if (fd < 0) {
        fail(line, "backup_away", str_from(strerror(-fd)), NULL);
        return;
    }
    line->fd = fd;
    line->connecting = watch_new(agent->loop, fd, on_backup_connected, line);
    watch_set(line->connecting, WATCH_WRITE);
}

/* ---- its addresses ---- */

static void look_up(struct worker_job *job)
{
    struct resolving *resolving = container_of(job, struct resolving, job);
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *found = NULL;

    resolving->count = 0;
    resolving->error = getaddrinfo(resolving->host, NULL, &hints, &found);
    for (const struct addrinfo *one = found; one != NULL && resolving->count < ADDRESSES_MAX;
         one = one->ai_next) {
        struct endpoint *address = &resolving->address[resolving->count];
        *address = (struct endpoint){ .port = resolving->port };
        if (one->ai_family == AF_INET) {
            address->family = ENDPOINT_IP4;
            memcpy(address->address,
                   &((const struct sockaddr_in *)(const void *)one->ai_addr)->sin_addr, 4);
            resolving->count++;
        } else if (one->ai_family == AF_INET6) {
            address->family = ENDPOINT_IP6;
            memcpy(address->address,
                   &((const struct sockaddr_in6 *)(const void *)one->ai_addr)->sin6_addr, 16);
            resolving->count++;
        }
    }
    if (found != NULL)
        freeaddrinfo(found);
}

static void looked_up(struct worker_job *job)
{
    struct resolving *resolving = container_of(job, struct resolving, job);
    struct agent *agent = container_of(resolving, struct agent, resolving);

    resolving->is_under_way = false;
    for (unsigned i = 0; i < agent->settings->lines; i++) {
        struct agent_line *line = &agent->line[i];
        if (line->state != LINE_RESOLVING)
            continue;
        if (resolving->count > 0)
            connect_backup(line);
        else
            fail(line, "backup_unknown",
                 resolving->error != 0 ? str_from(gai_strerror(resolving->error))
                                       : STR("it has no address"),
                 NULL);
    }
}

static void resolve(struct agent_line *line)
{
    struct agent *agent = line->agent;
    struct resolving *resolving = &agent->resolving;

    line->deadline_ms = NEVER_MS;
    if (resolving->count > 0 && !resolving->is_under_way) {
        connect_backup(line);
        return;
    }
    line->state = LINE_RESOLVING;
    if (resolving->is_under_way)
        return;
    resolving->is_under_way = true;
    worker_submit(agent->worker, &resolving->job);
}

static void on_worker(void *context, unsigned what)
{
    const struct agent *agent = context;

    (void)what;
    (void)worker_collect(agent->worker);
}

/* ---- turns ---- */

static void begin(struct agent_line *line)
{
    line->deadline_ms = NEVER_MS;
    if (line->must_look) {
        line->state = LINE_LOOKING;
        connect_server(line);
    } else {
        resolve(line);
    }
}

static void expire(struct agent_line *line)
{
    switch (line->state) {
    case LINE_RESTING:
        begin(line);
        return;
    case LINE_CONNECTING:
        fail(line, "backup_away", STR("it does not answer"), NULL);
        return;
    case LINE_LOOKING:
    case LINE_TURNED:
        server_is_away(line, -ETIMEDOUT);
        return;
    case LINE_ENDING:
        is_over(line, true);
        return;
    case LINE_CALLING:
    case LINE_RESOLVING:
        return;
    }
}

static void balance(const struct agent_line *line)
{
    if (line->state != LINE_TURNED || line->backup == NULL)
        return;
    size_t for_server = line->server != NULL ? stream_pending(line->server) : line->early.len;
    stream_want_input(line->backup, for_server < PENDING_MAX);
    if (line->server != NULL)
        stream_want_input(line->server, stream_pending(line->backup) < PENDING_MAX);
}

/* ---- the end ---- */

static bool is_stopping(const struct agent *agent)
{
    return agent->stop_ms != NEVER_MS;
}

/* Until when something may be under way on it. */
static int64_t under_way_until(const struct agent_line *line)
{
    int64_t stop_ms = line->agent->stop_ms;
    bool is_up = line->state == LINE_TURNED || line->state == LINE_ENDING;

    if (!is_up || line->is_over)
        return 0;
    return line->is_answered && line->answered_ms + QUIET_MS < stop_ms
               ? line->answered_ms + QUIET_MS
               : stop_ms;
}

/* Returns when it is to be called again. */
static int64_t stop_when_done(struct agent *agent, struct now now)
{
    int64_t deadline = NEVER_MS;

    for (unsigned i = 0; i < agent->settings->lines; i++) {
        int64_t until = under_way_until(&agent->line[i]);
        if (until <= now.mono_ms)
            rest(&agent->line[i], NEVER_MS - now.mono_ms);
        else
            deadline = until < deadline ? until : deadline;
    }
    if (deadline == NEVER_MS)
        loop_stop(agent->loop);
    return deadline;
}

/* When it is to be looked after next. */
static int64_t look_after(struct agent_line *line, struct now now)
{
    if (line->deadline_ms <= now.mono_ms)
        expire(line);
    if (line->state == LINE_CALLING && !line->is_over && call_deadline(line->call) <= now.mono_ms)
        call_tick(line->call, now);
    if (line->is_over && line->went_well) {
        bool was_short = now.mono_ms - line->waited_ms < AGAIN_MIN_MS; /* nobody was handed much */
        line->failures = 0;
        rest(line, was_short ? AGAIN_MIN_MS : 0);
    } else if (line->is_over) {
        if (line->has_waited && now.mono_ms - line->waited_ms > AGAIN_MAX_MS)
            line->failures = 0; /* until a moment ago all was well */
        line->failures++;
        if (!line->has_waited)
            look_elsewhere(line->agent);
        rest(line, pause_of(line));
    }
    line->is_due = false;
    balance(line);
    int64_t deadline = line->deadline_ms;
    if (line->state == LINE_CALLING && call_deadline(line->call) < deadline)
        deadline = call_deadline(line->call);
    return deadline;
}

static int64_t turn(void *context, struct now now)
{
    struct agent *agent = context;
    int64_t deadline = is_stopping(agent) ? stop_when_done(agent, now) : NEVER_MS;

    for (unsigned i = 0; i < agent->settings->lines; i++) {
        int64_t of_line = look_after(&agent->line[i], now);
        deadline = of_line < deadline ? of_line : deadline;
    }
    log_flush();
    if (stream_set_flush(&agent->streams))
        deadline = now.mono_ms;
    for (unsigned i = 0; i < agent->settings->lines; i++)
        if (agent->line[i].is_due)
            deadline = now.mono_ms;
    return deadline;
}

static void on_stop(void *context, int number)
{
    struct agent *agent = context;

    log_info("stopping", LOG_TEXT("signal", strsignal(number)));
    if (is_stopping(agent)) /* told twice */
        loop_stop(agent->loop);
    else
        agent->stop_ms = now_ms(agent) + STOP_MS;
}

/* ---- the whole ---- */

static void set_up(struct agent *agent, const struct agent_settings *settings)
{
    struct buf instance = { 0 };

    agent->settings = settings;
    agent->stop_ms = NEVER_MS;
    random_from_kernel(&agent->random);
    for (int i = 0; i < 2; i++)
        buf_add_format(&instance, "%016llx", (unsigned long long)random_u64(&agent->random));
    memcpy(agent->instance, instance.ptr, sizeof agent->instance - 1);
    buf_fini(&instance);
    agent->call_settings = (struct call_settings){ .hostname = settings->hostname,
                                                   .user = settings->user,
                                                   .secret = settings->secret,
                                                   .domains = settings->domains,
                                                   .instance = str_from(agent->instance) };
    stream_set_init(&agent->streams);
    agent->loop = loop_new();
    agent->tls = tls_client_new(settings->anchors);
    agent->worker = worker_new();
    agent->worker_watch =
        watch_new(agent->loop, worker_descriptor(agent->worker), on_worker, agent);
    watch_set(agent->worker_watch, WATCH_READ);
    agent->resolving.job.run = look_up;
    agent->resolving.job.done = looked_up;
    agent->resolving.port = settings->backup_port;
    memcpy(agent->resolving.host, settings->backup.ptr, settings->backup.len);
    for (unsigned i = 0; i < settings->lines; i++)
        agent->line[i] =
            (struct agent_line){ .agent = agent, .fd = -1, .server_fd = -1, .must_look = true };
}

int agent_run(const struct agent_settings *settings)
{
    static const int stop[] = { SIGTERM, SIGINT };
    struct agent *agent = memory_new(sizeof *agent);
    struct watch *signals[2];
    int status = 0;

    check(settings->backup.len < sizeof agent->resolving.host &&
          settings->lines <= AGENT_LINES_MAX);
    log_init("agent", LOG_INFO);
    check(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    set_up(agent, settings);
    if (settings->certificate.chain.len > 0 &&
        !tls_client_show(agent->tls, settings->certificate)) {
        log_error(
            "certificate_unusable",
            LOG_TEXT("hint", "the file holds a certificate and its key (PEM, no passphrase)"));
        status = 2;
        loop_stop(agent->loop);
    }
    for (int i = 0; i < 2; i++)
        signals[i] = watch_signal(agent->loop, stop[i], on_stop, agent);
    loop_run(agent->loop, turn, agent);
    for (unsigned i = 0; i < settings->lines; i++)
        drop_all(&agent->line[i]);
    for (int i = 0; i < 2; i++)
        watch_free(signals[i]);
    watch_free(agent->worker_watch);
    worker_free(agent->worker);
    tls_client_free(agent->tls);
    loop_free(agent->loop);
    log_flush();
    memory_free(agent);
    return status;
}
