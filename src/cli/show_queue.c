/* SPDX-License-Identifier: ISC */
/* show_queue.c: messages for people. */
#include "cli/show.h"

#include <string.h>

#include "base/printable.h"

void show_messages(struct cli *cli, const json_t *answer)
{
    struct table table = { .heading = { "ID", "DOMAIN", "STATE", "AGE", ">SIZE", ">RECIPIENTS",
                                        ">TRIES", "NEXT TRY", "LAST ANSWER" },
                           .use_color = cli->use_color,
                           .language = cli->language };
    const json_t *messages = json_object_get(answer, "messages");
    struct str after = show_text(answer, "after");
    struct buf shown = { 0 };
    const json_t *message;
    size_t i;

    if (json_array_size(messages) == 0) {
        show_sentence(cli, "no message is held\n");
        return;
    }
    json_array_foreach(messages, i, message)
    {
        struct buf recipients = { 0 };
        uint64_t count = (uint64_t)show_number(message, "pending") +
                         (uint64_t)show_number(message, "rescued"); /* no sum overflows */
        buf_add_format(&recipients, "%lld", (long long)count);
        cell_text(&table, message, "id");
        cell_text(&table, message, "domain");
        cell_state(&table, message, "state");
        cell_age(&table, cli, message, "since");
        cell_size(&table, message, "size");
        table_add(&table, buf_str(&recipients));
        cell_number(&table, message, "attempts");
        cell_until(&table, cli, message, "next_try");
        cell_text(&table, message, "last_answer");
        buf_fini(&recipients);
    }
    table_print(&table, &cli->out);
    printable_add(&shown, after);
    if (after.len > 0)
        buf_add_format(&cli->out, text_in(cli->language, "more: the same with --after %.*s\n"),
                       STR_FMT(buf_str(&shown)));
    buf_fini(&shown);
}

static void print_recipients(struct cli *cli, const json_t *message)
{
    struct table table = { .heading = { "RECIPIENT", "STATE" },
                           .use_color = cli->use_color,
                           .language = cli->language };
    const json_t *recipient;
    size_t i;

    json_array_foreach(json_object_get(message, "recipients"), i, recipient)
    {
        cell_text(&table, recipient, "address");
        cell_state(&table, recipient, "state");
    }
    table_print(&table, &cli->out);
}

static void print_ways(struct cli *cli, const json_t *message)
{
    struct table table = { .heading = { "ROUTE", "STATE", ">TRIES", "NEXT TRY", "NEXT PROBE",
                                        "LAST ANSWER" },
                           .use_color = cli->use_color,
                           .language = cli->language };
    const json_t *way;
    size_t i;

    json_array_foreach(json_object_get(message, "routes"), i, way)
    {
        cell_text(&table, way, "domain");
        cell_state(&table, way, "state");
        cell_number(&table, way, "attempts");
        cell_until(&table, cli, way, "next_try");
        cell_until(&table, cli, way, "next_probe");
        cell_text(&table, way, "last_answer");
    }
    table_print(&table, &cli->out);
}

void show_message(struct cli *cli, const json_t *answer)
{
    static const char *const lines[][2] = {
        { "message", "id" },        { "received", "received" },       { "sender", "sender" },
        { "client", "client" },     { "client name", "client_name" }, { "greeted as", "helo" },
        { "protocol", "protocol" }, { "rescued", "rescue_reason" },
    };
    const json_t *message = json_object_get(answer, "message");
    struct buf size = { 0 };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        line_member(cli, lines[i][0], message, lines[i][1]);
    human_add_size(&size, show_number(message, "size"));
    line_text(cli, "size", buf_str(&size));
    buf_fini(&size);
    buf_add_byte(&cli->out, '\n');
    print_recipients(cli, message);
    buf_add_byte(&cli->out, '\n');
    print_ways(cli, message);
}

void show_flushed(struct cli *cli, const json_t *answer)
{
    buf_add_format(
        &cli->out,
        text_in(cli->language,
                "%lld messages are tried as soon as the primary answers; `holdfast status "
                "--watch` follows\n"),
        (long long)show_number(answer, "held"));
}

void show_settled(struct cli *cli, const json_t *answer)
{
    buf_add_format(&cli->out, text_in(cli->language, "done for %lld recipients\n"),
                   (long long)show_number(answer, "recipients"));
}

/* Why a sender is told nothing (notify/may_notify.h), and what else may be in the way. */
static const struct {
    const char *word;
    const char *text;
} whys[] = {
    { "unproved", "it is not proved that he sent it, and a forged sender would get the notice" },
    { "no_sender", "the message has none" },
    { "own", "the message is one of ours" },
    { "held_back",
      "the recipient was held back for somebody's judgement; release the message first" },
    { "unasked", "he does not want to be told (NOTIFY)" },
    { "not_writable", "his address cannot be written in a header" },
    { "no_way", "there is no way to him; see the log" },
    { "not_stored", "the notice could not be stored; see the log" },
};

static const char *text_of_why(const char *word)
{
    for (size_t i = 0; i < sizeof whys / sizeof *whys; i++)
        if (strcmp(word, whys[i].word) == 0)
            return whys[i].text;
    return word;
}

void show_bounced(struct cli *cli, const json_t *answer)
{
    const json_t *notices = json_object_get(answer, "notices");

    show_settled(cli, answer);
    for (size_t i = 0; i < json_array_size(notices); i++) {
        const json_t *notice = json_array_get(notices, i);
        const char *why = json_string_value(json_object_get(notice, "why"));
        if (why == NULL)
            buf_add(&cli->out, str_from(text_in(cli->language, "the sender is told\n")));
        else
            buf_add_format(&cli->out, text_in(cli->language, "the sender is not told: %s\n"),
                           text_in(cli->language, text_of_why(why)));
    }
}
