"""Packing and unpacking a snapshot: zstd compresses it, and age encrypts that if a recipient is set.

`age -d | zstd -d` (https://age-encryption.org/v1, RFC 8878) restores the SQLite file.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wa.backup.keys import identities_of, recipient_of
from wa.errors import WaError
from wa.settings import BackupKeys, bad_setting
from wa.store.files import create, explained, need_room, storage_error

_LEVEL = 3
_CHUNK = 1024 * 1024
_MOST_RATIO = 50_000
"""A compression ratio that zstd cannot reach: 128 KiB of equal bytes take 3 bytes (RFC 8878, 3.1.1.2)."""
_HEADER = 18
"""The most bytes of a zstd frame's header (RFC 8878, 3.1.1.1)."""
_AGE, _ZSTD, _SQLITE = b"age-encryption.org/v1\n", b"\x28\xb5\x2f\xfd", b"SQLite format 3\0"


class Damaged(WaError):
    """A backup is cut off or changed, or a file is no backup at all."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            "corrupt", f"{name} is damaged: {why}", "`wa backup list` shows the others; `verify` tries one"
        )


@dataclass(frozen=True)
class Packed:
    """The size in bytes and the digests of a packed file."""

    size: int
    sha256: str
    md5: bytes


def pack(snapshot: Path, target: Path, keys: BackupKeys) -> Packed:
    """Compress a snapshot into a new file, and encrypt it if a recipient is set.

    Raise WaError `bad-setting` for a recipient that is no age key, and `storage-error`.
    """
    import zstandard

    recipient = recipient_of(keys)
    with explained(target):
        file = create(target)
    with file, snapshot.open("rb") as source:
        out = _Digesting(file)
        compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        size = snapshot.stat().st_size
        try:
            if recipient is None:
                compressor.copy_stream(source, out, size=size)  # type: ignore[arg-type]
            else:
                import pyrage

                pyrage.encrypt_io(compressor.stream_reader(source, size=size), out, [recipient])
            file.flush()
        except Exception as error:
            reason = out.error or error
            if not isinstance(reason, OSError):
                raise
            raise storage_error(reason, target) from error
    return out.packed


def digest(path: Path) -> Packed:
    """Return the size in bytes and the digests of a file. Raise OSError."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return Packed(size, sha256.hexdigest(), md5.digest())


def unpack(packed: Path, target: Path, keys: BackupKeys, name: str, *, copies: float = 1.0) -> None:
    """Decrypt and decompress a backup into a new file.

    The disk must have room for `copies` times the result. Raise Damaged, WaError `bad-setting` when the
    identity is missing or wrong, and `storage-error`.
    """
    with packed.open("rb") as file:
        begin = file.read(len(_AGE))
        file.seek(0)
        with explained(target):
            out = create(target)
        with out:
            unpacker = _Unpacker(file, out, target, name, copies)
            try:
                if begin.startswith(_SQLITE):
                    unpacker.copy(file)
                elif begin.startswith(_ZSTD):
                    unpacker.decompress(file)
                elif begin.startswith(_AGE):
                    _decrypt(file, unpacker, keys, name)
                else:
                    raise Damaged(name, "it is no backup of wa's")
                unpacker.finish()
            except Exception as error:
                raise unpacker.reason or error from error


class _Unpacker:
    """A writer that decompresses into a file; it stores its own error, which age would hide."""

    def __init__(self, packed: BinaryIO, out: BinaryIO, target: Path, name: str, copies: float) -> None:
        import zstandard

        self._out = out
        self._target = target
        self._name = name
        self._copies = copies
        self._most = os.fstat(packed.fileno()).st_size * _MOST_RATIO
        self._size: int | None = None
        self._begin = b""
        self._done = 0
        self._zstd = zstandard.ZstdDecompressor().decompressobj()
        self.reason: WaError | None = None

    def copy(self, file: BinaryIO) -> None:
        """Copy a file that is not packed."""
        self._expect(os.fstat(file.fileno()).st_size)
        while chunk := file.read(_CHUNK):
            self._put(chunk)

    def decompress(self, file: BinaryIO) -> None:
        """Decompress a whole file."""
        while chunk := file.read(_CHUNK):
            self.write(chunk)

    def write(self, data: bytes) -> int:
        """Decompress `data`, the next bytes."""
        import zstandard

        try:
            if self._size is None:
                self._begin += data
                if len(self._begin) < _HEADER:
                    return len(data)
                self._expect(zstandard.get_frame_parameters(self._begin).content_size)
                self._put(self._zstd.decompress(self._begin))
            else:
                self._put(self._zstd.decompress(data))
        except zstandard.ZstdError as error:
            self.reason = Damaged(self._name, f"it cannot be decompressed ({error})")
            raise
        except WaError as error:
            self.reason = error
            raise
        return len(data)

    def flush(self) -> None:
        """Do nothing: `finish` does."""

    def finish(self) -> None:
        """Write the last bytes. Raise Damaged when bytes are missing."""
        if self._size is None or self._done != self._size:
            raise Damaged(self._name, "it is cut off")
        try:
            self._out.flush()
        except OSError as error:
            raise storage_error(error, self._target) from error

    def _expect(self, size: int) -> None:
        if size > self._most:
            raise Damaged(self._name, "it cannot hold as much as it says")
        need_room(self._target.parent, size * self._copies, "to unpack the backup")
        self._size = size

    def _put(self, data: bytes) -> None:
        try:
            self._out.write(data)
        except OSError as error:
            raise storage_error(error, self._target) from error
        self._done += len(data)


def _decrypt(file: BinaryIO, out: _Unpacker, keys: BackupKeys, name: str) -> None:
    import pyrage

    identities = identities_of(keys, name)
    try:
        pyrage.decrypt_io(file, out, identities)
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            raise bad_setting(
                "WA_BACKUP_IDENTITY", str(keys.identity), f"the private key for which {name} was encrypted"
            ) from None
        raise Damaged(name, f"it cannot be decrypted ({error})") from None
    except OSError as error:
        raise Damaged(name, f"it cannot be decrypted ({error})") from None


class _Digesting:
    """A writer that digests the bytes it writes to a file; it stores its own error, which age would hide."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write `data` to the end of the file."""
        try:
            self._file.write(data)
        except OSError as error:
            self.error = error
            raise
        self.size += len(data)
        self.sha256.update(data)
        self.md5.update(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: `finish` does."""

    @property
    def packed(self) -> Packed:
        """The size and the digests of the written file."""
        return Packed(self.size, self.sha256.hexdigest(), self.md5.digest())
