/* SPDX-License-Identifier: ISC */
/* test_leash.c: messages with and without a descriptor, and what a role that has been taken over
 * may try: other messages, more descriptors, packets that are none. */
#include "testing.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"
#include "roles/leash.h"

struct fixture {
    struct leash supervisor;
    struct leash role;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    int fd[2];

    assert_int_equal(socket_pair(SOCK_SEQPACKET, fd), 0);
    fixture = (struct fixture){ .supervisor = { .fd = fd[0] }, .role = { .fd = fd[1] } };
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    leash_fini(&fixture->supervisor);
    leash_fini(&fixture->role);
    return 0;
}

/* How many descriptors are open: what leaks is counted. */
static unsigned open_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int take_at_role(struct fixture *fixture, struct leash_packet *out_packet)
{
    return leash_receive(&fixture->role, ROLE_SUPERVISOR, ROLE_RECEIVER, out_packet);
}

static int take_at_supervisor(struct fixture *fixture, struct leash_packet *out_packet)
{
    return leash_receive(&fixture->supervisor, ROLE_RECEIVER, ROLE_SUPERVISOR, out_packet);
}

static void carries_a_message(void **state)
{
    struct fixture *fixture = *state;
    struct message_configure message;
    struct leash_packet packet;

    assert_int_equal(take_at_role(fixture, &packet), -EAGAIN);
    assert_int_equal(leash_send(&fixture->supervisor, -1, configure, .config = STR("words")), 0);
    assert_int_equal(leash_send(&fixture->supervisor, -1, run, .index = 3), 0);
    assert_int_equal(take_at_role(fixture, &packet), 1);
    assert_int_equal(packet.type, MESSAGE_configure);
    assert_int_equal(packet.descriptor, -1);
    assert_true(message_get_configure(packet.payload, &message));
    assert_str(message.config, STR("words"));
    assert_int_equal(take_at_role(fixture, &packet), 1);
    assert_int_equal(packet.type, MESSAGE_run);
    assert_int_equal(take_at_role(fixture, &packet), -EAGAIN);
}

static void hands_over_a_descriptor(void **state)
{
    struct fixture *fixture = *state;
    struct leash_packet packet;
    int pipe_fd[2];
    char byte = 0;

    assert_int_equal(pipe(pipe_fd), 0);
    assert_int_equal(leash_send(&fixture->supervisor, pipe_fd[1], listener, .kind = LISTENER_SMTP),
                     0);
    (void)close(pipe_fd[1]); /* it stayed ours to close */
    assert_int_equal(take_at_role(fixture, &packet), 1);
    assert_int_equal(packet.type, MESSAGE_listener);
    assert_true(packet.descriptor >= 0);
    assert_true(fcntl(packet.descriptor, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(packet.descriptor, "x", 1), 1);
    assert_int_equal(read(pipe_fd[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    (void)close(packet.descriptor);
    (void)close(pipe_fd[0]);
}

static void tells_that_the_other_side_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct leash_packet packet;

    leash_fini(&fixture->supervisor);
    assert_int_equal(fixture->supervisor.fd, -1);
    assert_int_equal(take_at_role(fixture, &packet), 0);
    assert_int_equal(leash_send(&fixture->role, -1, ready, .index = 1), -EPIPE);
}

static void carries_the_largest_configuration(void **state)
{
    static char text[200 * 1024];
    struct fixture *fixture = *state;
    struct message_configure message;
    struct leash_packet packet;

    memset(text, 'c', sizeof text);
    int sent = leash_send(&fixture->supervisor, -1, configure, .config = str_of(text, sizeof text));
    if (sent == -EMSGSIZE) /* the system's socket buffers are smaller */
        skip();
    assert_int_equal(sent, 0);
    assert_int_equal(take_at_role(fixture, &packet), 1);
    assert_true(message_get_configure(packet.payload, &message));
    assert_int_equal(message.config.len, sizeof text);
}

static void refuses_what_is_not_the_sender_s_to_say(void **state)
{
    static const char stop[] = { MESSAGE_stop, 0 };
    static const char ask[] = { MESSAGE_recipient_ask, 0 };
    const struct {
        const char *what;
        struct str packet;
    } cases[] = {
        { "a single byte", { "\1", 1 } },
        { "type zero", { "\0\0", 2 } },
        { "an unknown type", { "\377\377", 2 } },
        { "a receiver that says stop", { stop, sizeof stop } },
        { "a receiver that asks the keeper's question here", { ask, sizeof ask } },
    };
    struct fixture *fixture = *state;
    struct leash_packet packet;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str bytes = cases[i].packet;
        assert_int_equal(send(fixture->role.fd, bytes.ptr, bytes.len, 0), bytes.len);
        int got = take_at_supervisor(fixture, &packet);
        if (got != -EPROTO)
            fail_msg("%s: %d", cases[i].what, got);
    }
}

static void send_descriptors(int to, const int *descriptor, unsigned count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(8 * sizeof(int))];
    } room = { .bytes = { 0 } };
    char bytes[10] = { (char)MESSAGE_ready };
    struct iovec part = { .iov_base = bytes, .iov_len = sizeof bytes };
    struct msghdr header = { .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = room.bytes,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
    struct cmsghdr *control = CMSG_FIRSTHDR(&header);

    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(control), descriptor, count * sizeof(int));
    assert_true(sendmsg(to, &header, 0) > 0);
}

/* Descriptors that nobody asked for would pile up in the supervisor, which outlives all roles. */
static void keeps_no_descriptor_too_many(void **state)
{
    struct fixture *fixture = *state;
    struct leash_packet packet;
    int same[8] = { 0 };

    unsigned before = open_descriptors();
    for (unsigned count = 2; count <= COUNT_OF(same); count++) {
        send_descriptors(fixture->role.fd, same, count);
        assert_int_equal(take_at_supervisor(fixture, &packet), -EPROTO);
        assert_int_equal(open_descriptors(), before);
    }
    send_descriptors(fixture->role.fd, same, 1);
    assert_int_equal(take_at_supervisor(fixture, &packet), 1);
    assert_true(packet.descriptor >= 0);
    (void)close(packet.descriptor);
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(carries_a_message),
        TEST(hands_over_a_descriptor),
        TEST(tells_that_the_other_side_is_gone),
        TEST(carries_the_largest_configuration),
        TEST(refuses_what_is_not_the_sender_s_to_say),
        TEST(keeps_no_descriptor_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
