"""Second uploads of a picture or video: in better quality, or moving. Phones show both as one.

A message says by `MessageAssociation` what it belongs to; older phones only mark the two files as a pair.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wa.whatsapp.neonize.decoding.fields import text_of

_VERSIONS = ("HD_VIDEO_DUAL_UPLOAD", "HD_IMAGE_DUAL_UPLOAD", "HEVC_VIDEO_DUAL_UPLOAD", "MOTION_PHOTO")
_FILES = ("imageMessage", "videoMessage")


def belongs_to(layers: Iterable[Any]) -> tuple[str, bool, bool]:
    """Return what a message belongs to, given as the message and those inside it.

    That is the id of another message, '' for none; whether this one is a version of that one, which may be
    so without an id; and whether another version of this one will follow.
    """
    *_, inner = layers = [*layers]
    pair = _pair_of(inner)
    for each in layers:
        found = each.messageContextInfo.messageAssociation
        if found.parentMessageKey.ID and found.HasField("associationType"):
            kind = found.AssociationType.Name(found.associationType)
            return text_of(found.parentMessageKey.ID), kind in _VERSIONS, pair.endswith("_PARENT")
    return "", pair.endswith("_CHILD"), pair.endswith("_PARENT")


def _pair_of(message: Any) -> str:
    """Return the mark of a pair of files, such as `HD_IMAGE_CHILD`; '' without one."""
    parts = (getattr(message, name) for name in _FILES if message.HasField(name))
    marks = (part.contextInfo.PairedMediaType.Name(part.contextInfo.pairedMediaType) for part in parts)
    return next(marks, "")


def file_alone(message: Any) -> bytes:
    """Return a message of nothing but its picture or video, encoded; b'' without one."""
    alone = type(message)()
    for name in _FILES:
        if message.HasField(name):
            getattr(alone, name).CopyFrom(getattr(message, name))
            getattr(alone, name).ClearField("contextInfo")
    return bytes(alone.SerializePartialToString())
