"""Messages sealed with another one's secret: opened whatever comes first, shown when they stay closed."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from conftest import REEM, REEM_JID, FakeClock
from relay.trust import installed_neonize
from sealing import digests, seal

from wa.connection.incoming import sealed as opening
from wa.connection.incoming.events import apply_event
from wa.errors import WaError
from wa.people.recipients import Recipient
from wa.queue.compose import Part, queue_now
from wa.queue.outcomes import settle
from wa.queue.send import Scope, claim
from wa.record import merge_chats, messages, search, write
from wa.record.events import log
from wa.record.search import Filter
from wa.settings import parse_settings
from wa.store.condition import check
from wa.store.database import Row, Store
from wa.store.device import keep_account
from wa.values import replace
from wa.whatsapp.events import Deleted, Edited, Event, JidMapped, MessageReceived
from wa.whatsapp.neonize.decoding.content import events_of
from wa.whatsapp.neonize.decoding.decode import history
from wa.whatsapp.neonize.decoding.sealed import opened
from wa.whatsapp.neonize.decoding.unsealed import events_in
from wa.whatsapp.sealed import Sealed
from wa.whatsapp.transport import Accepted, Evidence

_folder = str(installed_neonize() / "proto")
if _folder not in sys.path:  # without importing neonize itself, which would load the library
    sys.path.insert(0, _folder)
E2E: Any = importlib.import_module("waE2E.WAWebProtobufsE2E_pb2")
Sync: Any = importlib.import_module("waHistorySync.WAWebProtobufsHistorySync_pb2")
Message: Any = E2E.Message

NOW = FakeClock()()
AT = 1_795_000_000
REEM_LID, ADAM, ADAM_LID = "100000000000123@lid", "447700900456@s.whatsapp.net", "100000000000456@lid"
ME, MY_LID = "447700900999@s.whatsapp.net", "100000000000999@lid"
GROUP = "1203630000000000001@g.us"
SECRET = b"s" * 32
Run = Callable[..., Any]


@dataclass
class Library:
    """A reader that opens sealed messages as the transport does; `kept` are the library's own secrets."""

    kept: dict[str, list[bytes]] = field(default_factory=dict)
    asked: list[Sequence[str]] = field(default_factory=list)
    trouble: WaError | None = None

    def decode(self, kind: str, payload: bytes) -> list[Event]:
        """Nothing is decoded here."""
        raise NotImplementedError

    def secrets(self, chats: Sequence[str], message_ids: Sequence[str]) -> dict[str, list[bytes]]:
        """Return what is kept."""
        self.asked.append(chats)
        if self.trouble:
            raise self.trouble
        return {each: self.kept[each] for each in message_ids if each in self.kept}

    def open(
        self, event: Sealed, secrets: Sequence[bytes], authors: Sequence[str], senders: Sequence[str]
    ) -> list[Event] | None:
        """Open a message with the code of the transport."""
        content = opened(event, secrets, authors, senders)
        return None if content is None else events_in(event, content, E2E)


@dataclass
class Talk:
    """A chat in which messages arrive."""

    store: Store
    library: Library = field(default_factory=Library)
    numbers: Any = field(default_factory=lambda: count(1))

    def put(self, *events: Event) -> None:
        """Record live events, each in a transaction of its own, and open what is sealed."""
        for event in events:
            with self.store.write():
                apply_event(self.store, event, NOW)
            opening.open_due(self.store, self.library, NOW)

    def says(
        self, content: Any, by: str = REEM_JID, chat: str = "", at: int = AT, message_id: str = ""
    ) -> str:
        """Let a message arrive; return its id."""
        message_id = message_id or f"M{next(self.numbers)}"
        from_me = by in (ME, MY_LID)
        blank = MessageReceived(chat or by, message_id, by, at, None, "system", from_me)
        self.put(*events_of(content, blank))
        return message_id

    def row(self, message_id: str) -> Row:
        """Return a message as it is shown."""
        rows = self.store.rows("SELECT chat_jid FROM messages WHERE message_id = ?", [message_id])
        (chat,) = [row["chat_jid"] for row in rows]
        found = messages.about(self.store, chat, message_id)
        assert found is not None
        return found

    def waiting(self) -> int:
        """Return how many sealed messages are not open."""
        return int(self.store.value("SELECT count(*) FROM sealed"))

    def found(self, query: str) -> list[str]:
        """Return the ids of the messages that a search finds, in an index that is sound."""
        assert check(self.store) == []
        return [row["message_id"] for row in search.search(self.store, query, Filter(), 50)]


