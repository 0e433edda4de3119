/* SPDX-License-Identifier: ISC */
/* sink.c: a primary of many tempers, fast, and with a good memory.
 *
 *     sink --listen IP:PORT --log FILE [options]
 *
 * Prints "ready" once it listens. Ends at SIGTERM. What happens is written to the log, a line
 * each:
 *     connect OPEN                            sessions open now, this one included
 *     refused OPEN                            turned away by --sessions
 *     message ID HASH SIZE FROM RCPT[,RCPT] AT TRACE   taken: 250 was said
 *     doubt ID HASH SIZE FROM RCPT[,RCPT] AT TRACE     came whole, but no 250 was said
 * ID is the X-Load-Id field, else Message-Id, else "-"; HASH (SHA-256) and SIZE are the body's,
 * after dots have been taken out. AT is the Unix time in ms; TRACE the id in the topmost Received
 * field that has one, else "-": the name that the message has in the log of who sent it.
 *
 * Tempers
 *     --sessions N           421 for more than N at once
 *     --say POINT=REPLY      answers so at banner, ehlo, mail, rcpt, data, content, dot;
 *                            REPLY "drop" closes the connection, "silent" says nothing at all
 *     --times POINT=N        … only the first N times
 *     --match PATTERN        … at rcpt, only for addresses that match (as file names do)
 *     --from PATTERN         … at dot, only for messages whose sender matches
 *     --delay MS             waits before the answer to a message
 *     --per-session N        hangs up without a word after N messages
 *     --chunking             announces CHUNKING and takes BDAT
 *     --crc              HASH is the CRC-32C, which costs next to nothing
 *     --without KEYWORD      does not announce PIPELINING, 8BITMIME, SMTPUTF8 or SIZE
 */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/endpoint.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"
#include "sha256.h"

enum point { AT_BANNER, AT_EHLO, AT_MAIL, AT_RCPT, AT_DATA, AT_CONTENT, AT_DOT, POINTS };
static const char *const point_name[POINTS] = { "banner", "ehlo",    "mail", "rcpt",
                                                "data",   "content", "dot" };

struct temper {
    const char *say[POINTS]; /* NULL: as a good primary does */
    long times[POINTS];      /* left; -1: always */
    const char *match;
    const char *from;
    const char *without[4];
    size_t without_count;
    long sessions;
    long per_session;
    long delay_ms;
    bool chunking;
};

struct sink {
    struct temper temper;
    int epoll;
    int listener;
    int signals;
    FILE *log;
    bool is_cheap; /* --crc */
    long open;
    struct heap waiting; /* sessions whose answer is delayed */
    struct link gone;    /* closed in this turn, freed at its end */
};

enum phase { PHASE_COMMAND, PHASE_DATA, PHASE_CHUNK, PHASE_WAIT, PHASE_CLOSED };

struct session {
    struct sink *sink;
    struct heap_node wait;
    struct link gone;
    int fd;
    enum phase phase;
    struct buf in;
    struct buf out;
    bool wants_write;
    bool must_close; /* once `out` is sent */
    struct buf sender;
    struct buf recipients; /* comma-separated */
    long messages;
    /* the content */
    uint64_t chunk_left;
    bool chunk_is_last;
    bool began;
    bool in_header;
    bool at_line_start;
    struct buf id;
    struct buf trace;
    struct buf header_line;
    struct sha256 sha;
    uint32_t crc;
    uint64_t size;
};

static void reply(struct session *session, const char *text)
{
    buf_add(&session->out, str_from(text));
    buf_add(&session->out, STR("\r\n"));
}

static void close_session(struct session *session)
{
    if (session->phase == PHASE_CLOSED)
        return;
    session->phase = PHASE_CLOSED;
    heap_remove(&session->sink->waiting, &session->wait);
    (void)close(session->fd);
    session->sink->open--;
    list_append(&session->sink->gone, &session->gone);
}

static void free_session(struct session *session)
{
    buf_fini(&session->in);
    buf_fini(&session->out);
    buf_fini(&session->sender);
    buf_fini(&session->recipients);
    buf_fini(&session->id);
    buf_fini(&session->trace);
    buf_fini(&session->header_line);
    memory_free(session);
}

