"""What the operating system says of a file or a disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from wa.errors import WaError


def free_bytes(folder: Path) -> int:
    """How much more the disk of a directory takes from us."""
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize


def storage_error(error: OSError, path: Path) -> WaError:
    """What an operating system's refusal means to the user."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    hint = f"check that {path} is a place that can be written"
    if error.errno in (errno.EACCES, errno.EPERM):
        hint = f"check who owns {path}: ls -ld {path}"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        hint = "free some disk space, then try again; nothing was half-written"
    elif error.errno == errno.EROFS:
        hint = "the disk is mounted read-only; set WA_HOME to a place that can be written"
    return WaError("storage-error", f"cannot use {path}: {reason}", hint)