@pytest.fixture
def talk(store: Store) -> Talk:
    """A chat of people whose hidden ids are known."""
    with store.write():
        for lid, pn in ((REEM_LID, REEM_JID), (ADAM_LID, ADAM), (MY_LID, ME)):
            merge_chats.map_lid(store, lid, pn)
    return Talk(store)


def text(words: str = "Meet me at 9", secret: bytes = SECRET) -> Any:
    """Return a text, with a secret as phones send it."""
    return Message(conversation=words, messageContextInfo={"messageSecret": secret})


def key(target: str, author: str, chat: str, from_me: bool = False) -> dict[str, Any]:
    """Return the key of a message, as its sender's phone writes it."""
    group = {"participant": author} if chat == GROUP else {}
    return {"ID": target, "remoteJID": chat, "fromMe": from_me, **group}


def sealed_edit(
    target: str, content: Any, *, author: str = REEM_JID, by: str = "", chat: str = REEM_JID,
    at: int = AT + 60, secret: bytes = SECRET, wrapped: bool = True, kind: str = "MESSAGE_EDIT",
    label: str = "Message Edit",
) -> Any:  # fmt: skip
    """Return a sealed edit, with the edit around the new content or the new content alone."""
    by = by or author
    if wrapped:
        protocol = {"type": "MESSAGE_EDIT", "key": key(target, author, chat, True), "timestampMS": at * 1000}
        content = Message(protocolMessage={**protocol, "editedMessage": content})
    iv, payload = seal(secret, target, author, by, label, content.SerializeToString())
    named = key(target, author, chat, by == author)
    part = {"targetMessageKey": named, "secretEncType": kind, "encIV": iv, "encPayload": payload}
    return Message(secretEncryptedMessage=part)


def vote(
    poll: str, *options: str, by: str = ADAM, author: str = REEM_JID, chat: str = GROUP, said: int = 0,
    secret: bytes = SECRET,
) -> Any:  # fmt: skip
    """Return a sealed vote."""
    content = E2E.PollVoteMessage(selectedOptions=digests(options)).SerializeToString()
    iv, payload = seal(secret, poll, author, by, "Poll Vote", content, names_sender=True)
    update = {"pollCreationMessageKey": key(poll, author, chat), "senderTimestampMS": said}
    return Message(pollUpdateMessage={**update, "vote": {"encIV": iv, "encPayload": payload}})


def poll(question: str = "Lunch?", options: Sequence[str] = ("Pizza", "Soup")) -> Any:
    """Return a poll with a secret."""
    asked = {"name": question, "options": [{"optionName": each} for each in options]}
    return Message(pollCreationMessageV3=asked, messageContextInfo={"messageSecret": SECRET})


# ── Edits ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("wrapped", [True, False])
def test_an_edit_is_opened_and_replaces_the_text(talk: Talk, wrapped: bool, wa: Run) -> None:
    first = talk.says(text())
    talk.says(sealed_edit(first, Message(conversation="Meet me at 10"), wrapped=wrapped), at=AT + 60)
    row = talk.row(first)
    assert (row["content"], row["unavailable"], talk.waiting()) == ("Meet me at 10", None, 0)
    assert row["edited_at"] == "2026-11-18T11:07:40.000Z"
    assert (talk.found("at 10"), talk.found("at 9")) == ([first], [])
    assert len(wa("read", REEM, "--json").json) == 1
    assert "s" * 20 not in wa("read", REEM, "--json").out
    assert talk.library.asked == []


def test_an_edit_of_a_caption_keeps_the_file(talk: Talk) -> None:
    picture = Message(imageMessage={"caption": "a cake", "mimetype": "image/jpeg", "directPath": "/v"})
    picture.messageContextInfo.messageSecret = SECRET
    first = talk.says(picture)
    raw = talk.store.value("SELECT raw_proto FROM messages")
    talk.says(sealed_edit(first, Message(imageMessage={"caption": "our cake"})))
    row = talk.row(first)
    assert (row["content"], row["message_type"]) == ("our cake", "image")
    assert talk.store.value("SELECT raw_proto FROM messages") == raw


FORMS = [(author, by) for author in (REEM_JID, REEM_LID) for by in (REEM_JID, REEM_LID)]