/* Does the temper speak at this point? Then the normal answer is left out. */
static bool is_moody(struct session *session, enum point point)
{
    struct temper *temper = &session->sink->temper;
    const char *say = temper->say[point];
    if (say == NULL || temper->times[point] == 0)
        return false;
    if (temper->times[point] > 0)
        temper->times[point]--;
    if (strcmp(say, "drop") == 0)
        close_session(session);
    else if (strcmp(say, "silent") != 0)
        reply(session, say);
    return true;
}

/* ---- content ---- */

static void begin_content(struct session *session)
{
    session->began = true;
    session->in_header = true;
    session->at_line_start = true;
    session->size = 0;
    buf_reset(&session->id);
    buf_reset(&session->trace);
    buf_reset(&session->header_line);
    sha256_init(&session->sha);
    session->crc = 0;
}

/* "… by NODE with ESMTP id ID[;]": of a Received field or one of its further lines. */
static void take_trace(struct session *session, struct str line)
{
    struct str word;
    bool is_named = false;

    if (session->trace.len > 0 || line.len == 0 ||
        (line.ptr[0] != '\t' && line.ptr[0] != ' ' && !str_starts_nocase(line, STR("Received:"))))
        return;
    while (str_cut(&line, ' ', &word)) {
        if (is_named && word.len > 0) {
            ptrdiff_t end = str_find(word, ';');
            buf_add(&session->trace, end < 0 ? word : str_first(word, (size_t)end));
            return;
        }
        is_named = str_equals(str_trim(word), STR("id"));
    }
}

static void take_header_line(struct session *session)
{
    struct str line = buf_str(&session->header_line);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0)
        session->in_header = false;
    take_trace(session, line);
    bool ours = str_starts_nocase(line, STR("X-Load-Id:"));
    if (ours || (session->id.len == 0 && str_starts_nocase(line, STR("Message-Id:")))) {
        buf_reset(&session->id);
        buf_add(&session->id, str_trim(str_skip(line, (size_t)str_find(line, ':') + 1)));
    }
    buf_reset(&session->header_line);
}

static void take_content(struct session *session, struct str bytes)
{
    while (session->in_header && bytes.len > 0) {
        ptrdiff_t end = str_find(bytes, '\n');
        size_t len = end < 0 ? bytes.len : (size_t)end;
        buf_add(&session->header_line, str_first(bytes, len));
        bytes = str_skip(bytes, end < 0 ? len : len + 1);
        if (end >= 0)
            take_header_line(session);
    }
    session->size += bytes.len;
    if (session->sink->is_cheap)
        session->crc = crc32c(session->crc, bytes);
    else
        sha256_add(&session->sha, bytes);
}

static void note(struct session *session, const char *what)
{
    char hex[SHA256_TEXT_SIZE + 1];
    if (session->id.len == 0)
        buf_add(&session->id, STR("-"));
    if (session->sink->is_cheap)
        (void)snprintf(hex, sizeof hex, "%08x", session->crc);
    else
        sha256_end(&session->sha, hex);
    if (session->trace.len == 0)
        buf_add(&session->trace, STR("-"));
    (void)fprintf(session->sink->log, "%s %.*s %s %llu <%.*s> %.*s %lld %.*s\n", what,
                  STR_FMT(buf_str(&session->id)), hex, (unsigned long long)session->size,
                  STR_FMT(buf_str(&session->sender)), STR_FMT(buf_str(&session->recipients)),
                  (long long)clock_now().wall_ms, STR_FMT(buf_str(&session->trace)));
}

static bool is_meant(struct session *session)
{
    const char *from = session->sink->temper.from;
    if (from == NULL)
        return true;
    buf_add_byte(&session->sender, '\0');
    session->sender.len--;
    return fnmatch(from, session->sender.ptr, FNM_CASEFOLD) == 0;
}

static void answer_message(struct session *session)
{
    const struct temper *temper = &session->sink->temper;
    session->phase = PHASE_COMMAND;
    session->began = false;
    if (is_meant(session) && is_moody(session, AT_DOT)) {
        note(session, "doubt");
    } else {
        note(session, "message");
        reply(session, "250 2.0.0 Taken");
        session->messages++;
        if (temper->per_session > 0 && session->messages >= temper->per_session)
            session->must_close = true;
    }
    buf_reset(&session->sender);
    buf_reset(&session->recipients);
}

static void end_content(struct session *session)
{
    if (session->sink->temper.delay_ms == 0) {
        answer_message(session);
        return;
    }
    session->phase = PHASE_WAIT;
    heap_put(&session->sink->waiting, &session->wait,
             clock_now().mono_ms + session->sink->temper.delay_ms);
}

