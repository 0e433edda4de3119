/* SPDX-License-Identifier: ISC */
/* content.c: the octets of the messages, asked for and sent.
 *
 * The host is asked for pieces. The message that is being written may ask as long
 * as little enough lies unsent in the host's hands; a message further back asks
 * for its first piece early, so that its content is here when its turn comes.
 * Many small messages thus leave without a pause between them, and of a large
 * one there are never more than a few pieces on this side of the socket.
 *
 * With CHUNKING every piece is a chunk of its own: BDAT for each, LAST with the
 * last. A chunk is announced when its octets are known, so its size is right even
 * if a line end had to be mended (wire/dot_stuff.h), and between two chunks there
 * is a way out: a message that was refused meanwhile, or whose content cannot be
 * read, ends with RSET instead of costing the connection (RFC 3030 2).
 */
#include "deliver/conversation.h"

enum {
    PIECE_SIZE = 64 * 1024,
    UNSENT_MAX = 256 * 1024, /* asked for, here and in the host's hands */
};

/* Octets that were asked for and have not been passed on. */
static size_t in_hand(const struct transaction *transaction)
{
    return (size_t)(transaction->asked - transaction->sent);
}

static bool may_ask(const struct transaction *transaction, bool is_current)
{
    uint64_t size = transaction->delivery.size;

    if (transaction->asked > transaction->here || transaction->here >= size)
        return false;
    if (transaction->step == WRITE_ORIGIN || transaction->step == WRITE_HELLO)
        return false; /* what the server takes of it is not known yet */
    return is_current || transaction->here == 0;
}

static void ask(struct deliver_client *client, struct transaction *transaction)
{
    uint64_t left = transaction->delivery.size - transaction->here;
    size_t size = left < PIECE_SIZE ? (size_t)left : PIECE_SIZE;

    transaction->asked = transaction->here + size;
    client->host->want_content(client->context, transaction->delivery.id, transaction->here, size);
}

void content_ask(struct deliver_client *client)
{
    size_t unsent = client->unsent;
    bool is_current = true;

    /* The current one is measured alone: were it kept waiting by what lies here for those behind
     * it, nothing would move again. */
    list_each (link, &client->transactions) {
        struct transaction *transaction = container_of(link, struct transaction, link);
        if (transaction->step == WRITE_DONE)
            continue;
        unsent += in_hand(transaction);
        if (may_ask(transaction, is_current) && unsent + PIECE_SIZE <= UNSENT_MAX) {
            ask(client, transaction);
            unsent += (size_t)(transaction->asked - transaction->here);
        }
        is_current = false;
    }
}

static void write_chunk(struct deliver_client *client, struct transaction *transaction,
                        struct str bytes, bool is_last)
{
    if (bytes.len == 0 && !is_last)
        return; /* a lone CR, held back */
    command_add_bdat(&client->out, bytes.len, is_last);
    client_send(client, bytes);
    client_expect(client, transaction, is_last ? EXPECTED_FINAL : EXPECTED_CHUNK, 0);
}

/* The usual case: nothing to mend, so nothing to copy. */
static bool leaves_as_it_is(struct dot_stuff *stuff, struct str content, bool is_last)
{
    struct dot_stuff trial = *stuff;
    struct str left = content;

    if (dot_stuff_next(&trial, &left).len != content.len || left.len > 0)
        return false;
    if (is_last && dot_stuff_end(&trial).len > 0)
        return false;
    *stuff = trial;
    return true;
}

static void add_mended(struct buf *out, struct dot_stuff *stuff, struct str content, bool is_last)
{
    for (;;) {
        struct str run = dot_stuff_next(stuff, &content);
        if (run.len == 0)
            break;
        buf_add(out, run);
    }
    if (is_last)
        buf_add(out, dot_stuff_end(stuff));
}

static void send_chunk(struct deliver_client *client, struct transaction *transaction,
                       struct str content, bool is_last)
{
    bool has_lines = transaction->delivery.body_type != BODY_BINARYMIME;

    if (!has_lines || leaves_as_it_is(&transaction->stuff, content, is_last)) {
        write_chunk(client, transaction, content, is_last);
        return;
    }
    struct buf mended = { 0 };
    add_mended(&mended, &transaction->stuff, content, is_last);
    write_chunk(client, transaction, buf_str(&mended), is_last);
    buf_fini(&mended);
}