def test_a_comment_whose_client_names_its_writer_as_the_author_is_opened(talk: Talk) -> None:
    first = talk.says(text(), chat=GROUP)
    iv, payload = seal(
        SECRET, first, ADAM, ADAM, "Enc Comment", Message(conversation="Yes").SerializeToString()
    )
    part = {"targetMessageKey": key(first, REEM_JID, GROUP), "encIV": iv, "encPayload": payload}
    assert talk.row(talk.says(Message(encCommentMessage=part), by=ADAM, chat=GROUP))["content"] == "Yes"


@pytest.mark.parametrize(("author", "by"), FORMS)
@pytest.mark.parametrize("sender", [REEM_JID, REEM_LID])
def test_author_and_sender_may_be_named_by_number_or_hidden_id(
    talk: Talk, author: str, by: str, sender: str
) -> None:
    first = talk.says(text())
    talk.says(sealed_edit(first, Message(conversation="Meet me at 10"), author=author, by=by), by=sender)
    assert talk.row(first)["content"] == "Meet me at 10"


def test_an_edit_that_comes_before_its_message_waits_for_it_also_over_a_restart(talk: Talk) -> None:
    talk.says(sealed_edit("M9", Message(conversation="Meet me at 10")))
    assert (talk.waiting(), talk.store.value("SELECT count(*) FROM messages")) == (1, 0)
    Talk(talk.store).says(text(), message_id="M9")
    assert (talk.row("M9")["content"], talk.waiting()) == ("Meet me at 10", 0)


def test_the_newest_edit_counts_in_any_order_and_a_replay_changes_nothing(talk: Talk) -> None:
    first = talk.says(text())
    old = sealed_edit(first, Message(conversation="Meet me at 10"), at=AT + 60)
    new = sealed_edit(first, Message(conversation="Meet me at 11"), at=AT + 120)
    for each in (new, old, new, old):
        talk.says(each, at=AT + 300)
    assert talk.row(first)["content"] == "Meet me at 11"
    assert talk.row(first)["edited_at"] == "2026-11-18T11:08:40.000Z"


def test_the_library_s_secret_opens_what_ours_does_not(talk: Talk) -> None:
    first = talk.says(Message(conversation="Meet me at 9"))  # of an earlier version
    talk.library.kept[first] = [b"o" * 32, SECRET]
    talk.says(sealed_edit(first, Message(conversation="Meet me at 10")))
    assert talk.row(first)["content"] == "Meet me at 10"
    assert talk.library.asked == [sorted([REEM_JID, REEM_LID])]


@pytest.mark.parametrize("secret", [None, b"other" * 6])
def test_without_the_right_secret_the_text_stays_and_the_message_says_that_it_was_edited(
    talk: Talk, secret: bytes | None, wa: Run
) -> None:
    first = talk.says(text(secret=secret) if secret else Message(conversation="Meet me at 9"))
    talk.says(sealed_edit(first, Message(conversation="Meet me at 10")), at=AT + 60)
    row = talk.row(first)
    assert (row["content"], row["unavailable"]) == ("Meet me at 9", "edit")
    assert row["edited_at"] == "2026-11-18T11:07:40.000Z"
    assert "Meet me at 9 (edited: only the phone can show the new text)" in wa("read", REEM).out
    assert talk.found("at 9") == [first]
    talk.says(text(), message_id=first)  # the history brings it once more, with its secret
    row = talk.row(first)
    assert (row["content"], row["unavailable"], talk.waiting()) == ("Meet me at 10", None, 0)


def test_a_plain_edit_after_one_that_stays_closed_is_the_newest(talk: Talk) -> None:
    first = talk.says(Message(conversation="Meet me at 9"))
    talk.says(sealed_edit(first, Message(conversation="Meet me at 10")), at=AT + 60)
    talk.put(Edited(REEM_JID, first, "Meet me at 11", AT + 120, REEM_JID))
    assert (talk.row(first)["content"], talk.row(first)["unavailable"]) == ("Meet me at 11", None)


@pytest.mark.parametrize("with_secret", [True, False])
def test_an_edit_by_somebody_else_is_ignored_and_noted(
    talk: Talk, with_secret: bool, caplog: pytest.LogCaptureFixture
) -> None:
    first = talk.says(text() if with_secret else Message(conversation="Meet me at 9"), chat=GROUP)
    edit = sealed_edit(first, Message(conversation="I owe Adam 100"), by=ADAM, chat=GROUP)
    with caplog.at_level(logging.INFO, "wa"):
        talk.says(edit, by=ADAM, chat=GROUP)
    row = talk.row(first)
    assert (row["content"], row["edited_at"], row["unavailable"]) == ("Meet me at 9", None, None)
    assert "is ignored" in caplog.text
    assert talk.waiting() == 0


