/* SPDX-License-Identifier: ISC */
/* fsck.c: `holdfast fsck`: the examination of a data folder, in words.
 *
 * As root, it takes the lock, looks at owners and rights, and then becomes the user whose the
 * folder is: what may be damaged or hostile is read with no more rights than a role has. After a
 * repair the folder is examined once more, and what is found then decides the exit status:
 * 0 nothing is wrong, 1 something is, 2 it could not be examined.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/printable.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/upkeep.h"
#include "roles/place.h"
#include "store/directory/upkeep.h"
#include "store/log/fsck.h"

enum { RECIPIENTS_SHOWN = 5, FINDINGS_SHOWN = 10000, PROGRESS_EVERY_MS = 200 };

static const struct {
    const char *name; /* in JSON */
    const char *text;
    const char *remedy; /* while it is not repaired */
} kinds[FSCK_KIND_COUNT] = {
    [FSCK_HEADER_COPY] = { "header-copy",
                           "one of the two copies of the segment's header is damaged",
                           "--repair writes it from the other one" },
    [FSCK_HEADER] = { "header", "the segment's header cannot be read, so that its mail is not seen",
                      "--repair writes it again" },
    [FSCK_MISNAMED] = { "misnamed", "by its header this file is another segment; who renamed it?",
                        NULL },
    [FSCK_TOO_LARGE] = { "too-large", "no segment is so large; only its beginning was looked at",
                         NULL },
    [FSCK_GAP] = { "gap", "what stood here cannot be read; these records are lost",
                   "--repair keeps the bytes in the folder damaged and closes the gap" },
    [FSCK_END] = { "end", "from here on records are missing that were there",
                   "--repair closes the end" },
    [FSCK_MEANING] = { "meaning",
                       "this record is whole but not understood; is it of a later version?", NULL },
    [FSCK_TWICE] = { "twice", "a message stands here for the second time; the first one counts",
                     NULL },
    [FSCK_CONTENT] = { "content", "the content of this message is damaged, its envelope is good",
                       "--repair keeps what can be read in the folder damaged, "
                       "--discard-damaged takes it off the list" },
    [FSCK_RECORD] = { "record", "this message is lost; its name is known from the index files",
                      "--discard-damaged takes it off the list" },
    [FSCK_SHORTCUT] = { "shortcut",
                        "what makes the start fast is damaged or wrong; no mail depends on it",
                        "--repair removes it, and the next start reads everything" },
    [FSCK_SETTLEMENT] = { "settlement",
                          "that this message is done with is known to the index files alone",
                          NULL },
    [FSCK_TORN] = { "torn", "what a crash left unfinished; nobody was told that it is stored",
                    NULL },
    [FSCK_SETTLED] = { "settled", "the damaged content of a message that is gone already", NULL },
    [FSCK_ORPHAN] = { "orphan", "the content of a message whose record is lost",
                      "--repair keeps it in the folder damaged" },
    [FSCK_LEFTOVER] = { "leftover", "a file that nobody needs",
                        "--repair removes it, as the next start does" },
};

struct examination {
    struct cli *cli;
    json_t *findings;
    json_t *segments;
    uint32_t shown;
    uint32_t damages; /* beside those of the spool */
    uint32_t open;
    bool is_silent; /* the second time only the result counts */
    bool shows_progress;
    int64_t progress_ms;
};

__attribute__((format_arg(2))) static const char *text(const struct examination *examination,
                                                       const char *english)
{
    return text_in(examination->cli->language, english);
}

/* ---- findings, for people ---- */

static void print_message(struct examination *examination, const struct fsck_finding *finding)
{
    struct buf *out = &examination->cli->out;
    const struct stored_message *message = finding->message;

    buf_add_format(out, "    %s %s, ", message_id_to_text(finding->entry->id).text,
                   finding->entry->state == ENTRY_HELD ? "held" : "rescued");
    printable_add(out, finding->entry->domain);
    buf_add(out, STR(", "));
    human_add_size(out, (int64_t)finding->entry->size);
    buf_add_byte(out, '\n');
    if (message == NULL)
        return;
    buf_add(out, STR("    <"));
    printable_add(out, message->envelope.sender);
    buf_add(out, STR("> →"));
    for (uint32_t i = 0; i < message->envelope.recipient_count && i < RECIPIENTS_SHOWN; i++) {
        buf_add(out, STR(" <"));
        printable_add(out, message->envelope.recipient[i].address);
        buf_add_byte(out, '>');
    }
    buf_add(out, message->envelope.recipient_count > RECIPIENTS_SHOWN ? STR(" …\n") : STR("\n"));
}