/* ---- commands ---- */

static bool announces(const struct temper *temper, const char *keyword)
{
    for (size_t i = 0; i < temper->without_count; i++)
        if (strcmp(temper->without[i], keyword) == 0)
            return false;
    return strcmp(keyword, "CHUNKING") != 0 || temper->chunking;
}

static void on_ehlo(struct session *session)
{
    static const char *const keywords[] = { "PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING" };
    const struct temper *temper = &session->sink->temper;
    if (is_moody(session, AT_EHLO))
        return;
    reply(session, "250-sink.example");
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (announces(temper, keywords[i]))
            buf_add_format(&session->out, "250-%s\r\n", keywords[i]);
    if (announces(temper, "SIZE"))
        reply(session, "250-SIZE 104857600");
    reply(session, "250 ENHANCEDSTATUSCODES");
}

static struct str path_of(struct str line)
{
    ptrdiff_t open = str_find(line, '<');
    ptrdiff_t close = str_find_last(line, '>');
    if (open < 0 || close < open)
        return STR("?");
    return str_first(str_skip(line, (size_t)open + 1), (size_t)(close - open - 1));
}

static void on_mail(struct session *session, struct str line)
{
    if (is_moody(session, AT_MAIL))
        return;
    buf_reset(&session->sender);
    buf_add(&session->sender, path_of(line));
    buf_reset(&session->recipients);
    reply(session, "250 2.1.0 Ok");
}

static void on_rcpt(struct session *session, struct str line)
{
    struct buf address = { 0 };
    buf_add(&address, path_of(line));
    buf_add_byte(&address, '\0');
    const char *match = session->sink->temper.match;
    bool matches = match == NULL || fnmatch(match, address.ptr, FNM_CASEFOLD) == 0;
    if (!matches || !is_moody(session, AT_RCPT)) {
        if (session->recipients.len > 0)
            buf_add_byte(&session->recipients, ',');
        buf_add(&session->recipients, str_from(address.ptr));
        reply(session, "250 2.1.5 Ok");
    }
    buf_fini(&address);
}

static void on_data(struct session *session)
{
    if (session->recipients.len == 0) {
        reply(session, "554 5.5.1 No valid recipients");
        return;
    }
    if (is_moody(session, AT_DATA))
        return;
    reply(session, "354 Go ahead");
    begin_content(session);
    session->phase = PHASE_DATA;
}

static void on_bdat(struct session *session, struct str line)
{
    struct str rest = str_trim(str_skip(line, 4));
    struct str size = STR_NONE;
    (void)str_cut(&rest, ' ', &size);
    if (!session->sink->temper.chunking || !str_to_u64(size, UINT32_MAX, &session->chunk_left)) {
        reply(session, "502 5.5.1 BDAT is not served");
        session->must_close = true; /* what follows is content that we could not tell apart */
        return;
    }
    session->chunk_is_last = str_equals_nocase(str_trim(rest), STR("LAST"));
    if (!session->began)
        begin_content(session);
    session->phase = PHASE_CHUNK;
}

static void on_command(struct session *session, struct str line)
{
    if (str_starts_nocase(line, STR("EHLO")) || str_starts_nocase(line, STR("HELO")))
        on_ehlo(session);
    else if (str_starts_nocase(line, STR("MAIL")))
        on_mail(session, line);
    else if (str_starts_nocase(line, STR("RCPT")))
        on_rcpt(session, line);
    else if (str_starts_nocase(line, STR("DATA")))
        on_data(session);
    else if (str_starts_nocase(line, STR("BDAT")))
        on_bdat(session, line);
    else if (str_starts_nocase(line, STR("RSET"))) {
        buf_reset(&session->recipients);
        session->began = false;
        reply(session, "250 2.0.0 Ok");
    } else if (str_starts_nocase(line, STR("NOOP")))
        reply(session, "250 2.0.0 Ok");
    else if (str_starts_nocase(line, STR("QUIT"))) {
        reply(session, "221 2.0.0 Bye");
        session->must_close = true;
    } else
        reply(session, "502 5.5.2 What?");
}

/* ---- bytes ---- */

static void take_data_line(struct session *session, struct str line) /* with its line end */
{
    if (str_equals(line, STR(".\r\n"))) {
        end_content(session);
        return;
    }
    take_content(session, line.ptr[0] == '.' ? str_skip(line, 1) : line);
}