def test_a_copy_of_somebody_else_s_edit_opens_nothing(talk: Talk) -> None:
    first = talk.says(text(), chat=GROUP)
    edit = sealed_edit(first, Message(conversation="Meet me at 10"), chat=GROUP)
    talk.says(edit, by=ADAM, chat=GROUP)
    assert (talk.row(first)["content"], talk.row(first)["edited_at"]) == ("Meet me at 9", None)
    talk.says(edit, chat=GROUP)
    assert talk.row(first)["content"] == "Meet me at 10"


def test_an_edit_of_a_message_that_cannot_be_read_yet_waits_for_it(talk: Talk) -> None:
    waits = MessageReceived(REEM_JID, "M9", REEM_JID, AT, "Waiting", "other", unavailable="waiting")
    talk.put(waits)
    talk.says(sealed_edit("M9", Message(conversation="Meet me at 10")))
    assert (talk.row("M9")["unavailable"], talk.row("M9")["edited_at"]) == ("waiting", None)
    talk.says(text(), message_id="M9")
    assert (talk.row("M9")["content"], talk.row("M9")["unavailable"]) == ("Meet me at 10", None)
    assert talk.store.value("SELECT count(*) FROM messages") == 1


def test_a_deleted_message_stays_deleted(talk: Talk) -> None:
    first = talk.says(text())
    talk.put(Deleted(REEM_JID, first, AT + 30, REEM_JID))
    talk.says(sealed_edit(first, Message(conversation="Meet me at 10")))
    assert (talk.row(first)["content"], talk.row(first)["unavailable"]) == (None, None)
    assert talk.store.value("SELECT secret FROM messages") is None


@pytest.mark.parametrize(
    "content", [b"\xff\xff\xff", b"", Message(conversation="x" * 9).SerializeToString()[:-3]]
)
def test_a_content_that_cannot_be_read_changes_nothing_and_holds_nothing_up(
    talk: Talk, content: bytes
) -> None:
    first = talk.says(text())
    iv, payload = seal(SECRET, first, REEM_JID, REEM_JID, "Message Edit", content)
    part = {"targetMessageKey": key(first, REEM_JID, REEM_JID, True), "secretEncType": "MESSAGE_EDIT"}
    for nonce in (iv, b"short"):
        talk.says(Message(secretEncryptedMessage={**part, "encIV": nonce, "encPayload": payload}))
    assert talk.row(first)["content"] in ("Meet me at 9", "")
    talk.says(sealed_edit(first, Message(conversation="Meet me at 10"), at=AT + 99))
    assert talk.row(first)["content"] == "Meet me at 10"


def test_while_the_library_s_database_cannot_be_read_a_sealed_message_waits(talk: Talk) -> None:
    first = talk.says(Message(conversation="Meet me at 9"))
    talk.library.trouble = WaError("storage-error", "locked")
    talk.says(sealed_edit(first, Message(conversation="Meet me at 10")))
    assert talk.row(first)["edited_at"] is None
    talk.library.trouble, talk.library.kept[first] = None, [SECRET]
    opening.open_due(talk.store, talk.library, NOW)
    assert talk.row(first)["content"] == "Meet me at 10"


def test_a_time_that_no_calendar_has_is_refused_as_that_of_any_message(talk: Talk) -> None:
    with pytest.raises(ValueError, match="not a time"):
        talk.says(sealed_edit("M9", Message(conversation="Meet me at 10")), at=10**11 * 3)
    assert talk.waiting() == 0


def test_another_person_s_message_of_that_id_brings_no_secret(talk: Talk) -> None:
    first = talk.says(text(), chat=GROUP)
    talk.says(vote("M9", "Soup"), by=ADAM, chat=GROUP)
    talk.says(
        sealed_edit(first, Message(conversation="Meet me at 10"), secret=b"x" * 32, chat=GROUP), chat=GROUP
    )
    talk.says(text("me too", b"x" * 32), by=ADAM, chat=GROUP, message_id=first)
    assert talk.row(first)["content"] == "Meet me at 9"
    assert talk.store.value("SELECT secret FROM messages WHERE message_id = ?", [first]) == SECRET


