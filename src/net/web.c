/* SPDX-License-Identifier: ISC */
/* web.c: see web.h.
 *
 * libcurl says which descriptors it waits for and when it wants to be called (its "socket"
 * interface). It is called from the loop's watches and from web_turn(), nowhere else; who is done
 * is told at the turn's end.
 */
#include "net/web.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/url.h"

enum { CONNECT_MAX_MS = 10 * SECOND_MS };

struct web {
    struct loop *loop;
    CURLM *multi;
    struct buf anchors;
    struct link requests; /* struct request.link */
    unsigned count;
    int64_t deadline_ms;
};

struct request {
    struct link link;
    struct web *web;
    CURL *easy;
    struct curl_slist *fields;
    struct curl_slist *resolved;
    struct endpoint address[WEB_ADDRESSES_MAX];
    uint32_t address_count;
    bool is_fetch;
    size_t got;      /* octets of the answer */
    struct buf body; /* of a fetch */
    char error[CURL_ERROR_SIZE];
    web_done *done;
    void *context;
};

/* ---- libcurl and the loop ---- */

struct spot { /* a descriptor of libcurl's */
    struct web *web;
    struct watch *watch;
    curl_socket_t fd;
};

static void on_ready(void *context, unsigned what)
{
    const struct spot *spot = context;
    int flags =
        (what & WATCH_READ ? CURL_CSELECT_IN : 0) | (what & WATCH_WRITE ? CURL_CSELECT_OUT : 0);
    int running;

    (void)curl_multi_socket_action(spot->web->multi, spot->fd, flags, &running);
}

static void drop_spot(struct web *web, struct spot *spot)
{
    if (spot == NULL)
        return;
    (void)curl_multi_assign(web->multi, spot->fd, NULL);
    watch_free(spot->watch);
    memory_free(spot);
}

static struct spot *add_spot(struct web *web, curl_socket_t fd)
{
    struct spot *spot = memory_new(sizeof *spot);

    spot->web = web;
    spot->fd = fd;
    spot->watch = watch_new(web->loop, fd, on_ready, spot);
    (void)curl_multi_assign(web->multi, fd, spot);
    return spot;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *of_socket)
{
    struct web *web = context;
    struct spot *spot = of_socket;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        drop_spot(web, spot);
        return 0;
    }
    if (spot == NULL)
        spot = add_spot(web, fd);
    watch_set(spot->watch, ((what & CURL_POLL_IN) != 0 ? (unsigned)WATCH_READ : 0) |
                               ((what & CURL_POLL_OUT) != 0 ? (unsigned)WATCH_WRITE : 0));
    return 0;
}

static int on_timer(CURLM *multi, long wait_ms, void *context)
{
    struct web *web = context;

    (void)multi;
    web->deadline_ms = wait_ms < 0 ? NEVER_MS : loop_now(web->loop).mono_ms + wait_ms;
    return 0;
}

/* ---- where a request may go ---- */

static struct endpoint endpoint_of(const struct curl_sockaddr *address)
{
    struct endpoint endpoint = { 0 };
    struct sockaddr_in four;
    struct sockaddr_in6 six;

    if (address->family == AF_INET && address->addrlen >= sizeof four) {
        memcpy(&four, &address->addr, sizeof four);
        endpoint.family = ENDPOINT_IP4;
        endpoint.port = ntohs(four.sin_port);
        memcpy(endpoint.address, &four.sin_addr, 4);
    } else if (address->family == AF_INET6 && address->addrlen >= sizeof six) {
        memcpy(&six, (const char *)&address->addr, sizeof six);
        endpoint.family = ENDPOINT_IP6;
        endpoint.port = ntohs(six.sin6_port);
        memcpy(endpoint.address, &six.sin6_addr, 16);
    }
    return endpoint;
}

/* Whatever libcurl makes of the URL: to no other address than those we were given. */
static curl_socket_t on_open_socket(void *context, curlsocktype purpose,
                                    struct curl_sockaddr *address)
{
    const struct request *request = context;
    struct endpoint endpoint = endpoint_of(address);

