/* SPDX-License-Identifier: ISC */
/* leash.c: see leash.h. */
#include "roles/leash.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKET_MAX = 512 * 1024 };

union descriptor_room {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static int send_packet(int fd, int descriptor, struct str packet)
{
    union descriptor_room room = { .bytes = { 0 } };
    struct iovec part = { .iov_base = (void *)(uintptr_t)packet.ptr, .iov_len = packet.len };
    struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

    if (descriptor >= 0) {
        header.msg_control = room.bytes;
        header.msg_controllen = sizeof room.bytes;
        struct cmsghdr *control = CMSG_FIRSTHDR(&header);
        control->cmsg_level = SOL_SOCKET;
        control->cmsg_type = SCM_RIGHTS;
        control->cmsg_len = CMSG_LEN(sizeof descriptor);
        memcpy(CMSG_DATA(control), &descriptor, sizeof descriptor);
    }
    return sendmsg(fd, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

void leash_fini(struct leash *leash)
{
    if (leash->fd >= 0)
        (void)close(leash->fd);
    leash->fd = -1;
    buf_fini(&leash->out);
    buf_fini(&leash->in);
}

void leash_begin(struct leash *leash, enum message_type type)
{
    buf_reset(&leash->out);
    buf_add_u16(&leash->out, (uint16_t)type);
}

int leash_end(struct leash *leash, int descriptor)
{
    return send_packet(leash->fd, descriptor, buf_str(&leash->out));
}

static int descriptor_in(struct msghdr *header)
{
    int descriptor = -1;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control != NULL;
         control = CMSG_NXTHDR(header, control)) {
        if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS &&
            control->cmsg_len == CMSG_LEN(sizeof descriptor))
            memcpy(&descriptor, CMSG_DATA(control), sizeof descriptor);
    }
    return descriptor;
}

int leash_receive(struct leash *leash, enum role sender, enum role taker,
                  struct leash_packet *out_packet)
{
    union descriptor_room room;
    struct buf *buffer = &leash->in;
    buf_reset(buffer);
    buf_reserve(buffer, PACKET_MAX);
    struct iovec part = { .iov_base = buffer->ptr, .iov_len = PACKET_MAX };
    /* Room for one descriptor to the byte: in the padding the kernel would put a second one, which
     * nobody would close. */
    struct msghdr header = { .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = room.bytes,
                             .msg_controllen = CMSG_LEN(sizeof(int)) };
    ssize_t got = recvmsg(leash->fd, &header, MSG_CMSG_CLOEXEC);

    if (got < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    if (got == 0)
        return 0;
    buffer->len = (size_t)got;
    struct leash_packet packet = { .payload = cursor_over(buf_str(buffer)),
                                   .descriptor = descriptor_in(&header) };
    packet.type = (enum message_type)cursor_u16(&packet.payload);
    /* Without a free descriptor a filter is gone, as it is without a connection, and so is a line;
     * anything else is for a role that begins. */
    bool is_cut = (header.msg_flags & MSG_TRUNC) != 0 ||
                  ((header.msg_flags & MSG_CTRUNC) != 0 && packet.type != MESSAGE_filter_answer &&
                   packet.type != MESSAGE_line_answer);
    if (!cursor_ok(&packet.payload) || is_cut || !message_is_allowed(packet.type, sender, taker)) {
        if (packet.descriptor >= 0)
            (void)close(packet.descriptor);
        return -EPROTO;
    }
    *out_packet = packet;
    return 1;
}