def test_an_edited_event_shows_its_new_time(talk: Talk) -> None:
    made = Message(eventMessage={"name": "Picnic"}, messageContextInfo={"messageSecret": SECRET})
    first = talk.says(made)
    new = Message(eventMessage={"name": "Picnic in the park"})
    talk.says(sealed_edit(first, new, wrapped=False, kind="EVENT_EDIT", label="Event Edit"))
    assert "Picnic in the park" in talk.row(first)["content"]


# ── Comments, reactions, answers ──────────────────────────────────────────────────────────────────


def comment(target: str, words: str = "What about Tuesday?", by: str = ADAM) -> Any:
    """Return a sealed comment."""
    content = Message(conversation=words).SerializeToString()
    iv, payload = seal(SECRET, target, REEM_JID, by, "Enc Comment", content)
    part = {"targetMessageKey": key(target, REEM_JID, GROUP), "encIV": iv, "encPayload": payload}
    return Message(encCommentMessage=part)


def reaction(target: str, emoji: str, by: str = ADAM) -> Any:
    """Return a sealed reaction."""
    content = E2E.ReactionMessage(text=emoji, senderTimestampMS=(AT + 5) * 1000).SerializeToString()
    iv, payload = seal(SECRET, target, REEM_JID, by, "Enc Reaction", content)
    part = {"targetMessageKey": key(target, REEM_JID, GROUP), "encIV": iv, "encPayload": payload}
    return Message(encReactionMessage=part)


def reactions(talk: Talk, chat: str = GROUP) -> list[str]:
    """Return the emojis in a chat."""
    return [each["emoji"] for row in messages.conversation(talk.store, chat, 9) for each in row["reactions"]]


def test_a_comment_is_a_reply_and_a_reaction_a_reaction(talk: Talk) -> None:
    first = talk.says(text("School is closed"), chat=GROUP)
    said = talk.says(comment(first), by=ADAM, chat=GROUP)
    row = talk.row(said)
    assert (row["content"], row["message_type"], row["quoted_id"], row["sender"]) == (
        "What about Tuesday?", "text", first, ADAM,
    )  # fmt: skip
    talk.says(reaction(first, "👍"), by=ADAM, chat=GROUP)
    assert reactions(talk) == ["👍"]
    assert len(messages.conversation(talk.store, GROUP, 9)) == 2
    assert talk.store.value("SELECT unread_count FROM chats WHERE id = ?", [GROUP]) == 2


def test_a_reaction_or_vote_with_the_id_of_a_message_leaves_the_message_as_it_is(talk: Talk) -> None:
    asked = talk.says(poll(), chat=GROUP)
    first = talk.says(text("Keep me"), chat=GROUP)
    talk.says(reaction(first, "👍"), by=ADAM, chat=GROUP, message_id=first)
    talk.says(vote(asked, "Soup"), by=ADAM, chat=GROUP, message_id=first)
    assert (talk.row(first)["content"], talk.row(first)["sender"]) == ("Keep me", REEM_JID)
    assert talk.found("keep me") == [first]
    assert reactions(talk) == ["👍"]
    assert talk.row(asked)["poll"]["options"][1]["voters"] == [ADAM]


def test_closed_ones_say_what_they_are_and_open_later_in_their_place(talk: Talk) -> None:
    said = talk.says(comment("M9"), by=ADAM, chat=GROUP)
    liked = talk.says(reaction("M9", "👍"), by=ADAM, chat=GROUP)
    row = talk.row(said)
    assert (row["content"], row["unavailable"], row["quoted_id"]) == (
        "A comment: only the phone can show it", "waiting", "M9",
    )  # fmt: skip
    assert talk.row(liked)["content"] == "Reacted to a message (see the phone)"
    unread = "SELECT unread_count FROM chats WHERE id = ?"
    assert talk.store.value(unread, [GROUP]) == 1
    talk.says(text("School is closed"), chat=GROUP, message_id="M9")
    assert (talk.row(said)["content"], talk.row(said)["id"]) == ("What about Tuesday?", row["id"])
    assert reactions(talk) == ["👍"]
    assert len(messages.conversation(talk.store, GROUP, 9)) == 2
    assert (talk.store.value(unread, [GROUP]), talk.found("phone")) == (2, [])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"response": "GOING"}, "Answered an invitation: going"),
        ({"response": "NOT_GOING"}, "Answered an invitation: not going"),
        ({"response": "MAYBE", "extraGuestCount": 2}, "Answered an invitation: perhaps, with 2 more"),
        ({}, "Answered an invitation"),
    ],
)
def test_an_answer_to_an_invitation_says_which_and_what(
    talk: Talk, answer: dict[str, Any], words: str
) -> None:
    made = Message(eventMessage={"name": "Picnic"}, messageContextInfo={"messageSecret": SECRET})
    first = talk.says(made, chat=GROUP)
    content = E2E.EventResponseMessage(**answer).SerializeToString()
    iv, payload = seal(SECRET, first, REEM_JID, ADAM, "Event Response", content, names_sender=True)
    part = {"eventCreationMessageKey": key(first, REEM_JID, GROUP), "encIV": iv, "encPayload": payload}
    row = talk.row(talk.says(Message(encEventResponseMessage=part), by=ADAM, chat=GROUP))
    assert (row["content"], row["message_type"], row["quoted_id"]) == (words, "system", first)