static const char *remedy_of(const struct fsck_finding *finding)
{
    if (finding->kind == FSCK_HEADER && finding->remedy == FSCK_DISCARD)
        return "it is not certain which records are its own; --discard-damaged moves it to the "
               "folder damaged";
    return kinds[finding->kind].remedy;
}

static void print_finding(struct examination *examination, const struct fsck_finding *finding)
{
    struct buf *out = &examination->cli->out;
    bool has_place = finding->offset > 0 && finding->kind != FSCK_TOO_LARGE;

    buf_add(out, str_from(finding->file));
    if (has_place)
        buf_add_format(out, " @ %llu", (unsigned long long)finding->offset);
    if (has_place && finding->size > 0)
        buf_add_format(out, " + %llu", (unsigned long long)finding->size);
    buf_add_format(out, ": %s", text(examination, kinds[finding->kind].text));
    if (finding->kind == FSCK_HEADER && finding->records > 0)
        buf_add_format(out, text(examination, " (%llu records are good)"),
                       (unsigned long long)finding->records);
    buf_add_byte(out, '\n');
    if (finding->entry != NULL)
        print_message(examination, finding);
    if (finding->is_repaired)
        buf_add_format(out, "    %s\n", text(examination, "done"));
    else if (remedy_of(finding) != NULL)
        buf_add_format(out, "    %s\n", text(examination, remedy_of(finding)));
    cli_flush(examination->cli);
}

/* ---- findings, for scripts ---- */

static json_t *json_of(struct str bytes)
{
    struct buf shown = { 0 };

    printable_add(&shown, bytes);
    json_t *json = json_stringn(shown.ptr != NULL ? shown.ptr : "", shown.len);
    buf_fini(&shown);
    return json;
}

static void put(json_t *object, const char *name, json_t *value)
{
    (void)json_object_set_new(object, name, value);
}

static json_t *json_message(const struct fsck_finding *finding)
{
    json_t *json = json_object();
    json_t *recipients = json_array();

    put(json, "id", json_string(message_id_to_text(finding->entry->id).text));
    put(json, "domain", json_of(finding->entry->domain));
    put(json, "size", json_integer((json_int_t)finding->entry->size));
    put(json, "state", json_string(finding->entry->state == ENTRY_HELD ? "held" : "rescued"));
    if (finding->message != NULL) {
        const struct envelope *envelope = &finding->message->envelope;
        put(json, "sender", json_of(envelope->sender));
        for (uint32_t i = 0; i < envelope->recipient_count; i++)
            (void)json_array_append_new(recipients, json_of(envelope->recipient[i].address));
    }
    put(json, "recipients", recipients);
    return json;
}

static void add_finding(struct examination *examination, const struct fsck_finding *finding)
{
    static const char *const remedy[] = { [FSCK_REPAIR] = "repair", [FSCK_DISCARD] = "discard" };
    json_t *json = json_object();

    put(json, "kind", json_string(kinds[finding->kind].name));
    put(json, "damage", json_boolean(fsck_is_damage(finding->kind)));
    put(json, "file", json_string(finding->file));
    put(json, "offset", json_integer((json_int_t)finding->offset));
    put(json, "size", json_integer((json_int_t)finding->size));
    put(json, "records", json_integer((json_int_t)finding->records));
    put(json, "remedy",
        finding->remedy == FSCK_NOTHING ? json_null() : json_string(remedy[finding->remedy]));
    put(json, "repaired", json_boolean(finding->is_repaired));
    put(json, "message", finding->entry != NULL ? json_message(finding) : json_null());
    (void)json_array_append_new(examination->findings, json);
}

static void clear_progress(struct examination *examination)
{
    if (examination->shows_progress && examination->progress_ms > 0)
        (void)cli_write(stderr, STR("\r\033[K"));
}

static void on_finding(void *context, const struct fsck_finding *finding)
{
    struct examination *examination = context;

    if (examination->is_silent || examination->shown++ >= FINDINGS_SHOWN)
        return;
    clear_progress(examination);
    if (cli_has(examination->cli, OPTION_JSON))
        add_finding(examination, finding);
    else
        print_finding(examination, finding);
}

static void on_segment(void *context, const struct fsck_segment *segment)
{
    struct examination *examination = context;
    json_t *json = json_object();

    put(json, "number", json_integer(segment->number));
    put(json, "size", json_integer((json_int_t)segment->size));
    put(json, "used", json_integer((json_int_t)segment->used));
    put(json, "live", json_integer(segment->live));
    put(json, "live_bytes", json_integer((json_int_t)segment->live_bytes));
    if (examination->is_silent)
        json_decref(json);
    else
        (void)json_array_append_new(examination->segments, json);
}

