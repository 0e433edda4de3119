/* SPDX-License-Identifier: ISC */
/* key.c: `holdfast key`: a new key that seals kept mail, to standard output; whoever asks puts it
 * where it belongs. */
#include <sodium.h>

#include "cli/command.h"
#include "store/sealed/seal.h"

int run_key(struct cli *cli)
{
    seal_key_make(&cli->out);
    size_t made = cli->out.len;
    cli_flush(cli);
    sodium_memzero(cli->out.ptr, made);
    if (ferror(stdout) == 0)
        return EXIT_OK;
    cli_say("the key was not written; what stands at the file's end now is none");
    return EXIT_REFUSED;
}
