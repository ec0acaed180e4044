"""The relay with the real library as its client: the behaviour that other tests rely on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import HELPERS, TESTS, wait_for
from relay.driver import Client, Person, Relay
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

pytest_plugins = ["relay_fixture"]
# These tests are about the tests' own server, not about wa.
pytestmark = pytest.mark.soak

Clients = Callable[..., Client]
YEAR = 365 * 86_400


def past(person: Person, count: int, every: int = 60) -> list[dict[str, object]]:
    """Return `count` messages with one person, one every `every` seconds, the newest an hour old."""
    start = int(time.time()) - 3600
    return [
        {
            "chat": person.pn,
            "id": f"OLD{number}",
            "from_me": bool(number % 2),
            "text": f"old {number}",
            "t": start - every * number,
        }
        for number in range(count)
    ]


def remote_addresses(pid: int) -> set[str]:
    """Return the remote addresses of a process's sockets, IPv4 and IPv6, as the kernel has them."""
    links = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link[len("socket:[") : -1] for link in links if link.startswith("socket:")}
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                address = bytes.fromhex(fields[2].split(":")[0])
                found.add(".".join(map(str, reversed(address))) if len(address) == 4 else fields[2])
    return found


@pytest.fixture
def reem(relay: Relay) -> Person:
    """The account that the client under test is linked to."""
    return relay.person("Reem")


@pytest.fixture
def adam(relay: Relay) -> Person:
    """Somebody with a phone alone."""
    return relay.person("Adam", receipts=["delivered"])


@pytest.fixture
def client(relay: Relay, clients: Clients, reem: Person) -> Client:
    """A client linked to Reem's account, and caught up."""
    made = clients(relay, "reem")
    made.link(reem)
    return made


def test_a_client_is_paired_by_qr_code(relay, clients, adam, reem):
    reem.set(contacts={adam.number: "Adam Ali"})
    client = clients(relay, "reem")
    client.link(reem)
    me = client.do("me")
    assert (me["JID"]["User"], me["LID"]["Server"]) == (reem.number, "lid")
    wait_for(lambda: client.do("me").get("PushName") == "Reem", what="the push name from app state")
    wait_for(lambda: "Adam Ali" in [each["full"] for each in client.do("contacts").values()])
    assert [each["active"] for each in reem.devices().values()] == [True]
    assert relay.unhandled == {}
    assert client.end() == 0


def test_a_client_is_paired_by_a_code_typed_into_the_phone(relay, clients, reem):
    client = clients(relay, "reem")
    client.post("connect")
    client.wait("qr")
    code = client.do("pair_phone", number=reem.number)
    assert len(code) == len("ABCD-EFGH")
    assert reem.enter(code)
    client.wait("Connected")
    client.wait("OfflineSyncCompleted")
    assert client.do("me")["JID"]["User"] == reem.number
    assert relay.unhandled == {}
    assert client.end() == 0


def test_a_wrong_code_links_no_device_and_the_next_code_links_it(relay, clients, reem):
    client = clients(relay, "reem")
    client.post("connect")
    client.wait("qr")
    code = client.do("pair_phone", number=reem.number)
    wrong = code[:-1] + ("2" if code[-1] == "1" else "1")
    assert not reem.enter(wrong)
    assert reem.devices() == {}
    reem.fault(refuse_code={"code": 429, "count": 1})
    assert "429" in client.error("pair_phone", number=reem.number)
    assert reem.enter(client.do("pair_phone", number=reem.number))
    client.wait("Connected")


def test_a_client_refuses_a_spoilt_pairing(relay, clients, reem):
    client = clients(relay, "reem")
    client.post("connect")
    reem.scan(client.wait("qr")["qr"], spoil=True)
    assert client.wait("LoginStatus")["status"] == "error"
    wait_for(lambda: relay.call("state")["pairings_refused"])
    assert reem.devices() == {}


def test_texts_go_both_ways_with_receipts(relay, client, reem, adam):
    sent = client.do("send", to=adam.number, text="Hello, Adam")
    got = adam.inbox()[-1]
    assert (got["id"], got["from"], got["text"]) == (sent["id"], reem.number, "Hello, Adam")
    client.wait("Receipt", lambda event: sent["id"] in event["ids"])
    for kind in ("read", "played"):
        adam.receipt(reem, [sent["id"]], kind)
        client.wait("Receipt", lambda event, kind=kind: event["kind"] == kind.upper())
    answer = adam.send(reem, "Hello, Reem")
    got = client.wait("Message", lambda event: event["text"] == "Hello, Reem")
    assert (got["id"], got["chat"], got["alt"]) == (answer, adam.lid, adam.pn)
    client.do("mark_read", ids=[answer], chat=got["chat"], sender=got["sender"])
    read = {"receipt": "read", "ids": [answer], "from": reem.number, "chat": adam.lid}
    wait_for(lambda: read in adam.inbox())
    assert relay.unhandled == {}


