"""How long a connection stays open for recipients who may ask for a message again."""

from __future__ import annotations

import importlib
import sys
import threading
import time

import pytest
from conftest import wait_for
from relay.trust import installed_neonize

from wa.whatsapp.neonize import client
from wa.whatsapp.neonize.client import Retries

_folder = str(installed_neonize() / "proto")
if _folder not in sys.path:  # without importing neonize itself, which would load the library
    sys.path.insert(0, _folder)
proto = importlib.import_module("Neonize_pb2")
ADAM, ADAM_JID, GROUP = "447700900123", "447700900123@s.whatsapp.net", "120363000000000001@g.us"


def jid(user, device=0, server="s.whatsapp.net"):
    return proto.JID(User=user, Device=device, RawAgent=0, Integrator=0, Server=server, IsEmpty=False)


def receipt(kind, message_id="3EB0AA", sender=ADAM, device=0, chat=None, group=False):
    """Return a receipt as the library tells of it."""
    event = proto.Receipt(MessageIDs=[message_id], Type=proto.Receipt.ReceiptType.Value(kind))
    event.MessageSource.Sender.CopyFrom(jid(sender, device))
    event.MessageSource.Chat.CopyFrom(jid(chat or sender))
    event.MessageSource.IsGroup = group
    return event


@pytest.fixture
def retries(monkeypatch):
    """Retries whose moments do not pass by themselves."""
    monkeypatch.setattr(client, "RETRY_SECONDS", 60.0)
    monkeypatch.setattr(client, "MOST_RETRY_SECONDS", 60.0)
    return Retries()


def is_awaited(retries):
    """Return whether a connection that ends now would stay open: then it is looked at again."""
    looks = []

    def is_up():
        looks.append(retries)
        return len(looks) == 1

    retries.wait(is_up)
    return len(looks) > 1


def test_a_message_is_awaited_until_it_is_delivered(retries):
    assert not is_awaited(retries)
    retries.sent("3EB0AA", ADAM_JID)
    assert is_awaited(retries)
    retries.on_receipt(receipt("DELIVERED"))
    assert not is_awaited(retries)


def test_a_receipt_may_come_before_the_acknowledgement(retries):
    retries.on_receipt(receipt("DELIVERED"))
    retries.sent("3EB0AA", ADAM_JID)
    assert not is_awaited(retries)
    retries.on_receipt(receipt("RETRY", "3EB0BB"))
    retries.on_receipt(receipt("DELIVERED", "3EB0BB", device=1))
    retries.sent("3EB0BB", ADAM_JID)
    assert is_awaited(retries)


def test_a_request_for_a_message_that_we_did_not_send_is_not_awaited(retries):
    retries.on_receipt(receipt("RETRY", "3EB0FF"))
    assert not is_awaited(retries)
    retries.sent("3EB0AA", ADAM_JID)
    retries.on_receipt(receipt("DELIVERED"))
    retries.on_receipt(receipt("RETRY", "3EB0FF"))
    assert not is_awaited(retries)


def test_what_another_device_received_does_not_answer_a_request(retries):
    retries.sent("3EB0AA", ADAM_JID)
    retries.on_receipt(receipt("RETRY", device=2))
    retries.on_receipt(receipt("DELIVERED", device=1))
    assert is_awaited(retries)
    retries.on_receipt(receipt("DELIVERED", device=2))
    assert not is_awaited(retries)


def test_a_message_to_a_group_is_awaited_whoever_received_it(retries):
    retries.sent("3EB0AA", GROUP)
    retries.on_receipt(receipt("DELIVERED", group=True))
    assert is_awaited(retries)


def test_our_phone_receives_what_we_send_to_ourselves_and_not_what_we_send_to_others(retries):
    retries.sent("3EB0AA", ADAM_JID)
    retries.on_receipt(receipt("SENDER", sender="12025550100", chat=ADAM))
    assert is_awaited(retries)
    retries.on_receipt(receipt("DELIVERED"))
    retries.sent("3EB0BB", "12025550100@s.whatsapp.net")
    retries.on_receipt(receipt("SENDER", "3EB0BB", sender="12025550100"))
    assert not is_awaited(retries)


def test_requests_without_end_keep_a_connection_open_for_a_limited_time(monkeypatch):
    monkeypatch.setattr(client, "MOST_RETRY_SECONDS", 0.3)
    retries, is_over = Retries(), threading.Event()
    retries.sent("3EB0AA", ADAM_JID)

    def ask():
        device = 0
        while not is_over.is_set():
            device += 1
            retries.on_receipt(receipt("RETRY", device=device))
            time.sleep(0.01)

    asking = threading.Thread(target=ask)
    waiting = threading.Thread(target=retries.wait, args=[lambda: not is_over.is_set()])
    asking.start()
    waiting.start()
    try:
        wait_for(lambda: not waiting.is_alive(), what="the end of the wait")
    finally:
        is_over.set()
        asking.join()
        waiting.join()


def test_a_line_that_goes_down_ends_the_wait(retries):
    is_up = threading.Event()
    is_up.set()
    retries.sent("3EB0AA", ADAM_JID)
    waiting = threading.Thread(target=retries.wait, args=[is_up.is_set])
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    is_up.clear()
    wait_for(lambda: not waiting.is_alive())
