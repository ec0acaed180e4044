"""What a user wants a message to be beside a text and files, and whether that goes together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wa.errors import WaError
from wa.people.recipients import Recipient
from wa.queue.compose import Part
from wa.queue.kinds import made, mentions
from wa.queue.kinds.made import Made
from wa.store.database import Row, Store
from wa.store.paths import Home
from wa.values import Value, replace

_NOT_VIEWED_ONCE = {"audio": "a sound file", "voice": "a voice note", "document": "a document"}


class Wish(Value):
    """The options of a command that make more of a message than a text and files, as they were typed."""

    poll: str | None = None
    options: Sequence[str] = ()
    multi: int | None = None
    location: str | None = None
    name: str | None = None
    contacts: Sequence[str] = ()
    sticker: Path | None = None
    mentions: Sequence[str] = ()
    view_once: bool = False

    def kind(self) -> str | None:
        """Return the option that makes the whole message, None without one. Raise WaError `usage` for two."""
        given = {
            "--poll": self.poll is not None,
            "--location": self.location is not None,
            "--contact": bool(self.contacts),
            "--sticker": self.sticker is not None,
        }
        found = [option for option, is_there in given.items() if is_there]
        if len(found) > 1:
            raise WaError("usage", f"{found[0]} and {found[1]} are two messages", "send one after the other")
        return found[0] if found else None

    def check(self, files: Sequence[Path], *, has_text: bool) -> None:
        """Raise WaError `usage` for options that do not go together, and as `outgoing.kind_of` does."""
        whole = self.kind()
        parts = {
            "--option": ("--poll", bool(self.options)),
            "--multi": ("--poll", self.multi is not None),
            "--name": ("--location", self.name is not None),
        }
        for option, (needed, is_given) in parts.items():
            if is_given and whole != needed:
                raise WaError("usage", f"{option} belongs to {needed}", f"give {needed} too, or leave it out")
        others = {
            "a text": has_text,
            "--file": bool(files),
            "--mention": bool(self.mentions),
            "--view-once": self.view_once,
        }
        for what, is_given in others.items():
            if is_given and whole is not None:
                hint = "send one after the other, or leave it out"
                raise WaError("usage", f"{what} cannot go with {whole}", hint)
        if self.view_once:
            self._check_viewed_once(files)

    def _check_viewed_once(self, files: Sequence[Path]) -> None:
        from wa.media import outgoing

        if not files:
            raise WaError("usage", "--view-once is for a picture or a video", "name one with --file")
        for path in files:
            outgoing.check_sendable(path)
            if what := _NOT_VIEWED_ONCE.get(outgoing.kind_for_sending(path).name):
                raise WaError(
                    "usage",
                    f"{path} would go out as {what}, and only pictures and videos can be viewed once",
                    "leave --view-once out, or send a JPEG, PNG or MP4",
                )

    def made(self, store: Store, region: str | None) -> Made | None:
        """Return the message that it asks for; None for a text or files. Raise as the makers in `made` do."""
        if self.poll is not None:
            return made.poll(self.poll, self.options, self.multi)
        if self.location is not None:
            return made.location(self.location, self.name)
        if self.contacts:
            return made.contacts(store, self.contacts, region)
        return made.sticker(self.sticker) if self.sticker is not None else None

    def mentioning(self, text: str, people: Sequence[Recipient]) -> tuple[str, list[str]]:
        """Return a text that mentions the people of `mentions`, as `mentions.put` does."""
        return mentions.put(text, dict(zip(self.mentions, people, strict=True)))

    def marked(self, parts: Sequence[Part], mentioned: Sequence[str]) -> list[Part]:
        """Return messages with whom the text of the first one mentions, and that files are viewed once."""
        done = []
        for number, part in enumerate(parts):
            details: Row = {"mentions": list(mentioned)} if mentioned and not number else {}
            if self.view_once and part.file is not None:
                details["view_once"] = True
            done.append(replace(part, details=details or None))
        return done


def part_of(home: Home, message: Made, quoted_id: str | None = None) -> Part:
    """Return what is sent as one message; its file is copied into the home. Raise as `outgoing.keep` does."""
    return Part(message.text, message.keep(home), quoted_id, message.kind, message.details)