def test_messages_come_by_number_and_by_hidden_id(client, reem, adam):
    seen = []
    cases = [(addressing, mapped) for mapped in (False, True) for addressing in ("pn", "lid")]
    for addressing, mapped in cases:
        adam.set(addressing=addressing, mapped=mapped)
        sent = adam.send(reem, "Me again")
        got = client.wait("Message", lambda event, sent=sent: event["id"] == sent)
        seen.append((got["chat"], got["alt"]))
    assert seen == [(adam.pn, ""), (adam.lid, ""), (adam.pn, adam.lid), (adam.lid, adam.pn)]


def test_messages_of_any_kind_arrive(relay, client, reem, adam):
    first = adam.send(reem, "Where?")
    key = {"remoteJID": adam.lid, "fromMe": False, "ID": first}
    kinds = {
        "locationMessage": {"degreesLatitude": 51.5, "degreesLongitude": -0.1},
        "reactionMessage": {"key": key, "text": "👍"},
        "protocolMessage": {"key": key, "type": "REVOKE"},
    }
    for kind, content in kinds.items():
        sent = adam.send(reem, **{kind: content})
        got = client.wait("Message", lambda event, sent=sent: event["id"] == sent)
        assert kind in got["fields"]
    assert relay.unhandled == {}


def test_two_clients_talk(relay, clients, client, adam):
    other = clients(relay, "adam")
    other.link(adam)
    sent = client.do("send", to=adam.number, text="to all your devices")
    got = other.wait("Message", lambda event: event["text"] == "to all your devices")
    assert got["id"] == sent["id"]
    assert adam.texts() == ["to all your devices"]
    other.do("send", to=got["chat"], text="and back")
    client.wait("Message", lambda event: event["text"] == "and back")
    adam.send(adam.relay.person("Third"), "from my phone")
    own = other.wait("Message", lambda event: event["text"] == "from my phone")
    assert own["from_me"]


def test_messages_sent_while_offline_are_delivered_in_order(client, clients, relay, reem, adam):
    client.kill()
    wanted = [f"while away {number}" for number in range(100)]
    adam.send_many(reem, wanted)
    again = clients(relay, "reem")
    again.connect()
    assert again.texts() == wanted
    wait_for(lambda: [each["pending"] for each in reem.devices().values()] == [0])
    assert again.end() == 0


def test_faults_refuse_delay_or_lose_acknowledgements(client, reem, adam):
    reem.fault(ack_error={"code": 463, "count": 1})
    assert client.error("send", to=adam.number, text="refused").endswith("server returned error 463")
    reem.fault(ack_delay={"seconds": 0.5, "count": 1})
    reply = client.result(client.post("send", to=adam.number, text="late"))
    assert reply["ok"]
    assert reply["took"] >= 0.5
    for routed in (True, False):
        reem.fault(drop_on_send={"route": routed, "count": 1})
        client.do("send", to=adam.number, text=f"cut, routed {routed}")
    reem.fault(never_ack={"count": 1})
    blocked = client.post("send", to=adam.number, text="lost")
    wait_for(lambda: "lost" in adam.texts())
    assert client.result(blocked, timeout=0.2) == {"pending": True}
    reem.drop()
    assert client.result(blocked)["ok"]
    assert adam.texts() == ["late", "cut, routed True", "cut, routed False", "lost"]


def test_a_client_asks_again_for_a_text_that_it_cannot_decrypt(relay, clients, client, reem, adam):
    other = clients(relay, "adam")
    other.link(adam)
    reem.fault(corrupt={"count": 1})
    client.do("send", to=adam.number, text="garbled")
    other.wait("UndecryptableMessage")
    other.wait("Message", lambda event: event["text"] == "garbled")
    wait_for(lambda: adam.texts() == ["garbled"], what="the retry that the phone asked for")
    assert relay.unhandled == {}


