# SPDX-License-Identifier: ISC
"""power.py: a disk whose power can be cut.

An ext4 file system in an image, mounted from a loop device. Power is cut by the ioctl that ext4
has for this: from that moment nothing reaches the device, neither dirty pages nor the journal's
running transaction. What a sync had promised before is there after the next mount, which replays
the journal; what was only written is gone.
"""
import fcntl
import os
import pathlib
import pwd
import struct
import subprocess

import peers

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
NO_LOG_FLUSH = 2


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


class Disk:
    def __init__(self, image, mount_point, size, options="data=ordered", user="nobody"):
        if not peers.IS_ROOT:
            raise peers.Missing("needs root, to mount a disk whose power is cut")
        self.image, self.mount_point = pathlib.Path(image), pathlib.Path(mount_point)
        self.options = options
        with self.image.open("wb") as file:
            file.truncate(size)
        run(peers.program("mkfs.ext4"), "-q", "-F", "-m", "0", self.image)
        done = subprocess.run([peers.program("losetup"), "--find", "--show", str(self.image)],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise peers.Missing(f"no loop device: {done.stderr.strip()}")
        self.device = done.stdout.strip()
        self.is_mounted = False
        try:
            self.mount()
        except AssertionError:
            self.close()
            raise
        owner = pwd.getpwnam(user)
        os.chown(self.mount_point, owner.pw_uid, owner.pw_gid)

    def mount(self):
        run("mount", "-t", "ext4", "-o", self.options, self.device, self.mount_point)
        self.is_mounted = True

    def unmount(self):
        run("umount", self.mount_point)
        self.is_mounted = False

    def cut(self):
        """The power goes. Whoever writes or syncs from now on hears EIO."""
        fd = os.open(self.mount_point, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def restore(self):
        """The power returns: the journal is replayed, and the file system is in order."""
        self.unmount()
        self.mount()
        self.unmount()
        run(peers.program("e2fsck"), "-f", "-n", self.device)
        self.mount()

    def close(self):
        if self.is_mounted:
            subprocess.run(["umount", "--lazy", str(self.mount_point)], check=False)
        subprocess.run(["losetup", "--detach", self.device], check=False)
        self.image.unlink(missing_ok=True)