static void on_progress(void *context, uint32_t done, uint32_t of)
{
    struct examination *examination = context;
    int64_t now_ms = clock_now().mono_ms;
    struct buf line = { 0 };

    if (!examination->shows_progress || now_ms - examination->progress_ms < PROGRESS_EVERY_MS)
        return;
    examination->progress_ms = now_ms;
    buf_add_format(&line, text(examination, "\rsegment %u of %u"), done, of);
    (void)cli_write(stderr, buf_str(&line));
    buf_fini(&line);
}

/* ---- beside the spool ---- */

static void tell_other(struct examination *examination, const char *kind, const char *file,
                       struct str what, bool is_repaired)
{
    struct buf *out = &examination->cli->out;

    examination->damages++;
    examination->open += is_repaired ? 0 : 1;
    if (!cli_has(examination->cli, OPTION_JSON)) {
        buf_add_format(out, "%s: ", file);
        printable_add(out, what);
        buf_add_format(out, is_repaired ? "\n    %s\n" : "\n", text(examination, "done"));
        return;
    }
    json_t *json = json_object();
    put(json, "kind", json_string(kind));
    put(json, "damage", json_true());
    put(json, "file", json_string(file));
    put(json, "text", json_of(what));
    put(json, "repaired", json_boolean(is_repaired));
    (void)json_array_append_new(examination->findings, json);
}

struct ownership {
    struct examination *examination;
    int folder;
    uid_t user;
    gid_t group;
};

