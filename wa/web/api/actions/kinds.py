"""Messages to send that are more than a text and a file: polls, places, contacts, stickers, mentions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wa.connection.context import Context
from wa.connection.programs import asked
from wa.errors import WaError
from wa.media.uploads import Upload
from wa.people.recipients import Recipient
from wa.queue import compose
from wa.queue.compose import Part
from wa.queue.kinds import made
from wa.queue.kinds.wish import Wish, part_of
from wa.store.database import Row
from wa.web.api import fields
from wa.web.api.fields import Body, Words


class Poll(Body):
    """A poll."""

    question: str = Field(description="The question.", examples=["Lunch?"])
    options: list[str] = Field(description="2 to 12 answers.", examples=[["Pizza", "Soup"]])
    multi: Annotated[int | None, Field(description="How many of them one may choose; 1 without.")] = None


class Location(Body):
    """A place."""

    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False, description="In degrees.")
    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False, description="In degrees.")
    name: Annotated[str | None, Field(description="What it is called.")] = None


class Message(fields.WithText):
    """A message: a text or template, a file, or one of the others."""

    poll: Annotated[Poll | None, Field(description="Send a poll.")] = None
    location: Annotated[Location | None, Field(description="Send a place.")] = None
    contact: Annotated[Words, Field(description="Send name and numbers of these contacts.")] = Field([])
    sticker: Annotated[bool, Field(description="Whether the file, a WebP, goes out as a sticker.")] = False
    mention: Annotated[
        Words, Field(description="Whom @WHO in the text means; others are added to its end.")
    ] = Field([])
    view_once: Annotated[bool, Field(description="Whether the picture or video can be seen once.")] = False


def made_of(context: Context, to: Recipient, body: Message, quoted: str | None, file: Upload | None) -> Part:
    """Return the message to a recipient that a body asks for. Raise WaError."""
    if whole := _whole(body):
        _check_alone(body, whole, file)
        if whole == "sticker":
            return Part("", _sticker(file), quoted, "sticker")
        message = _made(context, body)
        return part_of(context.home, message, quoted)
    if body.view_once and (file is None or file.columns["media_type"] not in ("image", "video")):
        raise WaError("usage", "view_once is for a picture or a video", "give one as file, or leave it out")
    words = fields.words_of(context, body, has_file=file is not None)
    said = words.filled(context.store, to, context.now().astimezone(context.settings.zone))
    wish = Wish(mentions=body.mention, view_once=body.view_once)
    said, mentioned = wish.mentioning(said, [asked.recipient(context, each) for each in body.mention])
    part = compose.one_part(context.home, said, file.columns if file else None, quoted_id=quoted)
    (marked,) = wish.marked([part], mentioned)
    return marked


def _whole(body: Message) -> str | None:
    """Return the field that makes the whole message, None without one. Raise WaError `usage` for two."""
    given = {
        "poll": body.poll is not None,
        "location": body.location is not None,
        "contact": bool(body.contact),
        "sticker": body.sticker,
    }
    found = [name for name, is_there in given.items() if is_there]
    if len(found) > 1:
        raise WaError("usage", f"{found[0]} and {found[1]} are two messages", "send one after the other")
    return found[0] if found else None


def _check_alone(body: Message, whole: str, file: Upload | None) -> None:
    others = {
        "a text": body.text is not None or body.template is not None or bool(body.set),
        "file": file is not None and whole != "sticker",
        "mention": bool(body.mention),
        "view_once": body.view_once,
    }
    for what, is_given in others.items():
        if is_given:
            hint = "send one after the other, or leave it out"
            raise WaError("usage", f"{what} cannot go with {whole}", hint)


def _made(context: Context, body: Message) -> made.Made:
    if body.poll is not None:
        return made.poll(body.poll.question, body.poll.options, body.poll.multi)
    if body.location is not None:
        where = body.location
        return made.location(f"{where.latitude:.8f},{where.longitude:.8f}", where.name)
    return made.contacts(context.store, body.contact, context.settings.region)


def _sticker(file: Upload | None) -> Row:
    """Return the columns of a file as a sticker. Raise WaError `usage` for none, `bad-data` for no WebP."""
    from wa.media import stickers

    if file is None:
        raise WaError("usage", "a sticker is a file", "send a form with it as file")
    name = file.columns["file_name"]
    try:
        stickers.look_at(file.path)
    except WaError as error:
        raise WaError(
            error.code, error.message.replace(str(file.path), name), "a WebP of 1 MB at most"
        ) from None
    return {**file.columns, "media_type": "sticker"}