    for (uint32_t i = 0; purpose == CURLSOCKTYPE_IPCXN && i < request->address_count; i++)
        if (endpoint_equals(endpoint, request->address[i]))
            return socket(address->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return CURL_SOCKET_BAD;
}

/* ---- what comes back ---- */

static size_t take_octets(struct request *request, size_t size)
{
    request->got += size;
    return request->got <= WEB_ANSWER_MAX ? size : 0; /* 0: break off */
}

static size_t on_octets(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    return take_octets(context, size * count);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct request *request = context;
    size_t taken = take_octets(request, size * count);

    if (request->is_fetch)
        buf_add_bytes(&request->body, bytes, taken);
    return taken;
}

static void request_free(struct request *request)
{
    struct web *web = request->web;

    if (request->easy != NULL) {
        (void)curl_multi_remove_handle(web->multi, request->easy);
        curl_easy_cleanup(request->easy);
    }
    curl_slist_free_all(request->fields);
    curl_slist_free_all(request->resolved);
    buf_fini(&request->body);
    list_remove(&request->link);
    web->count--;
    memory_free(request);
}

static unsigned status_of(const struct request *request, CURLcode result)
{
    long status = 0;

    (void)curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    /* To a post, an answer that is too long is one all the same: its status had come. */
    bool is_answer = result == CURLE_OK || (!request->is_fetch && request->got > WEB_ANSWER_MAX);
    return is_answer && status > 0 && status < 1000 ? (unsigned)status : 0;
}

static struct str why_of(const struct request *request, CURLcode result)
{
    if (request->is_fetch && request->got > WEB_ANSWER_MAX)
        return STR("it is too long");
    return str_from(request->error[0] != '\0' ? request->error : curl_easy_strerror(result));
}

static void finish(struct request *request, CURLcode result)
{
    char *type = NULL;

    (void)curl_easy_getinfo(request->easy, CURLINFO_CONTENT_TYPE, &type);
    const struct web_answer answer = {
        .status = status_of(request, result),
        .is_untrusted = result == CURLE_PEER_FAILED_VERIFICATION,
        .why = why_of(request, result),
        .type = type != NULL ? str_from(type) : STR_NONE,
        .body = buf_str(&request->body),
    };
    request->done(request->context, &answer);
    request_free(request);
}

static void collect(struct web *web)
{
    const CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(web->multi, &left)) != NULL) {
        struct request *request = NULL;
        CURLcode result = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        check(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request) ==
              CURLE_OK);
        finish(request, result);
    }
}

/* ---- a request ---- */

static void add_line(struct curl_slist **list, struct buf *line)
{
    buf_add_byte(line, '\0');
    struct curl_slist *longer = curl_slist_append(*list, line->ptr);
    check(longer != NULL);
    *list = longer;
    buf_fini(line);
}

static bool add_fields(struct request *request, const struct web_post *post)
{
    struct buf line = { 0 };
    bool says_type = false;

    for (uint32_t i = 0; i < post->field_count; i++) {
        says_type |= str_starts_nocase(post->field[i], STR("Content-Type:"));
        for (size_t at = 0; at < post->field[i].len; at++)
            if (post->field[i].ptr[at] < ' ' || post->field[i].ptr[at] > '~')
                return false;
        buf_add(&line, post->field[i]);
        add_line(&request->fields, &line);
    }
    if (!says_type) {
        buf_add(&line, STR("Content-Type: application/json"));
        add_line(&request->fields, &line);
    }
    buf_add(&line, STR("Expect:")); /* asks for no leave before it posts */
    add_line(&request->fields, &line);
    return true;
}

/* "+HOST:PORT:ADDRESS,…": libcurl's own resolver is never asked. */
static void add_resolved(struct request *request, const struct url *url)
{
    struct buf line = { 0 };

    if (url->is_address)
        return;
    buf_add_format(&line, "+%.*s:%u:", STR_FMT(url->host), url->port);
    for (uint32_t i = 0; i < request->address_count; i++) {
        bool is_six = request->address[i].family == ENDPOINT_IP6;
        buf_add(&line, i > 0 ? STR(",") : STR(""));
        buf_add(&line, is_six ? STR("[") : STR(""));
        endpoint_add_ip(&line, request->address[i]);
        buf_add(&line, is_six ? STR("]") : STR(""));
    }
    add_line(&request->resolved, &line);
}

#define SET(option, value) check(curl_easy_setopt(easy, CURLOPT_##option, (value)) == CURLE_OK)

