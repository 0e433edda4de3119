/* SPDX-License-Identifier: ISC */
/* fuzz_leash.c: a role that has been taken over sends its supervisor any packet, with none to three
 * descriptors. What is let through is in the table, and no descriptor stays open.
 *
 * First octet: who speaks; second: how many descriptors; third: how many packets the rest is. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/socket.h"
#include "roles/leash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DESCRIPTORS_MAX = 3 };

union descriptor_room {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

static void send_packet(int fd, struct str bytes, unsigned descriptors)
{
    union descriptor_room room = { .bytes = { 0 } };
    struct iovec part = { .iov_base = (void *)(uintptr_t)bytes.ptr, .iov_len = bytes.len };
    struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
    int descriptor[DESCRIPTORS_MAX] = { fd, fd, fd };

    if (descriptors > 0) {
        header.msg_control = room.bytes;
        header.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
        struct cmsghdr *control = CMSG_FIRSTHDR(&header);
        control->cmsg_level = SOL_SOCKET;
        control->cmsg_type = SCM_RIGHTS;
        control->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
        memcpy(CMSG_DATA(control), descriptor, descriptors * sizeof(int));
    }
    (void)sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The lowest number that is free. */
static int free_descriptor(void)
{
    int fd = dup(STDERR_FILENO);
    check(fd >= 0);
    (void)close(fd);
    return fd;
}

static void receive(struct leash *leash, enum role sender)
{
    struct leash_packet packet;
    struct message_ready ready;
    int got;

    while ((got = leash_receive(leash, sender, ROLE_SUPERVISOR, &packet)) == 1) {
        check(message_is_allowed(packet.type, sender, ROLE_SUPERVISOR));
        (void)message_get_ready(packet.payload, &ready);
        if (packet.descriptor >= 0)
            (void)close(packet.descriptor);
    }
    check(got == -EAGAIN || got == -EPROTO || got == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct leash leash = { .fd = -1 };
    int fd[2];

    if (size < 3)
        return 0;
    struct str rest = str_of(data + 3, size - 3);
    enum role sender = (enum role)(data[0] % ROLE_COUNT);
    size_t piece = rest.len / (data[2] % 4 + 1U) + 1;
    int before = free_descriptor();
    check(socket_pair(SOCK_SEQPACKET, fd) == 0);
    leash.fd = fd[0];
    while (rest.len > 0) {
        send_packet(fd[1], str_first(rest, piece), data[1] % (DESCRIPTORS_MAX + 1U));
        receive(&leash, sender);
        rest = str_skip(rest, piece);
    }
    (void)close(fd[1]);
    receive(&leash, sender);
    leash_fini(&leash);
    check(free_descriptor() == before);
    return 0;
}