def test_a_phone_sends_again_what_a_client_could_not_decrypt(client, clients, relay, reem, adam, memory_path):
    database, older = memory_path / "reem.db", memory_path / "older.db"
    client.kill()
    shutil.copy(database, older)
    newer = clients(relay, "reem")
    newer.connect()
    adam.send(reem, "first")
    newer.wait("Message", lambda event: event["text"] == "first")
    newer.do("send", to=adam.number, text="an answer, which makes the session")
    newer.kill()
    shutil.copy(older, database)
    restored = clients(relay, "reem")
    restored.connect()
    sent = adam.send(reem, "second")
    undecryptable = restored.wait("UndecryptableMessage")
    got = restored.wait("Message", lambda event: event["text"] == "second")
    assert got["id"] == sent == undecryptable["data"]["Info"]["ID"]
    assert restored.texts() == ["second"]


def test_a_number_that_is_not_on_whatsapp_cannot_be_written_to(relay, client, adam):
    nobody = "12025550199"
    assert "no LID found" in client.error("send", to=nobody, text="Anyone?")
    known = client.do("on_whatsapp", numbers=[f"+{adam.number}", f"+{nobody}"])
    assert [each["IsIn"] for each in known] == [True, False]
    assert relay.unhandled == {}


def test_a_client_logs_itself_out(relay, client, reem):
    client.do("logout")
    wait_for(lambda: reem.devices() == {})
    assert relay.unhandled == {}


@pytest.mark.parametrize(
    ("failure", "event"),
    [
        ({"reason": 402, "code": 101, "expire": 3600}, "TemporaryBan"),
        ({"reason": 405}, "ClientOutdated"),
        ({"reason": 401}, "LoggedOut"),
    ],
    ids=["banned", "outdated", "logged_out"],
)
def test_a_login_is_refused(client, reem, failure, event):
    reem.fault(refuse_login={**failure, "count": 1})
    reem.drop()
    client.wait(event)


def test_a_connection_can_be_cut_replaced_and_unlinked(client, clients, relay, reem):
    mark = len(client.events)
    reem.drop()
    client.wait("Disconnected", after=mark)
    client.wait("Connected", after=mark)
    wait_for(lambda: [each["active"] for each in reem.devices().values()] == [True])
    mark = len(client.events)
    reem.replaced()
    client.wait("StreamReplaced", after=mark)
    client.kill()
    again = clients(relay, "reem")
    again.connect()
    reem.unlink()
    again.wait("LoggedOut")
    assert reem.devices() == {}
    assert again.end() == 0


def test_an_outdated_client_cannot_be_paired(relay, clients):
    relay.call("refuse_unpaired", reason=405)
    client = clients(relay, "reem")
    client.post("connect")
    assert client.wait("LoginStatus")["status"] == "err-client-outdated"


def test_a_stalled_connection_goes_on_after_the_stall(client, reem, adam):
    reem.stall()
    adam.send(reem, "into the black hole")
    blocked = client.post("send", to=adam.number, text="out of it")
    assert client.result(blocked, timeout=0.3) == {"pending": True}
    reem.stall(on=False)
    assert client.result(blocked)["ok"]
    reem.drop()
    client.wait("Message", lambda event: event["text"] == "into the black hole")
    assert adam.texts() == ["out of it"]


def test_changes_of_groups_reach_the_members(relay, client, reem, adam):
    zoe = relay.person("Zoe")
    group = client.do("create_group", name="Walks", members=[adam.number])
    client.do("send", to=group, text="Sunday?")
    assert adam.texts() == ["Sunday?"]
    adam.send(group, "Yes")
    got = client.wait("Message", lambda event: event["text"] == "Yes")
    assert (got["chat"], got["group"], got["sender"]) == (group, True, adam.lid)

    def changed(field: str, value: object) -> None:
        client.wait("GroupInfo", lambda event: event["group"] == group and event[field] == value)

    client.do("change_group", group=group, action="add", members=[zoe.number])
    changed("Join", [zoe.lid])
    client.do("change_group", group=group, action="promote", members=[adam.number])
    changed("Promote", [adam.lid])
    client.do("rename_group", group=group, name="Long walks")
    changed("name", "Long walks")
    relay.group_change(group, adam, "remove", zoe)
    changed("Leave", [zoe.lid])
    relay.group_subject(group, adam, "Short walks")
    changed("name", "Short walks")
    members = {reem.lid: True, adam.lid: True}
    assert client.do("groups") == [{"jid": group, "name": "Short walks", "members": members}]
    relay.group_change(group, adam, "remove", reem)
    changed("Leave", [reem.lid])
    assert client.do("groups") == []
    assert "server returned error 403" in client.error("send", to=group, text="Anyone?")
    assert [each["why"] for each in relay.take_rejected()] == ["the sender is not in the group"]
    other = relay.group("Cinema", adam, reem, zoe)
    client.wait("JoinedGroup", lambda event: event["data"]["GroupInfo"]["GroupName"]["Name"] == "Cinema")
    adam.send(other, "What is on?")
    client.wait("Message", lambda event: event["chat"] == other)
    client.do("leave_group", group=other)
    assert reem.number not in relay.call("group_state", group=other)["members"]
    assert relay.unhandled == {}


