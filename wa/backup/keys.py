"""The age keys (https://age-encryption.org) that backups are encrypted to and opened with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wa.errors import WaError
from wa.settings import BackupKeys, bad_setting
from wa.store.files import write_file


def make_pair(path: Path | None = None) -> dict[str, str]:
    """Return a new pair of keys: `recipient`, the public one, `identity`, the private one, and `text`.

    `text` is the content of a key file, and is written to a new file when `path` is given. Raise
    WaError `usage` when that file exists, and `storage-error`.
    """
    import pyrage

    pair = pyrage.x25519.Identity.generate()
    recipient, identity = str(pair.to_public()), str(pair)
    text = f"# public key: {recipient}\n{identity}"
    if path is not None:
        try:
            write_file(path, [text, "\n"], replacing=False)
        except FileExistsError:
            raise WaError("usage", f"{path} exists already", "name a file that does not exist yet") from None
    return {"recipient": recipient, "identity": identity, "text": text}


def recipient_of(keys: BackupKeys) -> Any:
    """Return the public key to encrypt to; None when none is set. Raise WaError `bad-setting`."""
    if keys.recipient is None:
        return None
    import pyrage

    try:
        return pyrage.x25519.Recipient.from_str(keys.recipient)
    except pyrage.RecipientError:
        wanted = "an age public key; it was mistyped"
        raise bad_setting("WA_BACKUP_RECIPIENT", keys.recipient, wanted) from None


def identities_of(keys: BackupKeys, name: str) -> list[Any]:
    """Return the private keys in the file that is set, to open a backup. Raise WaError `bad-setting`."""
    if keys.identity is None:
        raise WaError(
            "bad-setting",
            f"{name} is encrypted, and WA_BACKUP_IDENTITY is not set",
            "set it to the file with the private key, as `wa backup keygen` wrote it",
        )
    import pyrage

    try:
        lines = Path(keys.identity).expanduser().read_text(encoding="utf-8").split()
        found = [
            pyrage.x25519.Identity.from_str(each) for each in lines if each.startswith("AGE-SECRET-KEY-")
        ]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError):
        found = []
    if not found:
        wanted = "a file with an age private key, as `wa backup keygen` writes it"
        raise bad_setting("WA_BACKUP_IDENTITY", keys.identity, wanted)
    return found