# ── Polls ─────────────────────────────────────────────────────────────────────────────────────────


def counts(talk: Talk, poll_id: str) -> dict[str, int]:
    """Return the votes for each option of a poll."""
    return {each["name"]: each["votes"] for each in talk.row(poll_id)["poll"]["options"]}


def test_votes_are_counted_and_the_newest_of_a_person_counts(talk: Talk, wa: Run) -> None:
    asked = talk.says(poll(), chat=GROUP)
    soup = talk.says(vote(asked, "Soup", said=1000), by=ADAM, chat=GROUP)
    pizza = talk.says(vote(asked, "Pizza", said=2000), by=ADAM, chat=GROUP)
    talk.says(vote(asked, "Soup", said=1000), by=ADAM_LID, chat=GROUP)
    mine = talk.says(vote(asked, "Pizza", by=MY_LID, said=1500), by=MY_LID, chat=GROUP)
    assert counts(talk, asked) == {"Pizza": 2, "Soup": 0}
    assert [talk.row(each)["content"] for each in (soup, pizza)] == ["Voted: Soup", "Voted: Pizza"]
    row = talk.row(mine)
    assert (row["quoted_id"], row["message_type"], row["is_from_me"]) == (asked, "system", 1)
    assert talk.row(asked)["poll"]["options"][0]["voters"] == [ME, ADAM]
    shown = wa("read", GROUP).out
    assert "[poll] Lunch?\n    Pizza: 2\n    Soup: 0\n" in shown
    assert "Voted: Pizza" in shown
    assert wa("read", GROUP, "--json").json[0]["poll"] == talk.row(asked)["poll"]
    assert talk.store.value("SELECT unread_count FROM chats WHERE id = ?", [GROUP]) == 1


def test_a_vote_may_be_for_several_options_none_or_one_that_nobody_knows(talk: Talk, wa: Run) -> None:
    asked = talk.says(poll(), chat=GROUP)
    both = talk.says(vote(asked, "Pizza", "Soup", said=1), by=ADAM, chat=GROUP)
    assert (talk.row(both)["content"], counts(talk, asked)) == ("Voted: Pizza, Soup", {"Pizza": 1, "Soup": 1})
    none = talk.says(vote(asked, said=2), by=ADAM, chat=GROUP)
    assert (talk.row(none)["content"], counts(talk, asked)) == ("Took back a vote", {"Pizza": 0, "Soup": 0})
    other = talk.says(vote(asked, "Tacos", said=3), by=ADAM, chat=GROUP)
    assert talk.row(other)["content"] == "Voted: an option that is not known here"
    assert talk.row(asked)["poll"]["unknown_votes"] == 1
    assert "(an option that is not known here): 1" in wa("read", GROUP).out


def test_a_vote_in_our_poll_that_comes_before_its_acknowledgement_counts(talk: Talk) -> None:
    store, now = talk.store, NOW
    with store.write():
        keep_account(store, ME, MY_LID, None, now)
    part = Part("x", kind="poll", details={"poll": {"question": "Lunch?", "options": ["Pizza", "Soup"]}})
    row = queue_now(store, Recipient(GROUP, None, None), part, now, grace=timedelta(hours=1))
    taken = claim(store, now, parse_settings({}, lambda: "UTC"), Scope.ALL)
    assert taken is not None
    cast = vote("P1", "Soup", author=MY_LID, secret=taken.message.secret)
    talk.says(cast, by=ADAM, chat=GROUP)
    early = talk.says(vote("P1", "Pizza", author=ME, by=REEM_LID, secret=b"x" * 32), by=REEM_LID, chat=GROUP)
    assert talk.waiting() == 2
    settle(store, row["id"], Accepted("P1", AT), lambda secret, marked: Evidence(sent=None), now)
    opening.open_due(store, talk.library, now)
    assert (counts(talk, "P1"), talk.waiting()) == ({"Pizza": 0, "Soup": 1}, 1)
    assert talk.row(early)["content"] == "Voted in a poll"