static void take_chunk(struct session *session, struct str *input)
{
    struct str part = str_first(*input, (size_t)session->chunk_left);
    take_content(session, part);
    *input = str_skip(*input, part.len);
    session->chunk_left -= part.len;
    if (session->chunk_left > 0)
        return;
    if (session->chunk_is_last) {
        end_content(session);
    } else {
        session->phase = PHASE_COMMAND;
        reply(session, "250 2.0.0 Chunk taken");
    }
}

static bool is_taking_content(const struct session *session)
{
    return session->phase == PHASE_DATA || session->phase == PHASE_CHUNK;
}

static void take_input(struct session *session)
{
    struct str input = buf_str(&session->in);

    while (session->phase != PHASE_CLOSED && session->phase != PHASE_WAIT && !session->must_close) {
        if (is_taking_content(session) && input.len > 0 && is_moody(session, AT_CONTENT)) {
            session->must_close = true; /* nobody says a word in the middle and stays */
            continue;
        }
        if (session->phase == PHASE_CHUNK && (input.len > 0 || session->chunk_left == 0)) {
            take_chunk(session, &input);
            continue;
        }
        ptrdiff_t end = str_find(input, '\n');
        if (end < 0 || session->phase == PHASE_CHUNK)
            break;
        struct str line = str_first(input, (size_t)end + 1);
        input = str_skip(input, line.len);
        if (session->phase == PHASE_DATA) {
            take_data_line(session, line);
        } else {
            line.len -= line.len > 1 && line.ptr[line.len - 2] == '\r' ? 2 : 1;
            on_command(session, line);
        }
    }
    buf_consume(&session->in, session->in.len - input.len);
}

static void flush_output(struct session *session)
{
    if (session->phase == PHASE_CLOSED)
        return;
    while (session->out.len > 0) {
        ssize_t sent = send(session->fd, session->out.ptr, session->out.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            close_session(session);
            return;
        }
        if (sent < 0)
            break;
        buf_consume(&session->out, (size_t)sent);
    }
    if (session->out.len == 0 && session->must_close) {
        close_session(session);
        return;
    }
    bool wants_write = session->out.len > 0;
    if (wants_write != session->wants_write) {
        struct epoll_event event = { .events = EPOLLIN | (wants_write ? EPOLLOUT : 0u),
                                     .data.ptr = session };
        check(epoll_ctl(session->sink->epoll, EPOLL_CTL_MOD, session->fd, &event) == 0);
        session->wants_write = wants_write;
    }
}

static void on_readable(struct session *session)
{
    enum { READ_SIZE = 256 * 1024 };
    buf_reserve(&session->in, READ_SIZE);
    ssize_t got = recv(session->fd, session->in.ptr + session->in.len, READ_SIZE, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        close_session(session);
        return;
    }
    if (got > 0)
        session->in.len += (size_t)got;
    take_input(session);
}

static void on_accept(struct sink *sink)
{
    int fd = accept4(sink->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct session *session = memory_new(sizeof *session);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = session };
    session->sink = sink;
    session->fd = fd;
    check(epoll_ctl(sink->epoll, EPOLL_CTL_ADD, fd, &event) == 0);
    sink->open++;
    bool is_full = sink->temper.sessions > 0 && sink->open > sink->temper.sessions;
    (void)fprintf(sink->log, "%s %ld\n", is_full ? "refused" : "connect", sink->open);
    if (is_full) {
        reply(session, "421 4.7.0 Too many sessions");
        session->must_close = true;
    } else if (!is_moody(session, AT_BANNER)) {
        reply(session, "220 sink.example ESMTP");
    }
    flush_output(session);
}

static void answer_waiting(struct sink *sink)
{
    struct heap_node *node;
    int64_t now = clock_now().mono_ms;
    while ((node = heap_take_due(&sink->waiting, now)) != NULL) {
        struct session *session = container_of(node, struct session, wait);
        answer_message(session);
        take_input(session);
        flush_output(session);
    }
}

static int time_left(const struct sink *sink)
{
    struct heap_node *first = heap_first(&sink->waiting);
    if (first == NULL)
        return -1;
    int64_t left = first->key - clock_now().mono_ms;
    return left > 0 ? (int)left : 0;
}