def test_files_go_both_ways_and_expire(relay, client, reem, adam):
    data = os.urandom(50_000)
    client.do("send_document", to=adam.number, data=data.hex(), filename="plan.pdf", caption="The plan")
    got = adam.inbox()[-1]
    assert (got["kind"], got["file_name"], got["caption"]) == ("documentMessage", "plan.pdf", "The plan")
    assert got["sha256"] == hashlib.sha256(data).hexdigest()
    adam.send_file(reem, data, mimetype="image/jpeg", caption="A picture")
    event = client.wait("Message", lambda event: "imageMessage" in event["fields"])
    assert bytes.fromhex(client.do("download", raw=event["raw"])) == data
    relay.call("forget_media")
    assert "404" in client.error("download", raw=event["raw"])


def test_a_history_of_thousands_comes_in_parts(relay, clients, reem, adam):
    reem.set(history=past(adam, 3000), chunk=700)
    client = clients(relay, "reem")
    client.link(reem)
    client.wait("HistorySync", lambda event: event["kind"] == "PUSH_NAME")
    parts = [event for event in client.events if event["event"] == "HistorySync"]
    known = [event for event in parts if event["chats"]]
    assert [event["kind"] for event in known] == ["INITIAL_BOOTSTRAP", *["RECENT"] * 4]
    assert [event["progress"] for event in known] == [20, 40, 60, 80, 100]
    assert [text for event in known for text in event["chats"][adam.pn]] == [f"old {n}" for n in range(3000)]
    assert parts[-1]["names"] == {adam.pn: "Adam"}
    assert relay.unhandled == {}


def test_only_a_client_that_asks_gets_the_full_history(relay, clients, reem, adam):
    reem.set(history=past(adam, 12, every=YEAR // 6), chunk=4)
    recent = clients(relay, "recent")
    recent.link(reem)
    recent.wait("HistorySync", lambda event: event["progress"] == 100)
    full = clients(relay, "full", "full")
    full.link(reem)
    full.wait("HistorySync", lambda event: event["progress"] == 100)

    def texts(client: Client) -> int:
        parts = [event["chats"] for event in client.events if event["event"] == "HistorySync"]
        return sum(len(chats.get(adam.pn, [])) for chats in parts)

    assert (texts(recent), texts(full)) == (6, 12)
    assert "FULL" in [event.get("kind") for event in full.events]


def test_a_restart_keeps_the_accounts(own_relay, clients):
    reem, adam = own_relay.person("Reem"), own_relay.person("Adam")
    client = clients(own_relay, "reem")
    client.link(reem)
    group = own_relay.group("Walks", adam, reem)
    client.do("send", to=adam.number, text="before")
    client.kill()
    adam.send(reem, "meanwhile")
    ports = own_relay.ports
    own_relay.restart()
    assert own_relay.ports == ports
    again = clients(own_relay, "reem")
    again.connect()
    again.wait("Message", lambda event: event["text"] == "meanwhile")
    again.do("send", to=group, text="after")
    assert adam.texts() == ["before", "after"]


def test_clients_talk_to_this_machine_alone(client, adam):
    client.do("send", to=adam.number, text="near")
    assert remote_addresses(client.process.pid) <= {"127.0.0.1"}
    assert remote_addresses(client.process.pid)


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare, of util-linux")
def test_the_relay_works_with_only_the_loopback_interface(tmp_path):
    apart = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us make a network namespace")
    command = [*apart, sys.executable, "-m", "relay.alone", str(tmp_path / "alone")]
    env = {**os.environ, "PYTHONPATH": HELPERS}
    done = subprocess.run(command, cwd=TESTS, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["lo"], ["near"], []]


@pytest.mark.parametrize("header", [b"WA\x06\x02", b"GET "], ids=["an unknown dictionary", "no header"])
def test_a_client_that_it_cannot_read_is_let_go_and_named(own_relay, header):
    tls = ssl.create_default_context(cafile=str(own_relay.folder / "trust/ca.pem"))
    tls.check_hostname = False
    with connect(f"wss://127.0.0.1:{own_relay.ports['web']}", ssl=tls) as socket:
        socket.send(header + bytes(40))
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=20)
    (named,) = own_relay.take_unhandled("a client with the header")
    assert named.startswith("handshake: a client with the header")
    assert "Traceback" not in (own_relay.state / "relay.log").read_text()
