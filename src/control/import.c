/* SPDX-License-Identifier: ISC */
/* import.c: a list of recipients takes the place of the one before (SPEC V7).
 *
 *     begin ──▶ part, part … ──▶ end (looks only, or does it)
 *
 * A list may be larger than a request, so it comes in parts; until the end nothing changes, and one
 * that is not ended is forgotten. What is on it becomes valid; what was on the list before, and is
 * not on this one, is forgotten; what was learned or pinned stays. A list that has lost too much is
 * probably cut: it is not taken without force.
 */
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "control/request.h"
#include "mail/address.h"
#include "verify/verifier.h"

enum {
    IMPORTS_MAX = 4,
    ADDRESSES_MAX = 200000,
    LIFE_MS = 10 * MINUTE_MS,
    LOST_PERCENT = 30,
    SHOWN_MAX = 10,
};

struct import {
    struct link link; /* control->imports */
    uint64_t number;
    int64_t used_ms;
    struct buf domain;
    struct map addresses; /* values mean nothing */
};

static void import_free(struct import *import)
{
    list_remove(&import->link);
    buf_fini(&import->domain);
    map_fini(&import->addresses);
    memory_free(import);
}

void control_free_imports(struct control *control)
{
    list_each_safe (link, &control->imports)
        import_free(container_of(link, struct import, link));
}

static unsigned forget_old(struct control *control, int64_t now_ms)
{
    unsigned count = 0;

    list_each_safe (link, &control->imports) {
        struct import *import = container_of(link, struct import, link);
        if (now_ms - import->used_ms > LIFE_MS)
            import_free(import);
        else
            count++;
    }
    return count;
}

void operation_recipient_import_begin(struct request *request)
{
    struct control *control = request->control;
    struct str domain = buf_str(&request->domain);
    json_t *body = json_object();

    if (directory_find_domain(control->setup.directory, domain) == NULL) {
        json_decref(body);
        request_fail(request, "no-such-domain", "%.*s is not protected here", STR_FMT(domain));
        return;
    }
    if (forget_old(control, request->now.mono_ms) >= IMPORTS_MAX) {
        json_decref(body);
        request_fail(request, "busy", "other lists are being imported; try again in some minutes");
        return;
    }
    struct import *import = memory_new(sizeof *import);
    import->number = ++control->last_import;
    import->used_ms = request->now.mono_ms;
    buf_add(&import->domain, domain);
    map_init(&import->addresses);
    list_append(&control->imports, &import->link);
    json_put(body, "number", json_number(import->number));
    request_answer(request, body);
}

/* NULL after having answered. */
static struct import *take_import(struct request *request)
{
    uint64_t number = (uint64_t)argument_number(request, "number", 0);

    list_each (link, &request->control->imports) {
        struct import *import = container_of(link, struct import, link);
        if (import->number != number)
            continue;
        import->used_ms = request->now.mono_ms;
        return import;
    }
    request_fail(request, "no-such-import", "that import is not known any more; begin again");
    return NULL;
}

/* local@domain of this domain, folded as the verifier folds it. */
static bool add(struct import *import, struct str text)
{
    struct address address;
    struct buf key = { 0 };
    bool is_fine = address_parse(text, 0, &address) &&
                   str_equals_nocase(address.domain, buf_str(&import->domain));

    if (is_fine) {
        for (size_t i = 0; i < text.len; i++)
            buf_add_byte(&key, ascii_lower(text.ptr[i]));
        (void)map_put(&import->addresses, buf_str(&key), import);
    }
    buf_fini(&key);
    return is_fine;
}

void operation_recipient_import_part(struct request *request)
{
    struct import *import = take_import(request);
    const json_t *list = argument_value(request, "addresses");
    const json_t *value;
    size_t i;

    if (import == NULL)
        return;
    json_array_foreach(list, i, value)
    {
        struct str text = { json_string_value(value), json_string_length(value) };
        if (!json_is_string(value) || !add(import, text)) {
            request_fail(request, "bad-argument", "addresses must be of %.*s",
                         STR_FMT(buf_str(&import->domain)));
            return;
        }
        if (import->addresses.count > ADDRESSES_MAX) {
            import_free(import);
            request_fail(request, "too-many", "a list may have %d addresses", ADDRESSES_MAX);
            return;
        }
    }
    request_answer(request, json_object());
}