static void set_limits(CURL *easy)
{
    SET(PROTOCOLS_STR, "http,https");
    SET(HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    SET(PROXY, "");
    SET(FOLLOWLOCATION, 0L);
    SET(DISALLOW_USERNAME_IN_URL, 1L);
    SET(PATH_AS_IS, 1L);
    SET(TIMEOUT_MS, (long)WEB_TIME_MAX_MS);
    SET(CONNECTTIMEOUT_MS, (long)CONNECT_MAX_MS);
    SET(FORBID_REUSE, 1L);
    SET(NOSIGNAL, 1L);
    SET(USERAGENT, "holdfast/" HOLDFAST_VERSION);
}

static void set_trust(CURL *easy, struct web *web)
{
    struct curl_blob anchors = { .data = web->anchors.ptr,
                                 .len = web->anchors.len,
                                 .flags = CURL_BLOB_NOCOPY };

    SET(SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    SET(SSL_VERIFYPEER, 1L);
    SET(SSL_VERIFYHOST, 2L);
    SET(CAINFO, (char *)NULL);
    SET(CAPATH, (char *)NULL);
    SET(CAINFO_BLOB, &anchors);
}

static void set_up(struct request *request, struct str text)
{
    CURL *easy = request->easy;
    struct buf url = { 0 };

    buf_add(&url, text);
    buf_add_byte(&url, '\0');
    SET(URL, url.ptr);
    buf_fini(&url);
    SET(RESOLVE, request->resolved);
    SET(OPENSOCKETFUNCTION, on_open_socket);
    SET(OPENSOCKETDATA, request);
    SET(WRITEFUNCTION, on_body);
    SET(WRITEDATA, request);
    SET(HEADERFUNCTION, on_octets);
    SET(HEADERDATA, request);
    SET(ERRORBUFFER, request->error);
    SET(PRIVATE, request);
    set_limits(easy);
    set_trust(easy, request->web);
}

static void set_post(const struct request *request, const struct web_post *post)
{
    CURL *easy = request->easy;

    SET(POSTFIELDSIZE_LARGE, (curl_off_t)post->body.len);
    SET(COPYPOSTFIELDS, post->body.ptr);
    SET(HTTPHEADER, request->fields);
}

/* RFC 8461 3.3: over TLS, and without following anybody. */
static void set_fetch(const struct request *request)
{
    CURL *easy = request->easy;

    SET(HTTPGET, 1L);
    SET(PROTOCOLS_STR, "https");
    SET(TIMEOUT_MS, (long)WEB_FETCH_TIME_MAX_MS);
}

/* To be begun, or freed. */
static struct request *request_new(struct web *web, const struct endpoint *address,
                                   uint32_t address_count, web_done *done, void *context)
{
    struct request *request = memory_new(sizeof *request);

    request->web = web;
    request->done = done;
    request->context = context;
    request->address_count = address_count;
    memcpy(request->address, address, sizeof request->address);
    list_append(&web->requests, &request->link);
    web->count++;
    request->easy = curl_easy_init();
    check(request->easy != NULL);
    return request;
}

static void begin(struct request *request, struct str text, const struct url *url)
{
    add_resolved(request, url);
    set_up(request, text);
    if (request->is_fetch)
        set_fetch(request);
    check(curl_multi_add_handle(request->web->multi, request->easy) == CURLM_OK);
}

static bool has_room(const struct web *web, uint32_t address_count)
{
    return web->count < WEB_AT_ONCE_MAX && address_count > 0 && address_count <= WEB_ADDRESSES_MAX;
}

bool web_post(struct web *web, const struct web_post *post, web_done *done, void *context)
{
    struct url url;

    if (!has_room(web, post->address_count) || !url_parse(post->url, &url) || post->body.len == 0 ||
        post->field_count > WEB_FIELDS_MAX)
        return false;
    struct request *request = request_new(web, post->address, post->address_count, done, context);
    if (!add_fields(request, post)) {
        request_free(request);
        return false;
    }
    set_post(request, post);
    begin(request, post->url, &url);
    return true;
}

bool web_fetch(struct web *web, const struct web_fetch *fetch, web_done *done, void *context)
{
    struct url url;

    if (!has_room(web, fetch->address_count) || !url_parse(fetch->url, &url) || !url.is_tls)
        return false;
    struct request *request = request_new(web, fetch->address, fetch->address_count, done, context);
    request->is_fetch = true;
    begin(request, fetch->url, &url);
    return true;
}

/* ---- turns, life ---- */

void web_turn(struct web *web, struct now now)
{
    int running;

    if (web->deadline_ms <= now.mono_ms) {
        web->deadline_ms = NEVER_MS;
        (void)curl_multi_socket_action(web->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect(web);
}

int64_t web_deadline(const struct web *web)
{
    return web->deadline_ms;
}

struct web *web_new(struct loop *loop, struct str anchors)
{
    struct web *web = memory_new(sizeof *web);

    check(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    web->loop = loop;
    web->deadline_ms = NEVER_MS;
    list_init(&web->requests);
    buf_add(&web->anchors, anchors.len > 0 ? anchors : STR("\n"));
    web->multi = curl_multi_init();
    check(web->multi != NULL);
    check(curl_multi_setopt(web->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK);
    check(curl_multi_setopt(web->multi, CURLMOPT_SOCKETDATA, web) == CURLM_OK);
    check(curl_multi_setopt(web->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK);
    check(curl_multi_setopt(web->multi, CURLMOPT_TIMERDATA, web) == CURLM_OK);
    return web;
}

void web_free(struct web *web)
{
    if (web == NULL)
        return;
    list_each_safe (link, &web->requests)
        request_free(container_of(link, struct request, link));
    (void)curl_multi_cleanup(web->multi);
    buf_fini(&web->anchors);
    memory_free(web);
    curl_global_cleanup();
}
