/* SPDX-License-Identifier: ISC */
/* cli.h: holdfast on the command line.
 *
 *     holdfast [--config FILE] COMMAND [SUBCOMMAND] [ARGUMENT]… [--option[=VALUE]]…
 *
 * Exit status: 0 done; 1 refused, failed or not found; 2 a wrong command line or
 * configuration.
 */
#pragma once

int cli_main(int argc, char **argv);
