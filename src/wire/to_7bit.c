/* SPDX-License-Identifier: ISC */
/* to_7bit.c: see to_7bit.h.
 *
 * Both passes are the same walk (mime_walk.h), so they meet the same entities in the same order;
 * the first puts down an octet for each of them, and the second does what is written there.
 */
#include "wire/to_7bit.h"

#include "base/check.h"
#include "base/memory.h"
#include "wire/content.h"
#include "wire/header.h"
#include "wire/mime.h"
#include "wire/mime_walk.h"
#include "wire/part_encoder.h"

enum { ENTITIES_MAX = 10000, DENSE = 6 };

struct to_7bit {
    struct mime_walk *walk;
    bool has_octets, takes_high;
    const char *why; /* NULL: nothing is in the way */
    struct buf plan; /* an octet per entity: enum part_encoding */
    bool has_high;   /* anywhere */
    bool has_plan;   /* some entity changes */
    bool is_unfit;   /* what is no text in lines stands where nothing can change it */
    size_t entity;   /* how many have begun in this pass */
    struct mime_entity at;

    uint64_t size, high; /* first pass: of this entity's text */
    size_t line;
    bool is_rough; /* is no text in lines */

    struct buf *out; /* second pass */
    struct part_encoder encoder;
};

/* ---- the first pass ---- */

static bool is_high(struct str octets)
{
    unsigned char all = 0;

    for (size_t i = 0; i < octets.len; i++)
        all |= (unsigned char)octets.ptr[i];
    return all >= 0x80;
}

static void object(struct to_7bit *to, const char *why)
{
    if (to->why == NULL)
        to->why = why;
}

/* Outside of texts nothing is encoded. A server that takes lines alone might see the end of the
 * message in what is none. */
static void look_outside(struct to_7bit *to, struct str octets, const char *why)
{
    if (is_high(octets) && !to->takes_high)
        object(to, why);
    if (!to->has_octets || !content_is_rough(octets))
        return;
    to->is_unfit = true;
    object(to, "it has NUL, CR or LF by themselves outside of its parts");
}

/* Of the entity whose text is over. */
static enum part_encoding choose(const struct to_7bit *to)
{
    if (!to->is_rough && (to->high == 0 || to->takes_high))
        return PART_AS_IT_IS;
    if (to->at.kind == MIME_TEXT && !to->is_rough && to->high <= to->size / DENSE)
        return PART_QUOTED_PRINTABLE;
    return PART_BASE64;
}

static void close_entity(struct to_7bit *to)
{
    enum part_encoding encoding = to->entity > 0 ? choose(to) : PART_AS_IT_IS;

    if (to->entity == 0)
        return;
    if (encoding != PART_AS_IT_IS && to->at.kind == MIME_SEALED)
        object(to, to->is_rough
                       ? "it has octets that are no lines in a part that may not be changed"
                       : "it has octets above 127 in a part that may not be changed");
    if (encoding != PART_AS_IT_IS && to->at.transfer == MIME_ENCODED)
        object(to, to->is_rough
                       ? "it has octets that are no lines in a part that is encoded already"
                       : "it has octets above 127 in a part that is encoded already");
    to->has_plan |= encoding != PART_AS_IT_IS;
    to->plan.ptr[to->entity - 1] = (char)encoding;
}

static void look_at_header(void *context, const struct mime_entity *entity, struct str header)
{
    struct to_7bit *to = context;

    close_entity(to);
    look_outside(to, header, "it has octets above 127 in a header");
    if (to->entity == ENTITIES_MAX) {
        object(to, "it has too many parts");
        return;
    }
    to->entity++;
    to->at = *entity;
    to->size = to->high = 0;
    to->line = 0;
    to->is_rough = false;
    buf_add_byte(&to->plan, PART_AS_IT_IS);
}

static void look_at_text(void *context, struct str octets)
{
    struct to_7bit *to = context;

    to->size += octets.len;
    to->line += octets.len;
    if (to->has_octets)
        to->is_rough |= to->line > MIME_LINE_MAX || content_is_rough(octets);
    if (!is_high(octets))
        return;
    for (size_t i = 0; i < octets.len; i++)
        to->high += (unsigned char)octets.ptr[i] >= 0x80;
}

static void look_at_line_end(void *context)
{
    struct to_7bit *to = context;
    to->line = 0;
}

static void look_between(void *context, struct str octets)
{
    struct to_7bit *to = context;

    to->line = 0; /* the text is over, and has no last line end of its own */
    look_outside(to, octets, "it has octets above 127 between its parts");
}

/* The content ends in the middle of a line, which DATA would end: fine for a text, but octets would
 * become two more. */
static void look_at_end(struct to_7bit *to)
{
    to->is_rough |= to->has_octets && to->line > 0 && to->at.kind == MIME_OCTETS;
}

static const struct mime_walk_host looking = { look_at_header, look_at_text, look_at_line_end,
                                               look_between };

/* ---- the second pass ---- */

static bool is_field_of(const struct header_field *field, bool is_changed)
{
    return !is_changed || !header_is(field, STR("Content-Transfer-Encoding"));
}

