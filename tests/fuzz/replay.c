/* SPDX-License-Identifier: ISC */
/* replay.c: runs a fuzz target over every file of a corpus folder, as an ordinary test. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(int directory, const char *name)
{
    struct stat status;
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &status) < 0)
        return -1;
    if (!S_ISREG(status.st_mode)) {
        (void)close(fd);
        return 0;
    }
    /* No byte more than there is, so that ASan sees a read past the end. */
    size_t size = (size_t)status.st_size;
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data == NULL || read(fd, data, size) != (ssize_t)size)
        return -1;
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    (void)close(fd);
    return 1;
}

int main(int argc, char **argv)
{
    int count = 0;
    DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;

    if (directory == NULL) {
        (void)fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        int replayed = replay_file(dirfd(directory), entry->d_name);
        if (replayed < 0) {
            perror(entry->d_name);
            return 1;
        }
        count += replayed;
    }
    (void)closedir(directory);
    (void)printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
