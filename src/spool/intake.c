/* SPDX-License-Identifier: ISC */
/* intake.c: see intake.h.
 *
 * An upload lives in the list `uploads` (oldest first) and in the map until its
 * envelope comes; from then on it is a commit, which only the store knows, until
 * its done() answers and frees it.
 */
#include "spool/intake.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"

struct intake {
    struct store *store;
    uint64_t memory_budget;
    const struct intake_host *host;
    void *context;
    struct map by_key;
    struct link uploads; /* struct upload.link */
    struct link commits;
    struct link questions; /* struct question.link */
};

struct upload {
    struct link link;
    struct intake *intake; /* NULL: the intake went away first */
    struct intake_key key;
    struct message_id id;
    struct store_upload *store_upload; /* NULL once committed */
    uint64_t owed;                     /* octets taken for which no credit was given yet */
    bool is_whole;                     /* complete, and not the oldest of those that arrive */
    bool is_deserted;                  /* nobody waits for the answer */
    struct buf envelope_bytes;         /* what `envelope` borrows from, once committed */
    struct arena arena;
    struct envelope envelope;
    struct str tls; /* in the arena */
    uint64_t size;
};

struct question { /* was it stored? */
    struct link link;
    struct intake *intake; /* NULL: the intake went away first */
    struct intake_key key;
    struct message_id id;
};

struct key_bytes {
    char bytes[12];
};

static struct str key_str(struct intake_key key, struct key_bytes *room)
{
    memcpy(room->bytes, &key.source, 4);
    memcpy(room->bytes + 4, &key.ticket, 8);
    return str_of(room->bytes, sizeof room->bytes);
}

static struct upload *find(const struct intake *intake, struct intake_key key)
{
    struct key_bytes room;
    return map_find(&intake->by_key, key_str(key, &room));
}

static void forget_key(struct intake *intake, struct intake_key key)
{
    struct key_bytes room;
    (void)map_remove(&intake->by_key, key_str(key, &room));
}

static void upload_free(struct upload *upload)
{
    list_remove(&upload->link);
    buf_fini(&upload->envelope_bytes);
    arena_fini(&upload->arena);
    memory_free(upload);
}

struct intake *intake_new(struct store *store, uint64_t memory_budget,
                          const struct intake_host *host, void *context)
{
    struct intake *intake = memory_new(sizeof *intake);
    intake->store = store;
    intake->memory_budget = memory_budget;
    intake->host = host;
    intake->context = context;
    map_init(&intake->by_key);
    list_init(&intake->uploads);
    list_init(&intake->commits);
    list_init(&intake->questions);
    return intake;
}

static void drop(struct intake *intake, struct upload *upload)
{
    forget_key(intake, upload->key);
    store_upload_abort(upload->store_upload);
    upload_free(upload);
}

void intake_free(struct intake *intake)
{
    if (intake == NULL)
        return;
    list_each_safe (link, &intake->uploads)
        drop(intake, container_of(link, struct upload, link));
    /* Commits and questions end with the store; they must find nobody to answer. */
    list_each_safe (link, &intake->commits) {
        container_of(link, struct upload, link)->intake = NULL;
        list_remove(link);
    }
    list_each_safe (link, &intake->questions) {
        container_of(link, struct question, link)->intake = NULL;
        list_remove(link);
    }
    map_fini(&intake->by_key);
    memory_free(intake);
}

bool intake_open(struct intake *intake, struct intake_key key, struct message_id id)
{
    struct key_bytes room;

    if (find(intake, key) != NULL)
        return false;
    struct upload *upload = memory_new(sizeof *upload);
    upload->intake = intake;
    upload->key = key;
    upload->id = id;
    upload->store_upload = store_upload_open(intake->store, id);
    list_append(&intake->uploads, &upload->link);
    (void)map_put(&intake->by_key, key_str(key, &room), upload);
    return true;
}

