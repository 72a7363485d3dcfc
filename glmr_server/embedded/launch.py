"""Start a service: end with the parent, drop root privileges if requested, then exec the command.

It uses only the standard library and is run by file path, so it costs a few milliseconds. Usage:
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
    """Appear as uid inside a new user namespace. Files stay owned by the caller."""
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
    """Become uid, keeping only the right to enter directories that root has closed to others.

    Without that right a database under /root could not be reached.
    """
    # Keeps the rights across the change of user, also for access(2), which PostgreSQL uses to find its
    # programs.
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
    # After the change of identity, which would clear this setting.
    _call("prctl", PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("launch: the parent has already ended")
    os.umask(0o077)
    os.execv(command[0], command)  # noqa: S606, no shell is needed


if __name__ == "__main__":
    main()
