/* SPDX-License-Identifier: ISC */
/* A whole file, one that is too large, none at all, and a pipe; one in the place of another. */
#include "testing.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static void reads_up_to_what_is_allowed(void **state)
{
    char path[] = "/tmp/holdfast-file-XXXXXX";
    int fd = mkstemp(path);
    struct buf out = { 0 };

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    buf_add(&out, STR("> "));
    assert_int_equal(file_read(path, 10, &out), 0);
    assert_true(str_equals(buf_str(&out), STR("> 0123456789")));
    buf_reset(&out);
    assert_int_equal(file_read(path, 9, &out), -EFBIG);
    assert_int_equal(out.len, 10);
    buf_reset(&out);
    assert_int_equal(file_read(path, 3, &out), -EFBIG);
    assert_int_equal(out.len, 4);
    (void)unlink(path);
    (void)close(fd);
    buf_fini(&out);
}

static void says_why_not(void **state)
{
    struct buf out = { 0 };

    (void)state;
    assert_int_equal(file_read("/nowhere/at/all", 10, &out), -ENOENT);
    assert_int_equal(file_read("/", 10, &out), -EISDIR);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

static void reads_a_pipe_to_its_end(void **state)
{
    struct buf out = { 0 };
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    (void)close(ends[1]);
    assert_int_equal(file_read_fd(ends[0], 100, &out), 0);
    assert_true(str_equals(buf_str(&out), STR("abc")));
    (void)close(ends[0]);
    buf_fini(&out);
}

static void knows_what_others_may_read(void **state)
{
    char path[] = "/tmp/holdfast-file-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_false(file_is_exposed(path));
    assert_int_equal(fchmod(fd, 0640), 0);
    assert_true(file_is_exposed(path));
    assert_int_equal(fchmod(fd, 0602), 0);
    assert_true(file_is_exposed(path));
    assert_int_equal(fchmod(fd, 0400), 0);
    assert_false(file_is_exposed(path));
    if (geteuid() == 0 && fchown(fd, 65534, 65534) == 0) /* it is another one's */
        assert_true(file_is_exposed(path));
    (void)unlink(path);
    (void)close(fd);
    assert_false(file_is_exposed(path));
}

static void takes_the_place_of_another(void **state)
{
    char folder[] = "/tmp/holdfast-file-XXXXXX";
    char path[64];
    char new_path[64];
    struct buf out = { 0 };

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a", folder);
    (void)snprintf(new_path, sizeof new_path, "%s/a.new", folder);
    assert_int_equal(file_replace(path, new_path, STR("the first, which is longer")), 0);
    assert_int_equal(file_replace(path, new_path, STR("second")), 0);
    assert_int_equal(access(new_path, F_OK), -1);
    assert_int_equal(file_read(path, 100, &out), 0);
    assert_str(buf_str(&out), STR("second"));
    assert_int_equal(file_replace(path, "/nowhere/at/all", STR("x")), -ENOENT);
    assert_int_equal(file_replace(path, "/dev/full", STR("x")), -ENOSPC);
    buf_reset(&out);
    assert_int_equal(file_read(path, 100, &out), 0);
    assert_str(buf_str(&out), STR("second"));
    (void)unlink(path);
    (void)rmdir(folder);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_up_to_what_is_allowed), cmocka_unit_test(says_why_not),
        cmocka_unit_test(reads_a_pipe_to_its_end),     cmocka_unit_test(knows_what_others_may_read),
        cmocka_unit_test(takes_the_place_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
