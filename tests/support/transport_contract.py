"""The contract of all transports, whatever is at their other end.

An implementation subclasses `TransportContract` and gives two fixtures:
`transport`, not connected, and `other`, an `OtherSide` that plays the people and
the server it speaks to. What an `OtherSide` cannot play it leaves in `cannot`,
and the tests that need it are skipped.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import pytest
from conftest import wait_for

from wa.values import replace
from wa.whatsapp.events import (
    Account,
    ChatRead,
    Deleted,
    Edited,
    Event,
    GroupInfo,
    History,
    JidMapped,
    MessageReceived,
    Named,
    Reacted,
    ReceiptReceived,
)
from wa.whatsapp.groups import GroupAction, GroupAnswer
from wa.whatsapp.signals import Banned, CaughtUp, Connected, Disconnected, LoggedOut, Replaced, Signal
from wa.whatsapp.transport import (
    Change,
    ConnectFailed,
    Handlers,
    Key,
    NotConnected,
    NotOnWhatsApp,
    NotSent,
    OlderThan,
    Outgoing,
    ReadMark,
    Refused,
    SendError,
    Transport,
)


class Ear:
    """Handlers that remember what a transport told them."""

    def __init__(self) -> None:
        self.events: list[tuple[str, bytes]] = []
        self.signals: list[Signal] = []
        self.marks: list[tuple[str, str]] = []
        self.on_event: Callable[[str, bytes], None] = lambda kind, payload: None
        self.on_mark: Callable[[str, str], None] = lambda message_id, jid: None
        self.on_release: Callable[[bytes], None] = lambda secret: None
        self._lock = threading.Lock()

    def handlers(self) -> Handlers:
        """Return the handlers to connect with."""
        return Handlers(self._event, self._signal, self._mark, lambda secret: self.on_release(secret))

    def _event(self, kind: str, payload: bytes) -> None:
        with self._lock:
            self.events.append((kind, payload))
        self.on_event(kind, payload)

    def _signal(self, signal: Signal) -> None:
        with self._lock:
            self.signals.append(signal)

    def _mark(self, message_id: str, jid: str) -> None:
        self.on_mark(message_id, jid)
        with self._lock:
            self.marks.append((message_id, jid))

    def decoded(self, transport: Transport) -> list[Event]:
        """Return all events so far, decoded."""
        with self._lock:
            raw = list(self.events)
        return [event for kind, payload in raw for event in transport.decode(kind, payload)]

    def texts(self, transport: Transport) -> list[str | None]:
        """Return the texts of the messages so far."""
        return [event.content for event in self.decoded(transport) if isinstance(event, MessageReceived)]

    def heard(self, kind: type[Signal]) -> Signal | None:
        """Return the newest signal of that kind."""
        return next((each for each in reversed(self.signals) if isinstance(each, kind)), None)

    def wait(self, kind: type[Signal]) -> Signal:
        """Wait for a signal of that kind; return it."""
        return wait_for(lambda: self.heard(kind), what=f"the signal {kind.__name__}")


class OtherSide(ABC):
    """The people and the server that a transport under test speaks to."""

    friend: str
    """The JID of a person who writes to us and receives our messages."""
    friend_number: str
    """The same person's JID by phone number."""
    group: str
    """The JID of a group that `friend` and we are in."""
    cannot: frozenset[str] = frozenset()
    """Parts that it cannot play: names of methods, and `group_info` (the members of `group`)."""

    @abstractmethod
    def say(self, text: str, **details: str) -> str:
        """Let `friend` write to us, with `type`, `id`, `reply_to` or `name`; return the message's id."""

    @abstractmethod
    def say_in_group(self, text: str) -> str:
        """Let `friend` write in `group`; return the message's id."""

    @abstractmethod
    def say_elsewhere(self, text: str) -> str:
        """Let ourselves write to `friend` on another device; return the message's id."""

    @abstractmethod
    def edit(self, message_id: str, text: str) -> None:
        """Let `friend` change a message."""

    @abstractmethod
    def delete(self, message_id: str) -> None:
        """Let `friend` delete a message for everyone."""

    @abstractmethod
    def react(self, message_id: str, emoji: str) -> None:
        """Let `friend` react to a message."""

    @abstractmethod
    def read(self, message_id: str) -> None:
        """Let `friend` read a message of ours."""

    def read_elsewhere(self) -> None:
        """Let us read the chat with `friend` on another device."""
        raise NotImplementedError

    def name(self, name: str) -> None:
        """Let `friend` take a new name."""
        raise NotImplementedError

    def map(self) -> tuple[str, str]:
        """Let us learn a hidden id and its phone JID; return both."""
        raise NotImplementedError

    @abstractmethod
    def delivered(self) -> list[tuple[str, str]]:
        """Return (text, message id) of the messages accepted from us, in order."""

    @abstractmethod
    def shows(self, message_id: str) -> tuple[str, str, bool]:
        """Return what `friend` sees of a message of ours: text, our reaction, whether it is deleted."""

    @abstractmethod
    def marked_read(self) -> set[str]:
        """Return the ids of the messages whose senders were told that we read them."""

    @abstractmethod
    def cut(self) -> None:
        """Break the connection, and refuse new ones."""

    @abstractmethod
    def lose_acks(self) -> None:
        """Accept messages and never acknowledge them; the transport's time-out is short."""

    @abstractmethod
    def refuse(self, status: int) -> None:
        """Answer messages with an error."""

    @abstractmethod
    def refuse_changes(self, status: int) -> None:
        """Answer changes of a group's name with an error, and do nothing."""

    @abstractmethod
    def lose_answers(self) -> None:
        """Change a group's name, and never answer; the transport's time-out is short."""

    @abstractmethod
    def forget(self, jid: str) -> None:
        """Let this address belong to nobody."""

    @abstractmethod
    def log_out(self) -> None:
        """Unlink our device."""

    def ban(self, seconds: int) -> None:
        """Ban the account for a while."""
        raise NotImplementedError

    @abstractmethod
    def mend(self) -> None:
        """Undo `cut`, `lose_acks`, `lose_answers`, `refuse` and `refuse_changes`."""

    @abstractmethod
    def second(self) -> Transport:
        """Return another transport with our device's session, not connected."""

    def send_with_broken_mark(self, transport: Transport, message: Outgoing) -> None:
        """Connect and send while the mark raises; return when that attempt is over.

        A transport that ends its process then does this in another one.
        """
        ear = Ear()
        ear.on_mark = _broken
        connect(transport, ear)
        with pytest.raises(Exception, match=r".*"):
            transport.send(message)
        transport.disconnect()