/* The one that came first of those that still arrive; or what a filter puts in a body's place,
 * which goes to its file. */
static bool is_oldest(const struct intake *intake, const struct upload *upload)
{
    list_each (link, &intake->uploads) {
        const struct upload *other = container_of(link, struct upload, link);
        if (!other->is_whole)
            return other == upload;
    }
    return false;
}

static bool has_room(const struct intake *intake, const struct upload *upload)
{
    return store_memory(intake->store) < intake->memory_budget || upload->is_whole ||
           is_oldest(intake, upload);
}

static void give_credit(struct intake *intake, struct upload *upload)
{
    if (upload->owed == 0 || !has_room(intake, upload))
        return;
    uint64_t octets = upload->owed;
    upload->owed = 0;
    intake->host->taken(intake->context, upload->key, octets);
}

bool intake_write(struct intake *intake, struct intake_key key, struct str bytes)
{
    struct upload *upload = find(intake, key);

    if (upload == NULL || bytes.len > INTAKE_AHEAD_MAX - upload->owed)
        return false;
    store_upload_write(upload->store_upload, bytes);
    upload->owed += bytes.len;
    return true;
}

bool intake_read(struct intake *intake, struct intake_key key, uint64_t offset, uint64_t size,
                 struct buf *out)
{
    const struct upload *upload = find(intake, key);
    size_t before = out->len;

    if (upload == NULL || size > INTAKE_READ_MAX)
        return false;
    if (store_upload_read(upload->store_upload, offset, (size_t)size, out) < 0) {
        out->len = before;
        log_error("upload_unreadable", LOG_ID(upload->id));
    }
    return true;
}

bool intake_restart(struct intake *intake, struct intake_key key)
{
    const struct upload *upload = find(intake, key);

    if (upload == NULL)
        return false;
    store_upload_restart(upload->store_upload);
    if (store_memory(intake->store) >= intake->memory_budget / 2)
        store_upload_spill(upload->store_upload);
    return true;
}

bool intake_whole(struct intake *intake, struct intake_key key)
{
    struct upload *upload = find(intake, key);

    if (upload == NULL)
        return false;
    upload->is_whole = true;
    if (store_memory(intake->store) >= intake->memory_budget / 2)
        store_upload_spill(upload->store_upload);
    return true;
}

/* Tells of each domain's share once; recipients of one domain need not stand together. */
static void announce(struct intake *intake, const struct upload *upload)
{
    const struct envelope *envelope = &upload->envelope;

    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        struct entry entry = {
            .id = upload->id,
            .domain = recipient_domain(&envelope->recipient[i]),
            .state = ENTRY_HELD,
            .since_ms = envelope->received_ms,
            .size = upload->size,
        };
        bool is_first = true;
        for (uint32_t k = 0; k < envelope->recipient_count; k++) {
            bool same = str_equals(recipient_domain(&envelope->recipient[k]), entry.domain);
            is_first = is_first && !(same && k < i);
            entry.pending += same && !envelope->recipient[k].is_held_back;
        }
        if (is_first && entry.pending > 0)
            intake->host->arrived(intake->context, &entry);
    }
}

static struct verdict verdict_of(int error, struct message_id id)
{
    switch (error) {
    case 0:
    case -EEXIST: /* the same id, sent again in doubt */
        return verdict_format(250, 0, 0, "Stored as %s", message_id_to_text(id).text);
    case -ENOSPC:
        return verdict_make(452, 3, 1,
                            STR("No room for mail at the moment, please try again later"));
    case -ENOENT:
        return verdict_make(451, 3, 0, STR("The message was not stored, please send it again"));
    default:
        return verdict_make(451, 3, 0, STR("Storing failed, please try again later"));
    }
}

enum { LOGGED_RECIPIENTS_MAX = 10 };

