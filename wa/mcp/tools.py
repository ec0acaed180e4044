"""The tools of an agent. What it may do by itself is decided in `wa/connection/programs/agents.py`."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Annotated, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import ToolAnnotations
from pydantic import Field

from wa.connection.context import Context
from wa.connection.programs import agents, asked, cursors, sending
from wa.connection.programs.agents import Allowed, Made
from wa.connection.programs.work import Work
from wa.connection.status import line_of
from wa.mcp import answers, shown
from wa.mcp.shown import LONG
from wa.people import edit, recipients
from wa.people.search import narrowed
from wa.queue import attention, rows
from wa.record import chats, messages
from wa.record.changing import which
from wa.record.search import Filter, search
from wa.store.database import Row

LONGEST_WAIT = 30.0

To = Annotated[str, Field(description="A name or alias, a phone number with its country code, or me.")]
Chat = Annotated[str, Field(description="A name, a phone number, the `chat` of an answer, or me.")]
Key = Annotated[str, Field(min_length=1, max_length=255, description="One a message; the same again.")]
Limit = Annotated[int, Field(ge=1, le=200, description="At most this many.")]
Cursor = Annotated[str, Field(description="The next_cursor of the page before; empty for the first page.")]
Offset = Annotated[int, Field(ge=0, description="The next_offset of the part before.")]
Before = Annotated[str, Field(description="Only messages before this time: `yesterday 18:00`, ISO 8601.")]
After = Annotated[str, Field(description="Only messages at this time or later.")]
Words = Annotated[list[str], Field(max_length=100)]
_Kind = Literal[
    "", "text", "image", "video", "audio", "voice", "document", "sticker", "location", "contact", "poll",
    "reaction", "system", "other",
]  # fmt: skip
_Status = Literal[
    "", "all", "draft", "pending", "held", "sending", "sent", "failed", "unknown", "cancelled", "missed"
]
_LOOKS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_SENDS = ToolAnnotations(destructive_hint=True, idempotent_hint=True, open_world_hint=True)
_CHANGES = ToolAnnotations(destructive_hint=True, idempotent_hint=True, open_world_hint=False)


class Tools:
    """The tools; each is a coroutine whose signature and docstring are what an agent is told."""

    def __init__(self, work: Work, allowed: Allowed) -> None:
        self._work = work
        self._allowed = allowed

    async def search_messages(
        self,
        query: Annotated[str, Field(description="Words or parts of words; a message has all of them.")],
        chat: Chat = "",
        sender: Annotated[str, Field(description="Only messages of this person.")] = "",
        type: _Kind = "",  # noqa: A002
        before: Before = "",
        after: After = "",
        limit: Limit = 20,
        cursor: Cursor = "",
    ) -> answers.Messages:
        """Find messages in all chats or in one, newest first. Long texts are cut: read_chat has the rest."""

        def act(context: Context) -> answers.Messages:
            first, last = asked.span(context, before or None, after or None)
            narrowed = Filter(
                chat=asked.chat(context, chat).jid if chat else None,
                sender=asked.recipient(context, sender).jid if sender else None,
                before=first,
                after=last,
                message_type=type or None,
                up_to=cursors.place(cursor),
            )
            found = search(context.store, query, narrowed, limit + 1)
            return _page(context, found[:limit], is_last=len(found) <= limit)

        return await self._work.read(act)

    async def read_chat(
        self,
        chat: Chat,
        before: Before = "",
        after: After = "",
        limit: Limit = 30,
        cursor: Cursor = "",
        message: Annotated[str, Field(description="The id of one message, to read its whole text.")] = "",
        offset: Offset = 0,
    ) -> answers.Messages:
        """Read a conversation, oldest message first; next_cursor leads to older messages.

        With `message`, return that message alone, with up to 20,000 characters of its text from `offset` on.
        """

        def act(context: Context) -> answers.Messages:
            store, jid = context.store, asked.chat(context, chat).jid
            if message:
                row = messages.about(store, jid, which.id_of(store, jid, message))
                assert row is not None  # noqa: S101
                return answers.Messages([shown.message(context, row, offset, LONG)], None)
            span = asked.span(context, before or None, after or None)
            found = messages.conversation(store, jid, limit + 1, *span, cursors.place(cursor))
            return _page(context, found[-limit:], is_last=len(found) <= limit, end=0)

        return await self._work.read(act)

    async def list_chats(
        self,
        unread: Annotated[bool, Field(description="Only chats with unread messages.")] = False,
        limit: Limit = 20,
        cursor: Cursor = "",
    ) -> answers.Chats:
        """List the chats, newest message first, each with its last message. Reading marks nothing as read."""

        def act(context: Context) -> answers.Chats:
            after = cursors.chat(cursor)
            found = chats.listing(context.store, limit + 1, unread_only=unread, after=after)
            there = [shown.chat(context, row) for row in found[:limit]]
            return answers.Chats(there, cursors.of_chat(found[limit - 1]) if len(found) > limit else None)

        return await self._work.read(act)

    async def find_contacts(
        self,
        query: Annotated[str, Field(description="Part of a name, alias, number, tag or note.")] = "",
        tag: str = "",
        favorites: bool = False,
        limit: Limit = 20,
        cursor: Cursor = "",
        notes_offset: Offset = 0,
    ) -> answers.Contacts:
        """Find contacts, the best match first; without a query list them all, favourites first."""

        def act(context: Context) -> answers.Contacts:
            start = cursors.number(cursor)
            kept = narrowed(context.store, query or None, tag or None, favorites=favorites)
            page = list(islice(kept, start, start + limit + 1))
            there = [shown.contact(row, notes_offset) for row in page[:limit]]
            return answers.Contacts(there, str(start + limit) if len(page) > limit else None)

        return await self._work.read(act)

    async def list_scheduled(
        self,
        status: Annotated[_Status, Field(description="Empty: what is not settled yet.")] = "",
        limit: Limit = 20,
        cursor: Cursor = "",
        message: Annotated[str, Field(description="The id of one message, to read its whole text.")] = "",
        offset: Offset = 0,
    ) -> answers.Queue:
        """List the queue: what is not settled by time, what was sent or went wrong newest first."""

        def act(context: Context) -> answers.Queue:
            store = context.store
            if message:
                row = rows.get(store, rows.find(store, message))
                return answers.Queue([shown.queued(context, row, offset, LONG)], None)
            chosen = attention.UNSETTLED if not status else rows.STATUSES if status == "all" else (status,)
            after = attention.from_cursor(cursor) if cursor else None
            has_ended = bool(status) and status not in attention.UNSETTLED
            found, last = attention.page(store, chosen, limit, after, newest_first=has_ended)
            there = [shown.queued(context, row) for row in found]
            return answers.Queue(there, attention.as_cursor(last) if last else None)

        return await self._work.read(act)

    async def status(self) -> answers.Standing:
        """Tell how things are: account, connection, queue, and what you may do without approval."""

        def act(context: Context) -> answers.Standing:
            return answers.Standing(
                may_send=self._allowed.send,
                may_schedule=self._allowed.schedule,
                left_this_hour=agents.left(context),
                **shown.standing(context),
            )

        return await self._work.read(act)

    async def send_message(
        self,
        to: To,
        text: str,
        idempotency_key: Key,
        reply_to: Annotated[str, Field(description="The id of the message to quote.")] = "",
        wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT, description="Seconds to wait for it.")] = 15,
    ) -> answers.Outcome:
        """Send a message now, if you may; otherwise make a draft that a person approves.

        The same key never sends twice. `unknown` means that it may have been sent: do not send it again.
        """

        def act(context: Context) -> tuple[Made, float]:
            made = agents.send(context, self._allowed, to, text, idempotency_key, reply_to or None)
            nobody = line_of(context.home, context.now()).nobody_sends(scheduled=False)
            return made, 0 if nobody else wait

        made, seconds = await self._work.write(act)
        row = await sending.settled(self._work, made.row, seconds)
        return await self._work.read(lambda context: shown.outcome(context, replace(made, row=row)))

    async def schedule_message(
        self,
        to: To,
        text: str,
        at: Annotated[str, Field(description="When: `tomorrow 9am`, `25 dec 10:00`, `in 2 hours`, ISO.")],
        idempotency_key: Key,
        tz: Annotated[str, Field(description="The zone of `at`, as Europe/London, or `contact`.")] = "",
    ) -> answers.Outcome:
        """Schedule a message for later, if you may; otherwise make a draft that a person approves.

        Check `when` in the answer: it is the time as it was read. The same key never sends twice.
        """

        def act(context: Context) -> answers.Outcome:
            made = agents.schedule(context, self._allowed, to, text, at, tz or None, idempotency_key)
            return shown.outcome(context, made)

        return await self._work.write(act)

    async def cancel_scheduled(
        self,
        id: Annotated[str, Field(description="The id of the message.")],  # noqa: A002
    ) -> answers.Queued:
        """Cancel a message that is not sent yet: your own drafts, and others if you may schedule."""
        return await self._work.write(
            lambda context: shown.queued(context, agents.cancel(context, self._allowed, id))
        )

    async def edit_contact(
        self,
        who: Annotated[str, Field(description="The whole name or alias, a number, or the id.")],
        add_aliases: Words = [],  # noqa: B006
        remove_aliases: Words = [],  # noqa: B006
        add_tags: Words = [],  # noqa: B006
        remove_tags: Words = [],  # noqa: B006
        notes: Annotated[str, Field(description="The new notes; empty keeps the old ones.")] = "",
        favorite: bool | None = None,
    ) -> answers.Contact:
        """Change a contact's aliases, tags and notes, or make it a favourite. Names and numbers stay."""

        def act(context: Context) -> answers.Contact:
            store, settings = context.store, context.settings
            number = recipients.find(store, who, settings.region, exact=True)["id"]
            row = edit.annotate(
                store,
                number,
                context.now(),
                add={"aliases": add_aliases, "tags": add_tags},
                remove={"aliases": remove_aliases, "tags": remove_tags},
                notes=notes or None,
                is_favorite=favorite,
            )
            return shown.contact(row)

        return await self._work.write(act)


def tools(work: Work, allowed: Allowed) -> list[Tool]:
    """Return the tools."""
    of = Tools(work, allowed)
    looks = (
        of.search_messages,
        of.read_chat,
        of.list_chats,
        of.find_contacts,
        of.list_scheduled,
        of.status,
    )
    made = [
        *(Tool.from_function(each, annotations=_LOOKS) for each in looks),
        *(Tool.from_function(each, annotations=_SENDS) for each in (of.send_message, of.schedule_message)),
        *(Tool.from_function(each, annotations=_CHANGES) for each in (of.cancel_scheduled, of.edit_contact)),
    ]
    for tool in made:
        tool.parameters["additionalProperties"] = False
    return made


def _page(context: Context, found: list[Row], *, is_last: bool, end: int = -1) -> answers.Messages:
    """Return a page; it goes on behind the message at the index `end`."""
    there = [shown.message(context, row) for row in found]
    return answers.Messages(there, None if is_last else cursors.of_message(found[end]))