static void serve(struct sink *sink)
{
    struct epoll_event event[64];
    for (;;) {
        int count = epoll_wait(sink->epoll, event, 64, time_left(sink));
        for (int i = 0; i < count; i++) {
            if (event[i].data.ptr == &sink->signals)
                return;
            if (event[i].data.ptr == sink) {
                on_accept(sink);
                continue;
            }
            struct session *session = event[i].data.ptr;
            if (session->phase != PHASE_CLOSED && (event[i].events & ~(uint32_t)EPOLLOUT) != 0)
                on_readable(session);
            flush_output(session);
        }
        answer_waiting(sink);
        (void)fflush(sink->log);
        list_each_safe (link, &sink->gone)
            free_session(container_of(link, struct session, gone));
        list_init(&sink->gone);
    }
}

/* ---- start ---- */

static _Noreturn void usage(const char *why)
{
    (void)fprintf(stderr, "sink: %s; its head comment lists the options\n", why);
    exit(2);
}

static enum point point_of(const char *text, const char **out_value)
{
    const char *equals = strchr(text, '=');
    for (int i = 0; equals != NULL && i < POINTS; i++) {
        if (str_equals(str_of(text, (size_t)(equals - text)), str_from(point_name[i]))) {
            *out_value = equals + 1;
            return (enum point)i;
        }
    }
    usage(text);
}

static int listen_at(const char *text)
{
    struct endpoint endpoint;
    int one = 1;
    if (!endpoint_from_text(str_from(text), 0, &endpoint) || endpoint.family != ENDPOINT_IP4)
        usage(text);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(endpoint.port) };
    memcpy(&address.sin_addr, endpoint.address, 4);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    check(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1024) < 0) {
        perror(text);
        exit(1);
    }
    return fd;
}

static void watch(struct sink *sink, int fd, void *name)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = name };
    check(epoll_ctl(sink->epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void start(struct sink *sink, const char *address, const char *log)
{
    sigset_t signals;
    if (*address == '\0' || *log == '\0')
        usage("--listen and --log are needed");
    sink->log = fopen(log, "ae");
    if (sink->log == NULL) {
        perror(log);
        exit(1);
    }
    list_init(&sink->gone);
    sink->epoll = epoll_create1(EPOLL_CLOEXEC);
    check(sigemptyset(&signals) == 0 && sigaddset(&signals, SIGTERM) == 0 &&
          sigaddset(&signals, SIGINT) == 0 && sigprocmask(SIG_BLOCK, &signals, NULL) == 0);
    sink->signals = signalfd(-1, &signals, SFD_CLOEXEC);
    sink->listener = listen_at(address);
    watch(sink, sink->signals, &sink->signals);
    watch(sink, sink->listener, sink);
    (void)puts("ready");
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "listen", 1, NULL, 'l' },
        { "log", 1, NULL, 'o' },
        { "sessions", 1, NULL, 'n' },
        { "say", 1, NULL, 's' },
        { "times", 1, NULL, 't' },
        { "match", 1, NULL, 'm' },
        { "from", 1, NULL, 'f' },
        { "delay", 1, NULL, 'd' },
        { "chunking", 0, NULL, 'c' },
        { "crc", 0, NULL, 'z' },
        { "without", 1, NULL, 'w' },
        { "per-session", 1, NULL, 'p' },
        { 0 },
    };
    struct sink sink = { 0 };
    struct temper *temper = &sink.temper;
    const char *address = "";
    const char *log = "";
    const char *value = NULL;
    int option;

    for (int i = 0; i < POINTS; i++)
        temper->times[i] = -1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        enum point point = AT_BANNER;
        if (option == 's' || option == 't')
            point = point_of(optarg, &value);
        if (option == 'l')
            address = optarg;
        else if (option == 'o')
            log = optarg;
        else if (option == 'n')
            temper->sessions = strtol(optarg, NULL, 10);
        else if (option == 's')
            temper->say[point] = value;
        else if (option == 't')
            temper->times[point] = strtol(value, NULL, 10);
        else if (option == 'm')
            temper->match = optarg;
        else if (option == 'f')
            temper->from = optarg;
        else if (option == 'd')
            temper->delay_ms = strtol(optarg, NULL, 10);
        else if (option == 'c')
            temper->chunking = true;
        else if (option == 'z')
            sink.is_cheap = true;
        else if (option == 'p')
            temper->per_session = strtol(optarg, NULL, 10);
        else if (option == 'w' && temper->without_count < 4)
            temper->without[temper->without_count++] = optarg;
        else
            usage("no such option");
    }
    start(&sink, address, log);
    serve(&sink);
    (void)fclose(sink.log);
    return 0;
}