static void log_stored(const struct upload *upload)
{
    const struct envelope *envelope = &upload->envelope;
    struct buf client = { 0 };
    struct buf to = { 0 };

    endpoint_add_ip(&client, envelope->client);
    for (uint32_t i = 0; i < envelope->recipient_count && i < LOGGED_RECIPIENTS_MAX; i++) {
        buf_add(&to, i > 0 ? STR(",") : STR(""));
        buf_add(&to, envelope->recipient[i].address);
    }
    log_info("accepted", LOG_ID(upload->id), LOG_STR("client", buf_str(&client)),
             LOG_STR("helo", envelope->helo), LOG_STR("from", envelope->sender),
             LOG_STR("to", buf_str(&to)), LOG_INT("recipients", envelope->recipient_count),
             LOG_INT("size", upload->size), LOG_STR("tls", upload->tls));
    buf_fini(&client);
    buf_fini(&to);
}

static void on_stored(void *context, int error)
{
    struct upload *upload = context;
    struct intake *intake = upload->intake;

    if (error == 0 || error == -EEXIST)
        log_stored(upload);
    else
        log_error("not_stored", LOG_ID(upload->id), LOG_TEXT("error", strerror(-error)));

    if (intake != NULL) {
        struct verdict verdict = verdict_of(error, upload->id);
        if (!upload->is_deserted)
            intake->host->answer(intake->context, upload->key, &verdict);
        if (error == 0)
            announce(intake, upload);
    }
    upload_free(upload);
}

bool intake_commit(struct intake *intake, struct intake_key key, struct str envelope,
                   struct str front, struct str tls, int64_t received_ms)
{
    struct upload *upload = find(intake, key);

    if (upload == NULL)
        return false;
    buf_add(&upload->envelope_bytes, envelope);
    struct cursor cursor = cursor_over(buf_str(&upload->envelope_bytes));
    if (!envelope_decode(&cursor, &upload->arena, &upload->envelope) || !cursor_done(&cursor) ||
        upload->envelope.recipient_count == 0 || upload->envelope.seal.is_sealed ||
        front.len > STORE_FRONT_MAX || !message_id_equals(upload->envelope.id, upload->id) ||
        !intake->host->may_bring(intake->context, &upload->envelope))
        return false;
    forget_key(intake, key);
    list_remove(&upload->link);
    list_append(&intake->commits, &upload->link);
    struct store_upload *store_upload = upload->store_upload;
    upload->store_upload = NULL;
    upload->envelope.received_ms = received_ms;
    upload->tls = arena_str(&upload->arena, tls);
    upload->size = front.len + store_upload_size(store_upload);
    store_append(intake->store, store_upload, &upload->envelope, front, on_stored, upload);
    return true;
}

bool intake_abort(struct intake *intake, struct intake_key key)
{
    struct upload *upload = find(intake, key);

    if (upload == NULL)
        return false;
    drop(intake, upload);
    return true;
}

static void on_asked(void *context, int error)
{
    struct question *question = context;
    struct verdict verdict = verdict_of(error, question->id);
    if (question->intake != NULL)
        question->intake->host->answer(question->intake->context, question->key, &verdict);
    list_remove(&question->link);
    memory_free(question);
}

void intake_ask(struct intake *intake, struct intake_key key, struct message_id id)
{
    struct question *question = memory_new(sizeof *question);
    *question = (struct question){ .intake = intake, .key = key, .id = id };
    list_append(&intake->questions, &question->link);
    store_ask(intake->store, id, on_asked, question);
}

void intake_drop_source(struct intake *intake, uint32_t source)
{
    list_each_safe (link, &intake->uploads) {
        struct upload *upload = container_of(link, struct upload, link);
        if (upload->key.source == source)
            drop(intake, upload);
    }
    list_each (link, &intake->commits) {
        struct upload *upload = container_of(link, struct upload, link);
        upload->is_deserted = upload->is_deserted || upload->key.source == source;
    }
}

void intake_turn(struct intake *intake)
{
    list_each (link, &intake->uploads)
        give_credit(intake, container_of(link, struct upload, link));
}