static void send_data(struct deliver_client *client, struct transaction *transaction,
                      struct str content, bool is_last)
{
    for (;;) {
        struct str run = dot_stuff_next(&transaction->stuff, &content);
        if (run.len == 0)
            break;
        client_send(client, run);
    }
    if (!is_last)
        return;
    client_send(client, dot_stuff_end(&transaction->stuff));
    client_expect(client, transaction, EXPECTED_FINAL, 0);
    client->is_clear = true; /* whatever the reply is, it ends the transaction (RFC 5321 4.1.1.4) */
}

static void send_part(struct deliver_client *client, struct transaction *transaction,
                      struct str content, bool is_last)
{
    if (client->is_chunking)
        send_chunk(client, transaction, content, is_last);
    else
        send_data(client, transaction, content, is_last);
}

static void send_plain(struct deliver_client *client, struct transaction *transaction,
                       struct str content, bool is_last)
{
    struct buf plain = { 0 };

    to_7bit_add(transaction->plain, content, &plain);
    if (is_last)
        to_7bit_add_end(transaction->plain, &plain);
    send_part(client, transaction, buf_str(&plain), is_last);
    buf_fini(&plain);
}

bool body_write(struct deliver_client *client, struct transaction *transaction)
{
    bool is_held = transaction->held.len > 0;
    struct str content = is_held ? buf_str(&transaction->held) : transaction->fresh;
    bool is_last = transaction->sent + content.len == transaction->delivery.size;

    if (content.len == 0 && !is_last)
        return false;
    if (!client->is_chunking && !transaction->is_granted)
        return false;
    transaction->sent += content.len;
    if (is_last) {
        transaction->step = WRITE_DONE;
        transaction->is_whole = true;
    }
    if (transaction->plain != NULL)
        send_plain(client, transaction, content, is_last);
    else
        send_part(client, transaction, content, is_last);
    buf_reset(&transaction->held);
    transaction->fresh = STR_NONE;
    return true;
}

/* Of octets that begin at `offset`, those that come next. */
static struct str cut_news(const struct transaction *transaction, uint64_t offset, struct str bytes)
{
    if (offset > transaction->here || transaction->here - offset >= bytes.len)
        return STR_NONE;
    bytes = str_skip(bytes, (size_t)(transaction->here - offset));
    uint64_t left = transaction->delivery.size - transaction->here;
    return left < bytes.len ? str_first(bytes, (size_t)left) : bytes;
}

/* What can be sent at once is sent from where it lies; what must wait for its turn is copied. */
void deliver_content(struct deliver_client *client, struct message_id id, uint64_t offset,
                     struct str bytes, struct now now)
{
    struct transaction *transaction = transaction_find(client, id);

    if (transaction == NULL || transaction->step == WRITE_DONE)
        return;
    bytes = cut_news(transaction, offset, bytes);
    if (bytes.len == 0)
        return;
    client->progress_ms = now.mono_ms;
    transaction->here += bytes.len;
    if (transaction->asked < transaction->here)
        transaction->asked = transaction->here;
    if (transaction->step == WRITE_LOOK) {
        plain_look(client, transaction, bytes);
        client_write(client);
        return;
    }
    if (transaction->held.len > 0)
        buf_add(&transaction->held, bytes);
    else
        transaction->fresh = bytes;
    client_write(client);
    buf_add(&transaction->held, transaction->fresh);
    transaction->fresh = STR_NONE;
}

/* Between commands and between chunks RSET is the way out. After DATA was written it is not: the
 * message ends with its DATA refused, or with the connection (take_data() in reply.c). */
void deliver_content_failed(struct deliver_client *client, struct message_id id, struct now now)
{
    struct transaction *transaction = transaction_find(client, id);

    if (transaction == NULL || transaction->step == WRITE_DONE)
        return;
    client->progress_ms = now.mono_ms;
    transaction->is_lost = true;
    if (transaction->outcome.code == 0)
        transaction->outcome = verdict_make(451, 3, 0, STR("The content cannot be read just now"));
    if (client->is_chunking || transaction->step < WRITE_CONTENT) {
        transaction->step = WRITE_DONE;
        transaction_settle_if_done(client, transaction);
    } else if (transaction->is_granted) {
        client_close(client, DELIVER_CLOSED_INTERNAL, transaction->outcome);
    }
    client_write(client);
}
