"""Become a service: tie this process to its parent's life, shed root where asked, then exec the command.

Run by file path with the standard library alone, so that it costs a few milliseconds. Usage:
launch.py PARENT_PID DEATH_SIGNAL IDENTITY COMMAND...
"""

from __future__ import annotations

import ctypes
import os
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _call(function: str, *arguments: object) -> None:
    if getattr(_libc, function)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{function}: {os.strerror(code)}")


def enter_namespace(uid: int, gid: int) -> None:
    """Seem to be uid inside a user namespace of one's own; files stay owned by the caller."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWUSER)
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{gid} {outer_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(content)


def become_user(uid: int, gid: int) -> None:
    """Become uid, keeping only the right to pass directories that root has closed to others.

    Without it a database under /root could not be reached, short of opening /root to everybody.
    """
    # Keeps the rights over the change of user, and lets access(2), by which PostgreSQL looks for its own
    # programs, count them too.
    _call("prctl", PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    bit = 1 << CAP_DAC_OVERRIDE
    # effective, permitted, inheritable; low words, then high words
    _call("capset", header, (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0))
    _call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def main() -> None:
    parent, death_signal, identity, *command = sys.argv[1:]
    kind, _, ids = identity.partition(":")
    if kind in ("namespace", "user"):
        uid, gid = (int(part) for part in ids.split(":"))
        (enter_namespace if kind == "namespace" else become_user)(uid, gid)
    # After any change of identity, which would clear it.
    _call("prctl", PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("launch: the parent has gone already")
    os.umask(0o077)
    os.execv(command[0], command)  # noqa: S606, no shell is wanted


if __name__ == "__main__":
    main()