static struct str encoding_name(const struct to_7bit *to, enum part_encoding encoding)
{
    static const struct str name[] = {
        [PART_AS_IT_IS] = { "7bit", 4 }, /* of what holds the parts */
        [PART_QUOTED_PRINTABLE] = { "quoted-printable", 16 },
        [PART_BASE64] = { "base64", 6 },
    };
    return encoding == PART_AS_IT_IS && to->takes_high ? STR("8bit") : name[encoding];
}

/* What is said of it would not be true any more: it holds parts that have changed, or it is called
 * binary, which is no name for lines (RFC 2045 6.2). */
static bool is_renamed(const struct to_7bit *to, const struct mime_entity *entity)
{
    bool holds_parts = entity->kind == MIME_MULTIPART || entity->kind == MIME_MESSAGE;

    return entity->transfer == MIME_IDENTITY_8BIT && entity->kind != MIME_SEALED &&
           (holds_parts || to->takes_high);
}

/* RFC 2045 4: without a version it is no MIME; RFC 1428: nobody knows in which charset it is. */
static void add_new_fields(struct to_7bit *to, enum part_encoding encoding)
{
    if (to->at.is_message && !to->at.is_mime)
        buf_add(to->out, STR("MIME-Version: 1.0\r\n"));
    if (to->at.is_message && !to->at.has_type)
        buf_add(to->out, STR("Content-Type: text/plain; charset=unknown-8bit\r\n"));
    buf_add(to->out, STR("Content-Transfer-Encoding: "));
    buf_add(to->out, encoding_name(to, encoding));
    buf_add(to->out, STR("\r\n"));
}

static void write_header(void *context, const struct mime_entity *entity, struct str header)
{
    struct to_7bit *to = context;
    bool has_end = str_equals(header, STR("\r\n")) || str_ends_nocase(header, STR("\r\n\r\n"));
    struct arena arena = { 0 };
    struct header fields;

    check(to->entity < to->plan.len); /* the passes agree */
    enum part_encoding encoding = (enum part_encoding)to->plan.ptr[to->entity++];
    bool is_changed = encoding != PART_AS_IT_IS || is_renamed(to, entity);
    part_encoder_end(&to->encoder, to->out);
    to->at = *entity;
    header_parse(has_end ? str_first(header, header.len - 2) : header, &arena, &fields);
    for (uint32_t i = 0; i < fields.count; i++)
        if (is_field_of(&fields.field[i], is_changed))
            buf_add(to->out, fields.field[i].raw);
    if (is_changed)
        add_new_fields(to, encoding);
    if (has_end)
        buf_add(to->out, STR("\r\n"));
    part_encoder_begin(&to->encoder, encoding);
    arena_fini(&arena);
}

static void write_text(void *context, struct str octets)
{
    struct to_7bit *to = context;
    part_encoder_add(&to->encoder, octets, to->out);
}

static void write_line_end(void *context)
{
    struct to_7bit *to = context;
    part_encoder_add_line_end(&to->encoder, to->out);
}

static void write_between(void *context, struct str octets)
{
    struct to_7bit *to = context;

    part_encoder_end(&to->encoder, to->out);
    buf_add(to->out, octets);
}

static const struct mime_walk_host writing = { write_header, write_text, write_line_end,
                                               write_between };

/* ---- both ---- */

struct to_7bit *to_7bit_new(unsigned flags)
{
    struct to_7bit *to = memory_new(sizeof *to);

    to->has_octets = (flags & TO_7BIT_HAS_OCTETS) != 0;
    to->takes_high = (flags & TO_7BIT_TAKES_HIGH) != 0;
    to->walk = mime_walk_new(&looking, to);
    return to;
}

void to_7bit_free(struct to_7bit *to)
{
    if (to == NULL)
        return;
    mime_walk_free(to->walk);
    buf_fini(&to->plan);
    memory_free(to);
}

void to_7bit_look(struct to_7bit *to, struct str piece)
{
    to->has_high |= is_high(piece); /* also of what cannot be followed any more */
    mime_walk_feed(to->walk, piece);
}

enum to_7bit_finding to_7bit_found(struct to_7bit *to)
{
    mime_walk_end(to->walk);
    look_at_end(to);
    close_entity(to);
    if (mime_walk_has_failed(to->walk)) {
        object(to, "it is nested too deeply");
        to->is_unfit = to->is_unfit || to->has_octets; /* nobody has looked at the rest */
    }
    mime_walk_free(to->walk);
    to->walk = mime_walk_new(&writing, to);
    to->entity = 0;
    if ((!to->has_high || to->takes_high) && !to->has_plan && !to->is_unfit)
        return TO_7BIT_IS_FINE;
    return to->why == NULL ? TO_7BIT_CONVERTS : TO_7BIT_IMPOSSIBLE;
}

const char *to_7bit_why(const struct to_7bit *to)
{
    return to->why;
}

void to_7bit_add(struct to_7bit *to, struct str piece, struct buf *out)
{
    to->out = out;
    mime_walk_feed(to->walk, piece);
}

void to_7bit_add_end(struct to_7bit *to, struct buf *out)
{
    to->out = out;
    mime_walk_end(to->walk);
    part_encoder_finish(&to->encoder, out);
}
