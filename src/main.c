/* SPDX-License-Identifier: ISC */
/* main.c: one binary; the first word says what it is this time. */
int main(void)
{
    return 0;
}
