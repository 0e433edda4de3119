/* SPDX-License-Identifier: ISC */
/* value.c: which type of value is read, written and handed on by whom; see schema.h. */
#include "config/value.h"

#include "base/check.h"

static const struct value_type *const types[CONFIG_TYPE_COUNT] = {
    [CONFIG_MAILBOX] = &value_mailbox,
    [CONFIG_SENDER] = &value_sender,
    [CONFIG_WORD] = &value_word,
    [CONFIG_PATH] = &value_path,
    [CONFIG_DOMAIN] = &value_domain,
    [CONFIG_DRIVER] = &value_driver,
    [CONFIG_BOOL] = &value_bool,
    [CONFIG_COUNT] = &value_count,
    [CONFIG_NUMBER] = &value_number,
    [CONFIG_BYTES] = &value_number,
    [CONFIG_DURATION] = &value_number,
    [CONFIG_LEVEL] = &value_level,
    [CONFIG_DOMAINS] = &value_domains,
    [CONFIG_PATHS] = &value_paths,
    [CONFIG_ADDRESSES] = &value_endpoints,
    [CONFIG_ENDPOINTS] = &value_endpoints,
    [CONFIG_DNSBLS] = &value_dnsbls,
    [CONFIG_MILTERS] = &value_milters,
    [CONFIG_AUTHORITIES] = &value_authorities,
    [CONFIG_SETTING] = &value_setting,
};

bool config_type_is_list(enum config_type type)
{
    return types[type]->is_list;
}

bool config_value_parse(struct config *config, const struct config_item *item, struct str text,
                        struct buf *why)
{
    struct place place = { config, item, config_place(config, item) };
    return types[item->type]->parse(place, text, why);
}

void config_value_dump(const struct config *config, const struct config_item *item, struct buf *out)
{
    types[item->type]->dump(item, config_place_of(config, item), out);
}

void config_value_encode(const struct config *config, const struct config_item *item,
                         struct buf *out)
{
    types[item->type]->encode(item, config_place_of(config, item), out);
}

bool config_value_decode(struct config *config, const struct config_item *item,
                         struct cursor *cursor)
{
    struct place place = { config, item, config_place(config, item) };
    return types[item->type]->decode(place, cursor);
}

void config_value_set_fallback(struct config *config, const struct config_item *item)
{
    struct str rest = str_from(item->fallback);
    struct str one = STR_NONE;
    struct buf why = { 0 };

    while (str_cut(&rest, ' ', &one))
        if (one.len > 0)
            check(config_value_parse(config, item, one, &why));
    buf_fini(&why);
}