def test_votes_before_their_poll_wait_and_then_count(talk: Talk) -> None:
    talk.library.kept["M9"] = [SECRET]
    cast = talk.says(vote("M9", "Soup"), by=ADAM, chat=GROUP)
    assert (talk.row(cast)["content"], talk.row(cast)["quoted_id"]) == ("Voted in a poll", "M9")
    talk.says(poll(), chat=GROUP, message_id="M9")
    assert (talk.row(cast)["content"], counts(talk, "M9")) == ("Voted: Soup", {"Pizza": 0, "Soup": 1})
    assert talk.found("Voted in") == []
    told_of = [json.loads(line["data"]) for line in log.after(talk.store, 0, types=["message"])]
    heard = [data["content"] for data in told_of if data["message_id"] == cast]
    assert heard == ["Voted in a poll", "Voted: Soup"]


def test_a_vote_that_stays_closed_says_for_which_poll(talk: Talk) -> None:
    asked = talk.says(poll(), chat=GROUP)
    cast = talk.says(vote(asked, "Soup", secret=b"x" * 32), by=ADAM, chat=GROUP)
    assert (talk.row(cast)["content"], talk.row(cast)["quoted_id"]) == ("Voted in a poll", asked)
    assert counts(talk, asked) == {"Pizza": 0, "Soup": 0}


def test_an_option_is_added_and_a_poll_is_edited(talk: Talk) -> None:
    open_to_all = poll()
    open_to_all.pollCreationMessageV3.allowAddOption = True
    asked, only_mine = talk.says(open_to_all, chat=GROUP), talk.says(poll(), chat=GROUP)
    talk.says(vote(asked, "Tacos", said=3), by=ADAM, chat=GROUP)
    for by in (ADAM, REEM_JID):
        option = {"optionName": f"of {by[:12]}"}
        key_of = key(only_mine, REEM_JID, GROUP)
        said = Message(pollAddOptionMessage={"pollCreationMessageKey": key_of, "addOption": option})
        talk.says(said, by=by, chat=GROUP)
    assert list(counts(talk, only_mine)) == ["Pizza", "Soup", f"of {REEM_JID[:12]}"]
    added = Message(pollAddOptionMessage={
        "pollCreationMessageKey": key(asked, REEM_JID, GROUP), "addOption": {"optionName": "Tacos"},
    })  # fmt: skip
    talk.says(sealed_edit(asked, added, by=ADAM, chat=GROUP, wrapped=False, kind="POLL_ADD_OPTION",
                          label="Poll Add Option"), by=ADAM, chat=GROUP)  # fmt: skip
    assert counts(talk, asked) == {"Pizza": 0, "Soup": 0, "Tacos": 1}
    assert talk.found("Added an option") == ["M6", "M5"]
    assert talk.found("lunch tacos") == [asked]
    talk.says(sealed_edit(asked, poll("Supper?", ["Pizza", "Tacos"]), chat=GROUP, wrapped=False,
                          kind="POLL_EDIT", label="Poll Edit"), chat=GROUP)  # fmt: skip
    row = talk.row(asked)
    assert (row["poll"]["question"], counts(talk, asked)) == ("Supper?", {"Pizza": 0, "Tacos": 1})
    assert row["edited_at"]


def test_a_poll_of_an_exported_chat_is_shown_as_its_text(talk: Talk, wa: Run) -> None:
    words = "POLL:\nTo?\nOPTION: A (1 vote)"
    with talk.store.write():
        write.record(talk.store, MessageReceived(REEM_JID, "M9", REEM_JID, AT, words, "poll"), "import", NOW)
    assert "poll" not in talk.row("M9")
    assert "[poll] POLL:\n    To?\n    OPTION: A (1 vote)\n" in wa("read", REEM).out


def test_the_result_of_a_poll_elsewhere_is_shown_as_it_is(talk: Talk, wa: Run) -> None:
    votes = [{"optionName": "Tea", "optionVoteCount": 3}, {"optionName": "Coffee"}]
    said = talk.says(Message(pollResultSnapshotMessage={"name": "Drinks", "pollVotes": votes}))
    assert "poll" not in talk.row(said)
    assert "[poll] Drinks\n    Tea: 3\n    Coffee: 0\n" in wa("read", REEM).out


