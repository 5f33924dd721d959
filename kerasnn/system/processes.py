"""Processes of this and other machines: who they are, and whether they still run."""

import os
import socket
from contextlib import suppress
from pathlib import Path

_STARTED_FIELD = 19  # of /proc/PID/stat after the name: ticks since the machine started
_FIRST_NAMESPACE = "pid:[4026531836]"  # of Linux outside containers


def host_name() -> str:
    """Return the name of the machine, and of the container if process numbers are its own.

    Two containers may have the same host name, and each a process 1.
    """
    name = socket.gethostname()
    with suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
        if namespace != _FIRST_NAMESPACE:
            return f"{name}.{namespace.removeprefix('pid:[').removesuffix(']')}"
    return name


def boot_id() -> str:
    """Return an id that all processes under one running kernel share; "" if unknown."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def start_time(process: int) -> str:
    """Return the start time of a process of this machine, as some text; "" if unknown.

    It tells a process from a later one that was given the same number.
    """
    with suppress(OSError, IndexError):
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
        # The name before it may contain blanks and parentheses.
        return status.rpartition(")")[2].split()[_STARTED_FIELD]
    return ""


def is_running(process: int) -> bool:
    """Return False if no process of this machine has this number, True if it is unknown."""
    if os.name != "posix":
        return True  # there signal 0 has another meaning
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's process
        return True
    return True