def _broken(*args: object) -> None:
    raise OSError("the disk is full")


STRANGER = "447700900555@s.whatsapp.net"
"""A number that nobody has once the other side was told to `forget` it."""


def connect(transport: Transport, ear: Ear | None = None) -> Ear:
    """Connect, and wait until the backlog has been handed over."""
    ear = ear or Ear()
    transport.connect(ear.handlers())
    ear.wait(CaughtUp)
    return ear


def message_to(jid: str, text: str = "Hello") -> Outgoing:
    """Return a new attempt to send."""
    return Outgoing(jid, text, os.urandom(32))


def change_of(kind: str, jid: str, message_id: str, text: str = "") -> Change:
    """Return a new attempt to change a message of ours."""
    key = Key(jid, message_id, "", is_from_me=True)
    return Change(kind, key, os.urandom(32), text, at=1795232000000)


class TransportContract:
    """The tests of the contract. A subclass has the fixtures `transport` and `other`."""

    @pytest.fixture(autouse=True)
    def _close_at_the_end(self, transport: Transport) -> Iterator[None]:
        yield
        transport.disconnect()

    @staticmethod
    def _need(other: OtherSide, name: str) -> None:
        if name in other.cannot:
            pytest.skip(f"the other side cannot play {name}")

    # ── Connecting ─────────────────────────────────────────────────────────────────────────────────

    def test_the_signal_connected_comes_first_and_then_caught_up(self, transport, other):
        ear = connect(transport)
        assert [type(each) for each in ear.signals] == [Connected, CaughtUp]

    def test_the_signal_connected_names_the_account(self, transport, other):
        account = connect(transport).heard(Connected).account
        assert account.jid.endswith("@s.whatsapp.net")
        assert transport.account() == account

    def test_the_account_is_known_without_a_connection(self, transport, other):
        assert isinstance(transport.account(), Account)

    def test_the_backlog_arrives_before_caught_up(self, transport, other):
        said = [f"message {number}" for number in range(20)]
        for text in said:
            other.say(text)
        ear = Ear()
        at_caught_up: list[int] = []
        tell = ear._signal
        ear._signal = lambda signal: (
            at_caught_up.append(len(ear.texts(transport))) if isinstance(signal, CaughtUp) else None,
            tell(signal),
        )[1]
        connect(transport, ear)
        assert at_caught_up == [20]
        assert ear.texts(transport) == said

    def test_disconnect_may_be_called_at_any_time_and_twice(self, transport, other):
        transport.disconnect()
        connect(transport)
        transport.disconnect()
        transport.disconnect()

    def test_a_transport_connects_again_after_disconnect(self, transport, other):
        connect(transport)
        transport.disconnect()
        other.say("meanwhile")
        assert connect(transport).texts(transport) == ["meanwhile"]

    def test_a_cut_connection_is_signalled_and_connect_works_again(self, transport, other):
        ear = connect(transport)
        other.cut()
        assert ear.wait(Disconnected).reason
        with pytest.raises(NotConnected):
            transport.send(message_to(other.friend))
        other.say("while the line was down")
        other.mend()
        again = connect(transport)
        assert again.texts(transport) == ["while the line was down"]
        assert ear.texts(transport) == []
        assert transport.send(message_to(other.friend, "back")).message_id
        assert [text for text, _ in other.delivered()] == ["back"]

    def test_connect_raises_connect_failed_while_there_is_no_network(self, transport, other):
        other.cut()
        ear = Ear()
        with pytest.raises(ConnectFailed):
            transport.connect(ear.handlers())
        assert not ear.heard(Connected)
        with pytest.raises(NotConnected):
            transport.send(message_to(other.friend))

    def test_an_unlinked_device_gets_the_signal_logged_out(self, transport, other):
        ear = connect(transport)
        other.log_out()
        ear.wait(LoggedOut)
        with pytest.raises(NotSent):
            transport.send(message_to(other.friend))
        assert other.delivered() == []

    def test_a_ban_has_its_length_in_seconds(self, transport, other):
        self._need(other, "ban")
        other.ban(3600)
        ear = Ear()
        transport.connect(ear.handlers())
        assert ear.wait(Banned).seconds == 3600
        assert not ear.heard(CaughtUp)

    def test_a_second_connection_replaces_the_first(self, transport, other):
        first = connect(transport)
        second = other.second()
        later = connect(second)
        try:
            first.wait(Replaced)
            with pytest.raises(NotSent):
                transport.send(message_to(other.friend, "from the first"))
            other.say("to the second")
            wait_for(lambda: later.texts(second) == ["to the second"])
            assert first.texts(transport) == []
            second.send(message_to(other.friend, "from the second"))
        finally:
            second.disconnect()
        assert [text for text, _ in other.delivered()] == ["from the second"]
        assert not later.heard(Replaced)

    # ── Receiving ──────────────────────────────────────────────────────────────────────────────────

    def test_events_arrive_in_order_each_once(self, transport, other):
        ear = connect(transport)
        said = [f"message {number}" for number in range(50)]
        ids = [other.say(text) for text in said]
        wait_for(lambda: len(ear.texts(transport)) >= 50)
        found = [each for each in ear.decoded(transport) if isinstance(each, MessageReceived)]
        assert [each.content for each in found] == said
        assert [each.message_id for each in found] == ids

    def test_events_come_one_at_a_time(self, transport, other):
        ear = Ear()
        inside, together = [], []

        def look(kind: str, payload: bytes) -> None:
            inside.append(1)
            together.append(len(inside))
            inside.pop()

        ear.on_event = look
        for number in range(20):
            other.say(f"message {number}")
        connect(transport, ear)
        assert set(together) == {1}

    def test_after_a_handler_raised_no_event_is_handed_over(self, transport, other):
        ear = Ear()

        def fail_at_third(kind: str, payload: bytes) -> None:
            if len(ear.events) == 3:
                raise OSError("the disk is full")

        ear.on_event = fail_at_third
        for number in range(6):
            other.say(f"message {number}")
        transport.connect(ear.handlers())
        wait_for(lambda: len(ear.events) == 3)
        other.say("one more")
        transport.disconnect()
        assert len(ear.events) == 3
        assert not ear.heard(CaughtUp)

    def test_no_event_is_handed_over_once_disconnect_has_returned(self, transport, other):
        said = [f"message {number}" for number in range(100)]
        for text in said:
            other.say(text)
        first = Ear()
        transport.connect(first.handlers())
        wait_for(lambda: first.events)
        transport.disconnect()
        at_return = len(first.events)
        second = connect(transport)
        assert len(first.events) == at_return
        assert first.texts(transport) + second.texts(transport) == said

    def test_a_receipt_comes_for_a_sent_message(self, transport, other):
        ear = connect(transport)
        sent = transport.send(message_to(other.friend))

        def kinds() -> set[str]:
            found = [each for each in ear.decoded(transport) if isinstance(each, ReceiptReceived)]
            return {each.kind for each in found if sent.message_id in each.message_ids}

        wait_for(lambda: kinds() & {"delivered", "inactive"})
        other.read(sent.message_id)
        wait_for(lambda: "read" in kinds())

    # ── Sending ────────────────────────────────────────────────────────────────────────────────────

    def test_send_returns_the_id_and_the_time_in_seconds(self, transport, other):
        connect(transport)
        sent = transport.send(message_to(other.friend, "Hello"))
        assert other.delivered() == [("Hello", sent.message_id)]
        assert isinstance(sent.timestamp, int)
        assert 1_500_000_000 < sent.timestamp < 5_000_000_000

    @pytest.mark.parametrize("text", ["é ✓ 👨‍👩‍👧 مرحبا", "two\nlines", "x" * 65_536, " "])
    def test_a_text_is_delivered_unchanged(self, transport, other, text):
        connect(transport)
        transport.send(message_to(other.friend, text))
        assert [each for each, _ in other.delivered()] == [text]

    def test_messages_go_out_in_the_order_in_which_they_were_sent(self, transport, other):
        connect(transport)
        ids = [transport.send(message_to(other.friend, f"{number}")).message_id for number in range(20)]
        assert other.delivered() == [(f"{number}", ids[number]) for number in range(20)]

    def test_a_group_can_be_written_to(self, transport, other):
        connect(transport)
        sent = transport.send(message_to(other.group, "to all"))
        assert other.delivered() == [("to all", sent.message_id)]

    def test_the_mark_is_made_before_the_message_is_accepted(self, transport, other):
        ear = Ear()
        accepted_at_mark: list[list[tuple[str, str]]] = []
        ear.on_mark = lambda message_id, jid: accepted_at_mark.append(other.delivered())
        connect(transport, ear)
        sent = transport.send(message_to(other.friend))
        assert accepted_at_mark == [[]]
        assert [message_id for message_id, _ in ear.marks] == [sent.message_id]

    def test_a_message_whose_mark_fails_is_not_accepted(self, transport, other):
        message = message_to(other.friend)
        other.send_with_broken_mark(transport, message)
        connect(transport)
        transport.send(message_to(other.friend, "the next one"))
        assert [text for text, _ in other.delivered()] == ["the next one"]

    def test_a_message_with_a_file_is_released_when_its_file_is_uploaded_or_not_sent(
        self, transport, other, tmp_path
    ):
        file = tmp_path / "bill.pdf"
        file.write_bytes(b"%PDF-1.7")
        ear, released = Ear(), []

        def release(secret):
            released.append((secret, list(ear.marks)))
            if len(released) == 1:
                raise NotSent("withdrawn")

        ear.on_release = release
        connect(transport, ear)
        first, second = (replace(message_to(other.friend, "bill"), file=file) for _ in range(2))
        with pytest.raises(Exception, match="withdrawn"):
            transport.send(first)
        assert other.delivered() == []
        sent = transport.send(second)
        assert [message_id for _, message_id in other.delivered()] == [sent.message_id]
        assert released == [(first.secret, []), (second.secret, [])]

    def test_send_needs_a_connection(self, transport, other):
        with pytest.raises(NotConnected):
            transport.send(message_to(other.friend))
        ear = connect(transport)
        transport.disconnect()
        with pytest.raises(NotConnected):
            transport.send(message_to(other.friend))
        assert ear.marks == []
        assert other.delivered() == []

    @pytest.mark.parametrize("status", [400, 429, 463, 503])
    def test_a_refusal_carries_its_status(self, transport, other, status):
        connect(transport)
        other.refuse(status)
        with pytest.raises(Refused) as refusal:
            transport.send(message_to(other.friend))
        assert refusal.value.status == status
        other.mend()
        transport.send(message_to(other.friend, "the next one"))
        assert [text for text, _ in other.delivered()] == ["the next one"]

    def test_an_unknown_recipient_is_a_certain_failure(self, transport, other):
        ear = connect(transport)
        other.forget("12025550199@s.whatsapp.net")
        with pytest.raises(NotOnWhatsApp):
            transport.send(message_to("12025550199@s.whatsapp.net"))
        assert ear.marks == []
        assert other.delivered() == []

    def test_a_lost_acknowledgement_is_an_uncertain_outcome(self, transport, other):
        ear = connect(transport)
        other.lose_acks()
        with pytest.raises(SendError) as error:
            transport.send(message_to(other.friend))
        assert not isinstance(error.value, NotSent | Refused)
        assert [message_id for _, message_id in other.delivered()] == [each for each, _ in ear.marks]

    # ── Changing what was sent ─────────────────────────────────────────────────────────────────────

    def test_a_message_is_changed_for_its_recipient_and_marked_like_one(self, transport, other):
        ear = connect(transport)
        sent = transport.send(message_to(other.friend, "Helo")).message_id
        shown, ids = [], []
        for kind, text in [("react", "👍"), ("edit", "Hello ✓"), ("react", ""), ("delete", "")]:
            ids.append(transport.change(change_of(kind, other.friend, sent, text)).message_id)
            shown.append(other.shows(sent))
        assert shown[:3] == [("Helo", "👍", False), ("Hello ✓", "👍", False), ("Hello ✓", "", False)]
        assert shown[3][2]
        assert [message_id for message_id, _ in ear.marks] == [sent, *ids]

    def test_a_change_needs_a_connection(self, transport, other):
        with pytest.raises(NotConnected):
            transport.change(change_of("react", other.friend, "3EB0AA", "👍"))

    def test_a_refused_change_changes_nothing(self, transport, other):
        connect(transport)
        sent = transport.send(message_to(other.friend)).message_id
        other.refuse(463)
        with pytest.raises(Refused) as refusal:
            transport.change(change_of("delete", other.friend, sent))
        assert refusal.value.status == 463
        assert other.shows(sent) == ("Hello", "", False)

    def test_evidence_of_a_change_whose_acknowledgement_was_lost_names_its_message(self, transport, other):
        ear = connect(transport)
        sent = transport.send(message_to(other.friend)).message_id
        other.lose_acks()
        change = change_of("edit", other.friend, sent, "Hello again")
        with pytest.raises(SendError) as error:
            transport.change(change)
        assert not isinstance(error.value, NotSent | Refused)
        transport.disconnect()
        marked = [each for each, _ in ear.marks]
        evidence = transport.evidence(change.secret, marked)
        assert evidence.sent is not False
        assert evidence.message_id == marked[-1]
        assert other.shows(sent)[0] == "Hello again"

    # ── Evidence ───────────────────────────────────────────────────────────────────────────────────

    def test_evidence_of_a_lost_acknowledgement_names_the_message(self, transport, other):
        ear = connect(transport)
        other.lose_acks()
        message = message_to(other.friend)
        with pytest.raises(SendError):
            transport.send(message)
        transport.disconnect()
        evidence = transport.evidence(message.secret, [each for each, _ in ear.marks])
        assert evidence.sent is not False
        assert [("Hello", evidence.message_id)] == other.delivered()

    def test_evidence_tells_attempts_apart_by_their_secret(self, transport, other):
        ear = connect(transport)
        first, second = message_to(other.friend, "same"), message_to(other.friend, "same")
        ids = [transport.send(each).message_id for each in (first, second)]
        transport.disconnect()
        marked = [each for each, _ in ear.marks]
        assert [transport.evidence(each.secret, marked).message_id for each in (first, second)] == ids

    def test_evidence_of_an_attempt_that_never_left_says_not_sent(self, transport, other):
        message = message_to(other.friend)
        other.send_with_broken_mark(transport, message)
        assert transport.evidence(message.secret, ["3EB0SOMEBODYELSES"]).sent is False

    # ── Reading ────────────────────────────────────────────────────────────────────────────────────

    def test_mark_read_tells_the_sender(self, transport, other):
        ids = [other.say("one"), other.say("two")]
        connect(transport)
        transport.mark_read(ReadMark(other.friend, other.friend, ids))
        wait_for(lambda: other.marked_read() == set(ids))

    def test_mark_read_needs_a_connection(self, transport, other):
        with pytest.raises(SendError):
            transport.mark_read(ReadMark(other.friend, other.friend, ["3A01"]))

    def test_an_answer_to_a_request_for_older_messages_is_a_part_of_the_history(self, transport, other):
        ear = connect(transport)
        transport.ask_history(OlderThan(other.friend, "3A01", 1_790_000_000, False, 50))

        def answers():
            parts = [each for each in ear.decoded(transport) if isinstance(each, History)]
            return [each for each in parts if each.kind == "on_demand"]

        (history,) = wait_for(answers, what="the answer")
        assert [chat.is_complete for chat in history.chats] == [True]

    def test_asking_for_older_messages_needs_a_connection(self, transport, other):
        with pytest.raises(NotConnected):
            transport.ask_history(OlderThan(other.friend, "3A01", 1_790_000_000, False, 50))

    # ── Groups and blocked people ──────────────────────────────────────────────────────────────────

    @staticmethod
    def _group(transport: Transport, jid: str) -> GroupInfo:
        """Return what WhatsApp says of a group now."""
        (found,) = [each for each in transport.groups() if isinstance(each, GroupInfo) and each.jid == jid]
        return found

    @staticmethod
    def _create(transport: Transport, other: OtherSide, *people: str) -> GroupAnswer:
        return transport.manage_group(
            GroupAction("create", name="Choir", people=(other.friend_number, *people))
        )

    def test_a_group_is_made_and_those_it_does_not_take_are_named(self, transport, other):
        connect(transport)
        other.forget(STRANGER)
        made = self._create(transport, other, STRANGER)
        assert made.refused == ((STRANGER, 404),)
        me = transport.account().jid
        found = GroupInfo(made.group_jid, "Choir", ((me, "superadmin"), (other.friend_number, "member")))
        assert replace(self._group(transport, made.group_jid), ephemeral=None) == found
        assert [replace(each, ephemeral=None) for each in made.events if isinstance(each, GroupInfo)] == [
            found
        ]

    def test_two_groups_may_have_one_name(self, transport, other):
        connect(transport)
        made = {self._create(transport, other).group_jid for _ in range(2)}
        assert len(made) == 2

    def test_members_are_changed_each_for_themselves(self, transport, other):
        connect(transport)
        other.forget(STRANGER)
        group = self._create(transport, other).group_jid
        friend = other.friend_number

        def change(kind: str, *people: str) -> tuple[tuple[str, int], ...]:
            return transport.manage_group(GroupAction(kind, group, people=people)).refused

        def role() -> str | None:
            return dict(self._group(transport, group).members).get(friend)

        assert change("add", friend, STRANGER) == ((friend, 409), (STRANGER, 404))
        assert (change("promote", friend), role()) == ((), "admin")
        assert (change("demote", friend), role()) == ((), "member")
        assert (change("remove", friend), role()) == ((), None)
        assert change("remove", friend) == ((friend, 404),)
        assert (change("add", friend), role()) == ((), "member")

    def test_a_group_gets_another_name_and_is_left(self, transport, other):
        connect(transport)
        group = self._create(transport, other).group_jid
        transport.manage_group(GroupAction("rename", group, "Band"))
        assert self._group(transport, group).name == "Band"
        transport.manage_group(GroupAction("leave", group))
        mine = [each for each in transport.groups() if isinstance(each, GroupInfo)]
        assert group not in {each.jid for each in mine if transport.account().jid in dict(each.members)}
        for kind in ("rename", "leave", "add"):
            with pytest.raises(Refused) as refused:
                transport.manage_group(GroupAction(kind, group, "Band", (other.friend_number,)))
            assert refused.value.status == 403

    def test_a_group_is_joined_by_the_code_of_its_newest_invitation(self, transport, other):
        connect(transport)
        group = self._create(transport, other).group_jid
        transport.manage_group(GroupAction("promote", group, people=(other.friend_number,)))
        first = transport.manage_group(GroupAction("invite", group)).code
        assert transport.manage_group(GroupAction("invite", group)).code == first
        code = transport.manage_group(GroupAction("renew", group)).code
        transport.manage_group(GroupAction("leave", group))
        for wrong, status in ((first, 410), ("A" * 22, 406)):
            with pytest.raises(Refused) as refused:
                transport.manage_group(GroupAction("join", code=wrong))
            assert refused.value.status == status
        joined = transport.manage_group(GroupAction("join", code=code))
        assert (joined.group_jid, joined.is_waiting) == (group, False)
        (told,) = [each for each in joined.events if isinstance(each, GroupInfo)]
        assert dict(told.members)[transport.account().jid] == "member"
        with pytest.raises(Refused) as refused:
            transport.manage_group(GroupAction("join", code=code))
        assert refused.value.status == 409

    def test_what_only_admins_may_do_is_refused(self, transport, other):
        connect(transport)
        other.say_in_group("to all")
        for kind, status in (("remove", 403), ("invite", 401)):
            with pytest.raises(Refused) as refused:
                transport.manage_group(GroupAction(kind, other.group, people=(other.friend_number,)))
            assert refused.value.status == status

    @pytest.mark.parametrize("status", [403, 429, 500])
    def test_a_refused_change_of_a_group_carries_the_code(self, transport, other, status):
        connect(transport)
        group = self._create(transport, other).group_jid
        other.refuse_changes(status)
        with pytest.raises(Refused) as refused:
            transport.manage_group(GroupAction("rename", group, "Band"))
        assert refused.value.status == status
        other.mend()
        assert self._group(transport, group).name == "Choir"

    def test_a_change_of_a_group_without_an_answer_may_have_been_made(self, transport, other):
        connect(transport)
        group = self._create(transport, other).group_jid
        other.lose_answers()
        with pytest.raises(SendError) as lost:
            transport.manage_group(GroupAction("rename", group, "Band"))
        assert not isinstance(lost.value, NotSent | Refused)
        other.mend()
        transport.disconnect()
        connect(transport)
        assert self._group(transport, group).name == "Band"

    def test_people_are_blocked_and_unblocked(self, transport, other):
        connect(transport)
        assert transport.blocked() == []
        for _ in range(2):
            transport.block(other.friend_number, True)
        assert transport.blocked() in ([other.friend], [other.friend_number])
        transport.block(other.friend_number, False)
        assert transport.blocked() == []
        other.forget(STRANGER)
        with pytest.raises(NotOnWhatsApp):
            transport.block(STRANGER, True)

    def test_groups_and_the_list_of_the_blocked_need_a_connection(self, transport, other):
        for call in (
            lambda: self._create(transport, other),
            lambda: transport.block(other.friend, True),
            transport.blocked,
            transport.groups,
        ):
            with pytest.raises(NotConnected):
                call()

    # ── Decoding ───────────────────────────────────────────────────────────────────────────────────

    def _hear(self, transport: Transport, kind: type[Event]) -> Event:
        """Connect, wait for an event of a kind, and return it decoded without a connection."""
        ear = connect(transport)
        transport.disconnect()
        found = [each for each in ear.decoded(transport) if isinstance(each, kind)]
        assert found, f"no {kind.__name__} among {ear.events}"
        return found[-1]

    def test_a_text_is_decoded(self, transport, other):
        message_id = other.say("Hello ✓", name="Reem")
        event = self._hear(transport, MessageReceived)
        assert (event.chat_jid, event.sender, event.message_id) == (other.friend, other.friend, message_id)
        assert (event.content, event.message_type, event.is_from_me) == ("Hello ✓", "text", False)
        assert event.push_name == "Reem"
        assert 1_500_000_000 < event.timestamp < 5_000_000_000

    def test_a_reply_is_decoded(self, transport, other):
        first = other.say("a question")
        other.say("an answer", reply_to=first)
        assert self._hear(transport, MessageReceived).quoted_id == first

    @pytest.mark.parametrize(
        "kind", ["image", "video", "audio", "voice", "document", "sticker", "location", "contact"]
    )
    def test_media_are_decoded(self, transport, other, kind):
        other.say("a caption", type=kind)
        event = self._hear(transport, MessageReceived)
        assert event.message_type == kind

    def test_a_message_of_an_unknown_kind_is_decoded_as_other_with_its_bytes(self, transport, other):
        other.say("", type="hologram")
        event = self._hear(transport, MessageReceived)
        assert event.message_type == "other"
        assert event.raw

    def test_a_group_message_is_decoded(self, transport, other):
        other.say_in_group("to all")
        event = self._hear(transport, MessageReceived)
        assert (event.chat_jid, event.sender, event.content) == (other.group, other.friend, "to all")

    def test_our_own_message_from_another_device_is_decoded(self, transport, other):
        message_id = other.say_elsewhere("from my phone")
        event = self._hear(transport, MessageReceived)
        assert (event.chat_jid, event.message_id, event.is_from_me) == (other.friend, message_id, True)

    def test_an_edit_is_decoded(self, transport, other):
        message_id = other.say("Helo")
        other.edit(message_id, "Hello")
        event = self._hear(transport, Edited)
        assert (event.chat_jid, event.message_id, event.content) == (other.friend, message_id, "Hello")

    def test_a_deletion_is_decoded(self, transport, other):
        message_id = other.say("oops")
        other.delete(message_id)
        event = self._hear(transport, Deleted)
        assert (event.chat_jid, event.message_id) == (other.friend, message_id)

    @pytest.mark.parametrize("emoji", ["👍", ""])
    def test_a_reaction_is_decoded(self, transport, other, emoji):
        message_id = other.say("news")
        other.react(message_id, emoji)
        event = self._hear(transport, Reacted)
        assert (event.chat_jid, event.message_id) == (other.friend, message_id)
        assert (event.sender, event.emoji) == (other.friend, emoji)

    def test_reading_on_another_device_is_decoded(self, transport, other):
        self._need(other, "read_elsewhere")
        other.say("Hello")
        other.read_elsewhere()
        assert self._hear(transport, ChatRead).chat_jid == other.friend

    def test_a_new_push_name_is_decoded(self, transport, other):
        self._need(other, "name")
        other.name("Reem A.")
        assert self._hear(transport, Named) == Named(other.friend, "Reem A.")

    def test_a_hidden_id_and_its_phone_jid_are_decoded(self, transport, other):
        self._need(other, "map")
        lid, pn = other.map()
        assert self._hear(transport, JidMapped) == JidMapped(lid, pn)

    def test_a_group_and_its_members_are_decoded(self, transport, other):
        self._need(other, "group_info")
        other.say_in_group("to all")
        event = self._hear(transport, GroupInfo)
        assert event.jid == other.group
        assert other.friend in {member for member, _ in event.members}

    def test_a_transport_without_the_secret_of_a_message_says_so(self, transport, other):
        assert transport.secrets([other.friend], ["3A00"]) == {}

    def test_decoding_an_unknown_kind_raises(self, transport, other):
        with pytest.raises(Exception, match=r".*"):
            transport.decode("no-such-kind", b"{}")

    @pytest.mark.parametrize("payload", [b"", b"\xff\x00 not a payload", b"[]"])
    def test_decoding_a_broken_payload_raises(self, transport, other, payload):
        other.say("Hello")
        ear = connect(transport)
        kind = ear.events[0][0]
        with pytest.raises(Exception, match=r".*"):
            transport.decode(kind, payload)
