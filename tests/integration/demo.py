# SPDX-License-Identifier: ISC
"""demo.py: the story of script/demo, told while it happens."""
import shutil
import sys
import time

import peers

BEGAN = time.monotonic()
MESSAGES = 300


def tell(text):
    print(f"[{time.monotonic() - BEGAN:5.1f} s] {text}", flush=True)


def letters():
    """Real mail where testdata is there, else letters of our own: [(name, bytes)]."""
    try:
        found = [data for _, data in peers.corpus()][:MESSAGES]
        tell(f"{len(found)} real messages of a public corpus are ready to be sent.")
    except peers.Missing:
        found = [peers.message(f"letter {i}", b"Dear reader,\n.\n" * (i % 50 + 1))[1]
                 for i in range(MESSAGES)]
        tell(f"{len(found)} letters are ready to be sent.")
    return [(f"d{i}", f"X-Test-Id: d{i}\r\n".encode() + data) for i, data in enumerate(found)]


def show(node, *words, lines=8):
    print(f"\n          $ holdfast {' '.join(words)}")
    text = node.cli(*words).stdout.rstrip().splitlines()
    for line in text[:lines]:
        print("          " + line)
    if len(text) > lines:
        print(f"          … {len(text) - lines} lines more")
    print(flush=True)


def play(node, primary):
    tell("A Postfix with a Dovecot behind it serves example.org. It is the primary.")
    primary.start()
    node.start({"example.org": primary.endpoint})
    tell("holdfast is its backup MX. One message comes in while all is well ...")
    name, data = peers.message("all is well")
    node.send(data)
    peers.wait_until(lambda: primary.count() == 1, 10, "the first message")
    tell("... and is at the primary already.")

    tell("The primary dies.")
    primary.stop()
    mail = letters()
    began = time.monotonic()
    for name, data in mail:
        node.send(data, f"user{hash(name) % 5}@example.org")
    took = time.monotonic() - began
    tell(f"{len(mail)} messages were taken in, one connection each, in {took:.1f} s. "
         "Each 250 was said after the message was on the disk.")
    peers.wait_until(lambda: node.state_of() == "down", 40, "the primary to be seen down")
    show(node, "status")
    show(node, "queue", "list", "--domain", "example.org")

    tell("Power cut: every process of holdfast is killed with signal 9, and started again.")
    node.crash()
    node.start()
    assert node.held() == len(mail), f"{node.held()} of {len(mail)} are left"
    tell(f"All {node.held()} are still held.")

    tell("The primary returns. Nobody tells holdfast.")
    primary.start()
    returned = time.monotonic()
    peers.wait_until(lambda: primary.count() > 1, 10, "the first held message", every=0.02)
    first = time.monotonic() - returned
    tell(f"The first held message is there {first:.1f} s after the primary's return.")
    peers.wait_until(lambda: primary.count() >= len(mail) + 1 and node.held() == 0, 120,
                     "the rest", every=0.02)
    tell(f"All are there after {time.monotonic() - returned:.1f} s.")
    primary.stop()  # waits until its own queue is empty

    arrived = primary.by_name()
    wrong = [name for name, data in mail
             if len(arrived.get(name, [])) != 1
             or not arrived[name][0][1].endswith(b"\n\n" + peers.body_of(data))]
    assert not wrong, f"lost, doubled or damaged: {wrong[:10]}"
    tell(f"Compared with what was sent: {len(mail)} of {len(mail)} once, byte for byte.")
    show(node, "domain", "show", "example.org", lines=20)
    assert first < 10 * peers.SLOWER
    assert not node.complaints(), node.complaints()


def main():
    state = peers.state_folder("holdfast-demo-")
    node = primary = None
    try:
        primary = peers.Postfix(state / "primary")
        node = peers.Holdfast(state / "node")
        play(node, primary)
        tell("That is the story.")
        return 0
    except (AssertionError, TimeoutError, RuntimeError, OSError, peers.Missing) as trouble:
        tell(f"FAILED: {trouble}")
        if node is not None:
            print(node.text()[-3000:], file=sys.stderr)
        return 1
    finally:
        if node is not None:
            node.stop()
        if primary is not None:
            primary.close()
        shutil.rmtree(state, ignore_errors=True)


sys.exit(main())