/* ---- the difference ---- */

struct difference {
    const struct import *import;
    struct request *request;
    bool does;
    size_t before; /* on the list before */
    size_t gone, added, kept;
    json_t *first_gone, *first_added;
    struct buf to_forget; /* names, a zero behind each: not while they are being looked at */
};

static void show(json_t *list, struct str address)
{
    if (json_array_size(list) < SHOWN_MAX)
        (void)json_array_append_new(list, json_text(address));
}

static void look_at_known(void *context, const struct known_recipient *known)
{
    struct difference *difference = context;

    if (!known->is_valid || known->source != LEARNED_FROM_LIST)
        return;
    difference->before++;
    if (map_find(&difference->import->addresses, known->address) != NULL)
        return;
    difference->gone++;
    show(difference->first_gone, known->address);
    buf_add(&difference->to_forget, known->address);
    buf_add_byte(&difference->to_forget, '\0');
}

static void look_at_list(struct difference *difference)
{
    const struct verifier *verifier = difference->request->control->setup.verifier;
    size_t cursor = 0;
    struct str address;

    while (map_next(&difference->import->addresses, &cursor, &address) != NULL) {
        const struct known_recipient *known = verifier_find(verifier, address);
        bool is_there = known != NULL && known->is_valid;
        difference->kept += is_there;
        difference->added += !is_there;
        if (!is_there)
            show(difference->first_added, address);
    }
}

static void apply(const struct difference *difference)
{
    struct verifier *verifier = difference->request->control->setup.verifier;
    struct str gone = buf_str(&difference->to_forget);
    struct str address = STR_NONE;
    size_t cursor = 0;

    while (gone.len > 0 && str_cut(&gone, '\0', &address))
        if (address.len > 0)
            verifier_forget(verifier, address);
    while (map_next(&difference->import->addresses, &cursor, &address) != NULL)
        verifier_learn(verifier, address, READING_VALID, LEARNED_FROM_LIST,
                       difference->request->now);
}

static bool has_lost_too_much(const struct difference *difference)
{
    return difference->gone * 100 > difference->before * LOST_PERCENT;
}

static void answer(struct difference *difference)
{
    json_t *body = json_object();

    json_put(body, "done", json_boolean(difference->does));
    json_put(body, "before", json_integer((json_int_t)difference->before));
    json_put(body, "added", json_integer((json_int_t)difference->added));
    json_put(body, "gone", json_integer((json_int_t)difference->gone));
    json_put(body, "kept", json_integer((json_int_t)difference->kept));
    json_put(body, "first_added", json_incref(difference->first_added));
    json_put(body, "first_gone", json_incref(difference->first_gone));
    json_put(body, "lost_too_much", json_boolean(has_lost_too_much(difference)));
    if (difference->does)
        request_answer_kept(difference->request, body);
    else
        request_answer(difference->request, body);
}

void operation_recipient_import_end(struct request *request)
{
    struct import *import = take_import(request);
    bool is_look = argument_flag(request, "dry_run");

    if (import == NULL)
        return;
    struct difference difference = { .import = import,
                                     .request = request,
                                     .first_gone = json_array(),
                                     .first_added = json_array() };
    verifier_each(request->control->setup.verifier, buf_str(&import->domain), look_at_known,
                  &difference);
    look_at_list(&difference);
    bool is_cut = has_lost_too_much(&difference) && !argument_flag(request, "force");
    difference.does = !is_look && !is_cut;
    if (difference.does)
        apply(&difference);
    if (is_look || !is_cut)
        answer(&difference);
    else
        request_fail(request, "list-shrinks",
                     "%zu of %zu addresses of the last list are not on this one; if that is right, "
                     "say --force",
                     difference.gone, difference.before);
    json_decref(difference.first_gone);
    json_decref(difference.first_added);
    buf_fini(&difference.to_forget);
    if (!is_look)
        import_free(import);
}