def test_a_poll_recorded_by_an_earlier_version_shows_its_counts(talk: Talk) -> None:
    talk.put(MessageReceived(GROUP, "M9", REEM_JID, AT, "Lunch?\nPizza\nSoup", "poll"))
    talk.library.kept["M9"] = [SECRET]
    talk.says(vote("M9", "Soup"), by=ADAM, chat=GROUP)
    pizza, soup = (
        {"name": "Pizza", "votes": 0, "voters": []},
        {"name": "Soup", "votes": 1, "voters": [ADAM]},
    )
    assert talk.row("M9")["poll"] == {"question": "Lunch?", "options": [pizza, soup], "unknown_votes": 0}


def test_a_voter_s_hidden_id_and_a_chat_s_become_the_number(store: Store) -> None:
    talk = Talk(store)
    asked = talk.says(poll(), by=REEM_LID)
    talk.says(vote(asked, "Soup", by=REEM_LID, author=REEM_LID, chat=REEM_LID), by=REEM_LID)
    talk.says(vote("M9", "Soup", by=REEM_LID, author=REEM_LID, chat=REEM_LID), by=REEM_LID)
    talk.put(JidMapped(REEM_LID, REEM_JID))
    merge_chats.join_split_chats(store, NOW)
    assert talk.row(asked)["poll"]["options"][1]["voters"] == [REEM_JID]
    assert store.row("SELECT chat_jid FROM sealed") == {"chat_jid": REEM_JID}
    talk.says(poll(), message_id="M9")
    assert counts(talk, "M9") == {"Pizza": 0, "Soup": 1}


def test_the_history_tells_votes_with_their_poll_and_brings_sealed_ones_too(talk: Talk) -> None:
    sync = Sync.HistorySync(syncType=Sync.HistorySync.HistorySyncType.Value("RECENT"))
    chat = sync.conversations.add(ID=GROUP)

    def add(message_id: str, by: str, content: Any) -> Any:
        info = chat.messages.add().message
        info.key.ID, info.key.remoteJID, info.key.participant = message_id, GROUP, by
        info.messageTimestamp = AT
        info.message.CopyFrom(content)
        return info

    add("V2", ADAM_LID, vote("P1", "Soup", by=ADAM_LID, said=2000))
    asked = add("P1", REEM_LID, Message(pollCreationMessageV3=poll().pollCreationMessageV3))
    asked.messageSecret = SECRET
    told = asked.pollUpdates.add(senderTimestampMS=1000)
    told.pollUpdateMessageKey.ID, told.pollUpdateMessageKey.fromMe = "V1", True
    told.vote.selectedOptions.extend(digests(["Pizza"]))
    reply = asked.eventResponses.add(timestampMS=AT * 1000)
    reply.eventResponseMessageKey.ID, reply.eventResponseMessageKey.participant = "R1", ADAM
    reply.eventResponseMessage.response = 1
    *_, part = history(sync, ME, {}.get)
    for event in part.chats[0].messages:  # type: ignore[union-attr]
        with talk.store.write():
            apply_event(talk.store, event, NOW, "history")
    opening.open_due(talk.store, talk.library, NOW)
    assert counts(talk, "P1") == {"Pizza": 1, "Soup": 1}
    rows = {row["message_id"]: row["content"] for row in messages.conversation(talk.store, GROUP, 9)}
    assert (rows["V1"], rows["V2"], rows["R1"]) == (
        "Voted: Pizza",
        "Voted: Soup",
        "Answered an invitation: going",
    )
    assert {row["status"] for row in messages.conversation(talk.store, GROUP, 9)} <= {"read", "sent"}


# ── In bulk ───────────────────────────────────────────────────────────────────────────────────────


def test_the_library_is_asked_once_for_many(talk: Talk) -> None:
    with talk.store.write():
        for number in range(90):
            blank = MessageReceived(GROUP, f"V{number}", ADAM, AT, None, "system")
            for event in events_of(vote("M9", "Soup", said=number), blank):
                apply_event(talk.store, replace(event), NOW)
    opening.open_due(talk.store, talk.library, NOW)
    assert (len(talk.library.asked), talk.waiting()) == (1, 90)
    assert talk.store.rows("SELECT 1 FROM sealed WHERE is_due") == []
    talk.says(poll(), chat=GROUP, message_id="M9")
    assert (talk.waiting(), counts(talk, "M9")["Soup"]) == (0, 1)