static void check_file(void *context, const char *name)
{
    struct ownership *ownership = context;
    struct examination *examination = ownership->examination;
    struct stat status;
    bool may_repair = cli_has(examination->cli, OPTION_REPAIR);

    if (fstatat(ownership->folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (!S_ISREG(status.st_mode)) {
        tell_other(examination, "owner", name,
                   str_from(text(examination, "this is no file; it does not belong here")), false);
        return;
    }
    if (status.st_uid == ownership->user && (status.st_mode & 077) == 0 &&
        (status.st_mode & 0600) == 0600)
        return;
    int fd = may_repair
                 ? openat(ownership->folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
                 : -1;
    bool good =
        fd >= 0 && fchown(fd, ownership->user, ownership->group) == 0 && fchmod(fd, 0600) == 0;
    if (fd >= 0)
        (void)close(fd);
    tell_other(
        examination, "owner", name,
        str_from(text(examination, "its owner or its rights are wrong; --repair corrects it")),
        good);
}

/* While we still are root, if we are. */
static void check_owners(struct examination *examination, const struct config *config)
{
    struct ownership ownership = { .examination = examination };

    if (!place_owner(config, &ownership.user, &ownership.group))
        return;
    ownership.folder = open("spool", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (ownership.folder < 0)
        return;
    struct disk *disk = disk_posix_open(ownership.folder);
    (void)disk->driver->list(disk, check_file, &ownership);
    disk_posix_close(disk);
}

static void check_directory(struct examination *examination)
{
    struct buf why = { 0 };
    int error = directory_examine("directory.db", &why);

    if (error < 0 && why.len == 0)
        buf_add(&why, str_from(strerror(-error)));
    if (error < 0) {
        buf_add(&why, STR("; "));
        buf_add(&why, str_from(text(examination, "the next start sets it aside and keeps of the "
                                                 "domains what can be read")));
        tell_other(examination, "directory", "directory.db", buf_str(&why), false);
    }
    buf_fini(&why);
}

/* ---- the spool ---- */

static struct disk *open_folder(const char *name, bool make)
{
    if (make && mkdir(name, 0700) < 0 && errno != EEXIST)
        return NULL;
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? NULL : disk_posix_open(fd);
}

static const struct fsck_host fsck_hooks = { on_finding, on_segment, on_progress };

/* A segment that has come back may bring damage of its own. What is found after that counts. */
static int repair_again(struct examination *examination, const struct fsck_settings *settings,
                        struct disk *disk, struct fsck_result *result)
{
    struct fsck_settings look = *settings;
    struct fsck_result after = { 0 };

    examination->is_silent = true;
    int error = fsck_run(settings, disk, &fsck_hooks, examination, &after);
    look.repair = look.discard = false;
    if (error == 0)
        error = fsck_run(&look, disk, &fsck_hooks, examination, &after);
    if (error < 0)
        return error;
    result->open = after.damages;
    result->totals = after.totals;
    return 0;
}

static int examine_spool(struct examination *examination, struct fsck_settings *settings,
                         struct fsck_result *out_result)
{
    struct disk *disk = open_folder("spool", false);
    int error = -errno;

    settings->aside = settings->repair ? open_folder("damaged", true) : NULL;
    if (disk != NULL && settings->repair && settings->aside == NULL) {
        error = -errno;
        disk_posix_close(disk);
        disk = NULL;
    }
    if (disk != NULL) {
        error = fsck_run(settings, disk, &fsck_hooks, examination, out_result);
        if (error == 0 && settings->repair)
            error = repair_again(examination, settings, disk, out_result);
        disk_posix_close(disk);
    }
    disk_posix_close(settings->aside);
    clear_progress(examination);
    return error == -ENOENT ? 0 : error; /* no mail was ever taken: nothing can be damaged */
}

static void nothing(void *context, struct str line)
{
    (void)context;
    (void)line;
}

static int examine(struct examination *examination, const struct config *config,
                   struct fsck_result *out_result)
{
    struct cli *cli = examination->cli;
    struct fsck_settings settings = {
        .store = { .segment_size = LOG_SEGMENT_SIZE, .large_body_size = LOG_LARGE_BODY_SIZE },
        .discard = cli_has(cli, OPTION_DISCARD_DAMAGED),
        .repair = cli_has(cli, OPTION_REPAIR),
        .now = cli->now,
    };

    check_owners(examination, config);
    if (!place_become_owner(config))
        return EXIT_USAGE;
    log_set_sink(nothing, NULL); /* what it has to say is said by us */
    check_directory(examination);
    int error = examine_spool(examination, &settings, out_result);
    if (error < 0)
        cli_say("the spool cannot be examined: %s", strerror(-error));
    bool is_told = error == -EACCES && examination->open > 0; /* by its owners */
    return error == 0 || is_told ? EXIT_OK : EXIT_USAGE;
}

int upkeep_examine(struct cli *cli)
{
    struct examination examination = { .cli = cli, .is_silent = true };
    struct fsck_settings settings = {
        .store = { .segment_size = LOG_SEGMENT_SIZE, .large_body_size = LOG_LARGE_BODY_SIZE },
        .now = cli->now,
    };
    struct fsck_result result = { 0 };

    log_set_sink(nothing, NULL);
    int error = examine_spool(&examination, &settings, &result);
    return error < 0 ? error : (int)result.damages;
}

/* ---- the end ---- */

static void print_end(struct examination *examination, const struct fsck_result *result,
                      uint32_t damages, uint32_t open_ones)
{
    struct cli *cli = examination->cli;

    if (cli_has(cli, OPTION_JSON)) {
        json_t *json = json_object();
        put(json, "ok", json_boolean(open_ones == 0));
        put(json, "held", json_integer((json_int_t)result->totals.held_count));
        put(json, "held_bytes", json_integer((json_int_t)result->totals.held_bytes));
        put(json, "rescued", json_integer((json_int_t)result->totals.rescued_count));
        put(json, "rescued_bytes", json_integer((json_int_t)result->totals.rescued_bytes));
        put(json, "damages", json_integer(damages));
        put(json, "open", json_integer(open_ones));
        put(json, "findings", json_incref(examination->findings));
        put(json, "segments", json_incref(examination->segments));
        char *line = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
        buf_add_format(&cli->out, "%s\n", line);
        free(line);
        json_decref(json);
        return;
    }
    if (examination->shown > FINDINGS_SHOWN)
        buf_add_format(&cli->out, text_in(cli->language, "and %u more\n"),
                       examination->shown - FINDINGS_SHOWN);
    buf_add_format(&cli->out,
                   text_in(cli->language, "held %llu, rescued %llu, damages %u, open %u\n"),
                   (unsigned long long)result->totals.held_count,
                   (unsigned long long)result->totals.rescued_count, damages, open_ones);
}

int run_fsck(struct cli *cli)
{
    struct examination examination = { .cli = cli,
                                       .findings = json_array(),
                                       .segments = json_array(),
                                       .shows_progress = isatty(STDERR_FILENO) != 0 };
    struct fsck_result result = { 0 };
    struct config *config = upkeep_config(cli);
    int status = EXIT_USAGE;

    if (cli_has(cli, OPTION_DISCARD_DAMAGED) && !cli_has(cli, OPTION_REPAIR))
        cli_say("--discard-damaged goes with --repair");
    else if (config != NULL && place_lock(config) && upkeep_enter(config))
        status = examine(&examination, config, &result);
    if (status == EXIT_OK) {
        uint32_t open_ones = result.open + examination.open;
        print_end(&examination, &result, result.damages + examination.damages, open_ones);
        status = open_ones == 0 ? EXIT_OK : EXIT_REFUSED;
    }
    json_decref(examination.findings);
    json_decref(examination.segments);
    config_free(config);
    return status;
}
