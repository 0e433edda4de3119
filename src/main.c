/* SPDX-License-Identifier: ISC */
/* main.c: one binary; the first word says what it is this time. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
