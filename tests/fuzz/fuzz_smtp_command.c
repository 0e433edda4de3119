/* SPDX-License-Identifier: ISC */
/* fuzz_smtp_command.c: any line is taken apart, and what comes out lies within it. */
#include "base/check.h"
#include "wire/smtp_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct str part, struct str whole)
{
    if (part.len == 0)
        return;
    check(part.ptr >= whole.ptr);
    check(part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_parameter(const struct smtp_path *path, size_t index, struct str argument)
{
    const struct smtp_parameter *parameter = &path->parameter[index];

    check(parameter->key.len > 0);
    check_within(parameter->key, argument);
    check_within(parameter->value, argument);
    for (size_t i = 0; i < parameter->value.len; i++)
        check((unsigned char)parameter->value.ptr[i] > ' ' && parameter->value.ptr[i] != 0x7f);
    for (size_t i = 0; i < index; i++)
        check(!str_equals_nocase(path->parameter[i].key, parameter->key));
}

static void try_path(struct str argument, const char *keyword, unsigned flags)
{
    struct smtp_path path;

    if (smtp_path_parse(argument, str_from(keyword), flags, &path) != SMTP_PATH_OK)
        return;
    struct address again;
    check_within(path.address.whole, argument);
    check(address_parse(path.address.whole, flags, &again));
    check(path.parameter_count <= SMTP_PARAMETERS_MAX);
    for (size_t i = 0; i < path.parameter_count; i++)
        check_parameter(&path, i, argument);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str line = str_of(data, size);
    struct smtp_command command = smtp_command_parse(line);
    uint64_t chunk = 0;
    bool last = false;

    check_within(command.name, line);
    check_within(command.argument, line);
    for (unsigned flags = 0; flags < 8; flags++) {
        try_path(command.argument, "FROM:", flags);
        try_path(command.argument, "TO:", flags);
    }
    (void)smtp_chunk_parse(command.argument, &chunk, &last);
    return 0;
}
