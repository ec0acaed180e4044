"""Sending and downloading files through WhatsApp's own library, as the user of a linked home does it."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import os
import signal
import sqlite3
import stat
import sys

import pytest
from conftest import wait_for
from media_samples import film, mp3, picture, voice
from relay.trust import installed_neonize

pytest_plugins = ["linked_fixture"]

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 8
FILES = {
    "image": ("cake.jpg", "image/jpeg", "imageMessage", picture()),
    "video": ("party.mp4", "video/mp4", "videoMessage", film()),
    "audio": ("song.mp3", "audio/mpeg", "audioMessage", mp3()),
    "voice": ("note.ogg", "audio/ogg; codecs=opus", "audioMessage", voice()),
    "document": ("bill.pdf", "application/pdf", "documentMessage", PDF),
}
MB = 1024 * 1024


def digest(data):
    """Return the digest that the phone reports of a file that it has downloaded and decrypted."""
    return hashlib.sha256(data).hexdigest()


def received(person):
    """Return the files that a phone received."""
    return [entry for entry in person.inbox() if entry.get("sha256")]


def queued_for(device, person):
    """Return the rows of the queue for one person."""
    rows = device.json("schedule", "list", "--status", "all")
    return [row for row in rows if row["to_jid"] == person.pn]


def recorded(listener, message_id):
    """Wait until a message is recorded."""
    return listener.event(lambda event: event["message_id"] == message_id)


def comes(listener, sender, to, kind, **about):
    """Let a file of that kind arrive and be recorded; return its bytes."""
    _, mimetype, field, data = FILES[kind]
    data += os.urandom(8)  # every test has files of its own
    more = {"PTT": True} if kind == "voice" else {}
    assert recorded(listener, sender.send_file(to, data, field, mimetype=mimetype, **more, **about))
    return data


def content(row):
    """Return the content of a downloaded file."""
    with open(row["path"], "rb") as file:
        return file.read()


def in_folder(folder):
    """Return the names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir() if path.is_file())


# ── Sending ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", FILES)
def test_a_file_arrives_unchanged(device, listener, adam, put, kind):
    name, mimetype, field, data = FILES[kind]
    words = [] if kind in ("audio", "voice") else ["look at this"]
    row = device.json("send", adam.number, *words, "--file", put(name, data))
    assert (row["status"], row["media_type"], row["file_name"]) == ("sent", kind, name)
    (got,) = received(adam)
    assert (got["kind"], got["sha256"], got["size"]) == (field, digest(data), len(data))
    assert (got["mimetype"], got["voice"], got["id"]) == (mimetype, kind == "voice", row["message_id"])
    assert got["file_name"] == (name if kind == "document" else "")
    if kind not in ("audio", "voice"):
        assert got["caption"] == "look at this"
    if kind == "image":
        assert got["thumbnail"] > 0
    assert recorded(listener, row["message_id"])["message_type"] == kind
    assert len(received(adam)) == 1


@pytest.mark.soak
def test_the_library_without_its_unused_parts_sends_and_receives(device, listener, adam, reem, put):
    """A text and a file in between many messages, all of the one listener."""
    ids = adam.send_many(reem, [f"line {number}" for number in range(1000)])
    name, *_, data = FILES["image"]
    device.ok("send", adam.number, "a text")
    device.ok("send", adam.number, "a file", "--file", put(name, data))
    ids += adam.send_many(reem, [f"line {number}" for number in range(1000, 2000)])
    wait_for(lambda: {each["message_id"] for each in listener.messages} >= set(ids))
    came = [each["message_id"] for each in listener.messages if each["message_id"] in set(ids)]
    assert came == ids

    def got():
        """Return what Adam got; what crossed other messages may have been asked for again, and come last."""
        found = [each.get("text") or each.get("caption") for each in adam.inbox()]
        return sorted(text for text in found if text)

    wait_for(lambda: len(got()) >= 2, what="the text and the file")
    assert got() == ["a file", "a text"]


def test_the_text_of_an_audio_file_is_sent_as_a_message(device, listener, adam, put):
    """An audio message cannot have a caption."""
    name, *_, data = FILES["audio"]
    device.ok("send", adam.number, "hear this", "--file", put(name, data))
    assert [entry["text"] for entry in adam.inbox() if entry.get("text")] == ["hear this"]
    assert [got["sha256"] for got in received(adam)] == [digest(data)]
    refused = device.run(
        "schedule", "add", adam.number, "hear this", "--at", "in 1 h", "--file", put(name, data)
    )
    assert refused.code == 2


def test_several_files_arrive_in_order_and_the_first_has_the_caption(device, adam, put):
    device.alone()
    sent = [FILES[kind] for kind in ("image", "document", "voice")]
    files = [each for name, *_, data in sent for each in ("--file", put(name, data))]
    out = device.ok("send", adam.number, "all of it", *files, "--json")
    assert [row["status"] for row in json.loads(out)] == ["sent"] * 3
    got = received(adam)
    assert [each["sha256"] for each in got] == [digest(data) for *_, data in sent]
    assert [each["caption"] for each in got] == ["all of it", "", ""]


def test_a_file_reaches_a_group(device, listener, adam, reem, put, town):
    group = town.group("Cakes", adam, reem)
    data = FILES["image"][-1]
    device.ok("send", group, "for all", "--file", put("cake.jpg", data))
    (got,) = received(adam)
    assert (got["sha256"], got["caption"], got["chat"]) == (digest(data), "for all", group)


def test_a_picture_that_is_too_large_is_a_document(device, listener, adam, put):
    data = FILES["image"][-1] + bytes(17 * MB)
    device.ok("send", adam.number, "--file", put("poster.jpg", data))
    (got,) = received(adam)
    assert (got["kind"], got["mimetype"], got["file_name"]) == ("documentMessage", "image/jpeg", "poster.jpg")
    assert got["sha256"] == digest(data)


def test_a_file_that_we_sent_is_in_the_record_and_needs_no_download(device, listener, adam, put, town):
    row = device.json("send", adam.number, "mine", "--file", put("bill.pdf", PDF))
    town.call("forget_media")
    (found,) = device.json("download", adam.number)
    assert (found["message_id"], found["content"], found["is_from_me"]) == (row["message_id"], "mine", True)
    assert content(found) == PDF


@pytest.mark.parametrize("problem", ["missing", "empty", "directory", "too large"])
def test_a_file_that_cannot_be_sent_is_refused(device, listener, adam, put, tmp_path, problem):
    path = tmp_path / "bad"
    if problem == "empty":
        path.touch()
    elif problem == "directory":
        path.mkdir()
    elif problem == "too large":
        path.touch()
        os.truncate(path, 200 * MB)  # a sparse file, which takes no room on the disk
    done = device.run("send", adam.number, "--file", put("fine.pdf", PDF), "--file", str(path), "--json")
    expected = (4, "not-found") if problem == "missing" else (8, "bad-data")
    assert (done.code, done.error["code"], done.out) == (*expected, "")
    assert str(path) in done.error["message"]
    assert queued_for(device, adam) == []
    assert adam.inbox() == []


@pytest.mark.parametrize("name", ["../../x.pdf", "..\\..\\x.pdf", "-rf \u202egpj.exe\n.pdf"])
def test_the_recipient_gets_a_safe_name_of_the_file(device, listener, adam, tmp_path, name):
    folder = tmp_path / "1" / "2"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(PDF)
    device.ok("send", adam.number, "--file", str(folder / name))
    (got,) = received(adam)
    assert got["sha256"] == digest(PDF)
    assert got["file_name"].endswith(".pdf")
    assert not got["file_name"].startswith(("-", "."))
    assert not {"/", "\\", "\n", "\u202e"} & set(got["file_name"])


def test_the_same_key_sends_a_file_once(device, listener, adam, put):
    path = put("bill.pdf", PDF)
    rows = [
        device.json("send", adam.number, "--file", path, "--key", f"bill-{adam.number}") for _ in range(2)
    ]
    assert rows[0]["id"] == rows[1]["id"]
    assert len(received(adam)) == 1


def test_a_file_is_sent_once_when_the_connection_is_cut(device, listener, adam, reem, put):
    reem.fault(drop_on_send={"route": True, "count": 1})
    assert device.json("send", adam.number, "--file", put("bill.pdf", PDF))["status"] == "sent"
    assert [each["sha256"] for each in received(adam)] == [digest(PDF)]


def test_a_scheduled_file_is_sent_after_its_source_is_gone(device, listener, adam, put):
    path = put("bill.pdf", PDF)
    row = device.json(
        "schedule", "add", adam.number, "your bill", "--at", "in 2 seconds", "--file", path
    )  # fmt: skip
    os.unlink(path)
    assert row["file_name"] == "bill.pdf"
    (got,) = wait_for(lambda: received(adam))
    assert (got["sha256"], got["caption"], got["file_name"]) == (digest(PDF), "your bill", "bill.pdf")
    wait_for(lambda: queued_for(device, adam)[0]["status"] == "sent")


# ── Uploads that fail ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def uploads(town, reem):
    """Return the uploads of a test: their statuses, 0 for one that was cut."""
    before = len(town.call("state")["uploads"])
    yield lambda: [each["status"] for each in town.call("state")["uploads"][before:]]
    reem.fault(upload=None)


def assert_nothing_went_out(device, listener, adam, reem):
    """Check that the one row for Adam failed, and that the next message goes out without it."""
    (row,) = queued_for(device, adam)
    assert (row["status"], row["message_id"]) == ("failed", None)
    assert_nothing_more_goes_out(device, listener, adam, reem)


def assert_nothing_more_goes_out(device, listener, adam, reem):
    """Check that the next message for Adam goes out alone."""
    reem.fault(upload=None)
    device.ok("send", adam.number, "the next one")
    assert [entry["text"] for entry in adam.inbox() if "receipt" not in entry] == ["the next one"]
    assert listener.popen.poll() is None


@pytest.mark.parametrize(
    ("how", "code", "name", "statuses"),
    [
        ({"cut_after": MB}, 7, "network-error", [0, 0, 0]),
        ({"mangle": True}, 5, "send-failed", [400]),
        ({"code": 413}, 5, "send-failed", [413]),
        pytest.param({"code": 503}, 7, "network-error", [503, 503, 503], marks=pytest.mark.soak),
    ],
    ids=["cut in half", "spoiled on its way", "too large", "server error"],
)
def test_a_file_that_cannot_be_uploaded_is_not_sent(
    device, listener, adam, reem, put, uploads, how, code, name, statuses
):
    reem.fault(upload=how)
    path = put("half.bin", os.urandom(2 * MB))
    done = device.run("send", adam.number, "look", "--file", path, "--json")
    assert (done.code, done.error["code"], done.out) == (code, name, "")
    assert "upload" in done.error["message"]
    assert uploads() == statuses
    assert_nothing_went_out(device, listener, adam, reem)


def test_an_upload_that_is_cut_once_is_repeated_and_the_file_arrives_once(
    device, listener, adam, reem, put, uploads
):
    reem.fault(upload={"cut_after": MB, "count": 1})
    data = os.urandom(2 * MB)
    assert device.json("send", adam.number, "--file", put("whole.bin", data))["status"] == "sent"
    assert uploads() == [0, 200]
    assert [each["sha256"] for each in received(adam)] == [digest(data)]


@pytest.fixture
def stopped(device, adam, reem, put, uploads):
    """Send a file alone, and end the command by a signal during the upload; return the result."""

    def stop(number):
        device.alone()
        reem.fault(upload={"seconds": 3600})
        sending = device.start("send", adam.number, "--file", put("late.pdf", PDF), "--json")
        sending.wait(lambda: uploads() == [0], "the upload")
        done = sending.stop(number)
        assert done.out == ""
        assert received(adam) == []
        return done

    return stop


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)])
def test_a_file_is_cancelled_by_a_signal_during_its_upload(device, adam, reem, stopped, number):
    done = stopped(number)
    assert done.code == 130, done
    (row,) = queued_for(device, adam)
    assert (row["status"], row["message_id"]) == ("cancelled", None)
    listener = device.listening()
    assert_nothing_more_goes_out(device, listener, adam, reem)


def test_a_send_that_is_killed_during_an_upload_sends_the_file_once_and_later(device, adam, reem, stopped):
    assert stopped(signal.SIGKILL).code == -9
    reem.fault(upload=None)
    listener = device.listening()
    listener.wait(lambda: queued_for(device, adam)[0]["status"] == "sent", "the file")
    device.ok("send", adam.number, "after it")
    assert [each["sha256"] for each in received(adam)] == [digest(PDF)]


@pytest.mark.soak
def test_an_upload_that_is_never_answered_fails_when_the_wait_ends_and_delays_the_next_message_for_a_minute(
    device, listener, adam, reem, put
):
    """The library itself waits for ever, and meanwhile nothing else was sent."""
    reem.fault(upload={"seconds": 3600})
    done = device.run("send", adam.number, "--file", put("silent.pdf", PDF), "--wait", "1", "--json")
    assert (done.code, done.error["code"]) == (7, "network-error")
    assert "its file was not uploaded in time" in done.error["message"]
    assert_nothing_went_out(device, listener, adam, reem)


def test_a_file_whose_wait_ends_during_its_upload_is_not_sent_when_the_upload_is_over(
    device, listener, adam, reem, put, uploads
):
    reem.fault(upload={"seconds": 4})
    done = device.run("send", adam.number, "--file", put("slow.pdf", PDF), "--wait", "1", "--json")
    assert (done.code, done.error["code"]) == (7, "network-error")
    wait_for(lambda: uploads() == [0, 200], what="the end of the upload")
    assert_nothing_went_out(device, listener, adam, reem)


def test_a_scheduled_file_that_cannot_be_uploaded_yet_waits(device, listener, adam, reem, put, uploads):
    reem.fault(upload={"code": 503})
    path = put("later.pdf", PDF)
    device.json("schedule", "add", adam.number, "your bill", "--at", "in 1 second", "--file", path)
    wait_for(lambda: 503 in uploads())
    wait_for(lambda: queued_for(device, adam)[0]["status"] == "pending")
    assert "upload" in queued_for(device, adam)[0]["note"]
    reem.fault(upload=None)
    (got,) = wait_for(lambda: received(adam))
    assert got["sha256"] == digest(PDF)
    assert uploads()[-1] == 200


def test_a_file_whose_right_to_upload_has_expired_arrives(device, adam, reem, town, put, uploads):
    """The library asks for a new right when the old one has come to its end."""
    device.alone()
    town.call("expire_media_auths", number=reem.number)
    reem.set(media_auth_seconds=2)
    try:
        listener = device.listening()
        device.ok("send", adam.number, "--file", put("first.pdf", PDF))
        wait_for(lambda: not town.call("state")["media_auths"], what="the end of the right to upload")
        data = PDF + b"second"
        device.ok("send", adam.number, "--file", put("second.pdf", data))
        assert uploads() == [200, 200]
        assert [each["sha256"] for each in received(adam)] == [digest(PDF), digest(data)]
        assert listener.popen.poll() is None
    finally:
        reem.set(media_auth_seconds=21_600)
        device.alone()


def test_a_right_to_upload_that_ends_early_is_renewed_by_the_next_connection(
    device, listener, adam, reem, town, put, uploads
):
    device.ok("send", adam.number, "--file", put("first.pdf", PDF))
    assert town.call("expire_media_auths", number=reem.number)["ended"]
    done = device.run("send", adam.number, "--file", put("second.pdf", PDF + b"2"), "--json")
    assert (done.code, done.error["code"]) == (7, "network-error")
    assert uploads() == [200, 401, 401, 401]
    device.alone()
    failed = next(row for row in queued_for(device, adam) if row["status"] == "failed")
    device.ok("schedule", "retry", failed["id"])
    assert [each["sha256"] for each in received(adam)] == [digest(PDF), digest(PDF + b"2")]


def test_a_file_that_the_server_did_not_keep_does_not_arrive(device, listener, adam, reem, put):
    """The relay reports it: an upload that was only said to be stored would fail every test of files."""
    reem.fault(upload={"lose": True, "count": 1})
    device.ok("send", adam.number, "--file", put("lost.pdf", PDF + b"lost"))
    assert received(adam) == []
    assert adam.inbox()[0]["kind"] == "documentMessage"


# ── Downloading ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("with_listener", [True, False], ids=["with a listener", "alone"])
def test_every_kind_is_downloaded_once(device, adam, reem, town, with_listener):
    listener = device.listening()
    data = [comes(listener, adam, reem, kind) for kind in FILES]
    if not with_listener:
        device.alone()
    rows = device.json("download", adam.number)
    assert [row["message_type"] for row in rows] == list(FILES)
    assert [content(row) for row in rows] == data
    for row in rows:
        assert os.path.dirname(row["path"]) == str(device.home.path / "media")
        assert stat.S_IMODE(os.stat(row["path"]).st_mode) == 0o600
    assert [os.path.splitext(row["path"])[1] for row in rows] == [".jpg", ".mp4", ".mp3", ".ogg", ".pdf"]
    town.call("forget_media")
    before = in_folder(device.home.path / "media")
    assert device.json("download", adam.number) == rows
    assert [row["path"] for row in device.json("download", adam.number, "voice", "1")] == [rows[3]["path"]]
    assert in_folder(device.home.path / "media") == before


def protobuf():
    """Return the library's module for messages, without the library itself."""
    folder = str(installed_neonize() / "proto")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module("waE2E.WAWebProtobufsE2E_pb2")


def as_baileys(raw):
    """Return the picture in a message in JSON, as Baileys writes it, in each of its forms of bytes."""
    picture = protobuf().Message.FromString(raw).imageMessage
    forms = [
        lambda data: {"type": "Buffer", "data": list(data)},
        lambda data: {"type": "Buffer", "data": base64.b64encode(data).decode()},
        lambda data: base64.b64encode(data).decode(),
        lambda data: {str(place): byte for place, byte in enumerate(data)},
    ]
    size = {"low": picture.fileLength, "high": 0, "unsigned": True}
    plain = {"url": picture.URL, "directPath": picture.directPath, "fileLength": size}
    return [
        {**plain, "mediaKey": form(picture.mediaKey), "fileSha256": form(picture.fileSHA256),
         "fileEncSha256": form(picture.fileEncSHA256), "contextInfo": {"mentionedJid": ["x", 5]}}
        for form in forms
    ]  # fmt: skip


def test_a_file_that_the_tool_before_received_is_downloaded(device, listener, adam, reem, tmp_path):
    data = comes(listener, adam, reem, "image")
    with sqlite3.connect(device.home.path / "wa.db") as db:
        newest = "SELECT raw_proto FROM messages WHERE message_type = 'image' ORDER BY id DESC LIMIT 1"
        ((raw,),) = db.execute(newest).fetchall()
    db.close()
    other = "447700900777@s.whatsapp.net"
    messages = [
        {"message": "[Image]", "messageType": "image", "timestamp": 1_766_427_000 + number, "isFromMe": False,
         "rawMessage": {"key": {"remoteJid": other, "id": f"OLD{number}"}, "message": {"imageMessage": each}}}
        for number, each in enumerate(as_baileys(raw))
    ]  # fmt: skip
    (tmp_path / "chats.json").write_text(json.dumps({other: {"id": other, "messages": messages}}))
    device.ok("migrate-s3", "--from", str(tmp_path))
    rows = device.json("download", other)
    assert [content(row) for row in rows] == [data] * 4


def test_files_are_downloaded_to_the_folder_of_out(device, listener, adam, reem, tmp_path):
    data = [comes(listener, adam, reem, kind) for kind in ("image", "document")]
    folder = tmp_path / "deep" / "pictures"
    rows = device.json("download", adam.number, "--out", str(folder))
    assert [content(row) for row in rows] == data
    assert {os.path.dirname(row["path"]) for row in rows} == {str(folder)}
    assert device.json("download", adam.number, "--out", str(folder)) == rows
    assert len(in_folder(folder)) == 2


def test_a_file_larger_than_max_size_is_not_downloaded(device, listener, adam, reem):
    small = comes(listener, adam, reem, "document")
    message_id = adam.send_file(reem, os.urandom(60_000), "documentMessage", fileName="large.bin")
    recorded(listener, message_id)
    done = device.run("download", adam.number, "--max-size", "0.05", "--json")
    assert (done.code, done.error["code"]) == (2, "usage")
    assert "1 of 2" in done.error["message"]
    assert "0.1 MB" in done.error["message"]
    first, second = done.json
    assert content(first) == small
    assert (second["path"], second["code"]) == (None, "usage")
    assert os.path.getsize(device.json("download", adam.number)[1]["path"]) == 60_000


def test_an_expired_file_is_reported_and_the_others_are_downloaded(device, listener, adam, reem, town):
    comes(listener, adam, reem, "image", caption="old")
    town.call("forget_media")
    data = [comes(listener, adam, reem, kind) for kind in ("document", "image")]
    done = device.run("download", adam.number, "--json")
    assert (done.code, done.error["code"]) == (4, "not-found")
    assert "1 of 3" in done.error["message"]
    assert "no longer has it" in done.error["message"]
    gone, *rows = done.json
    assert (gone["path"], gone["code"], gone["content"]) == (None, "not-found", "old")
    assert [content(row) for row in rows] == data
    shown = device.run("download", adam.number)
    assert shown.code == 4
    assert "no longer has it" in shown.out


def test_a_file_larger_than_its_message_says_is_refused(device, listener, adam, reem):
    """A sender who understates the size of a file does not get it past the limit."""
    lie = adam.send_file(reem, os.urandom(60_000), "documentMessage", fileName="lie.bin", fileLength=5)
    recorded(listener, lie)
    fine = comes(listener, adam, reem, "document")
    done = device.run("download", adam.number, "--max-size", "0.05", "--json")
    bad, row = done.json
    assert content(row) == fine
    assert (done.code, bad["path"], bad["code"]) == (2, None, "usage")
    assert "1 of 2" in done.error["message"]


NAMES = [
    "../../../escape.pdf",
    "/etc/escape.pdf",
    "..\\..\\escape.pdf",
    ".bashrc",
    "..",
    "a\0b\n\x1b[2J.pdf",
    "x" * 500,
]


def test_no_name_of_a_file_leads_out_of_the_folder(device, listener, adam, reem, tmp_path):
    data = [comes(listener, adam, reem, "document", fileName=name) for name in NAMES]
    folder = tmp_path / "out" / "in"
    rows = device.json("download", adam.number, "--out", str(folder))
    assert [content(row) for row in rows] == data
    for row in rows:
        for path, where in (
            (row["path"], folder),
            (str(device.home.path / row["media_path"]), device.home.path / "media"),
        ):
            assert os.path.realpath(path) == path
            assert os.path.dirname(path) == str(where)
            name = os.path.basename(path)
            assert not name.startswith((".", "-"))
            assert name.isprintable()
            assert len(name.encode()) < 200
    assert os.listdir(tmp_path / "out") == ["in"]


def test_files_of_the_same_name_do_not_replace_each_other(device, listener, adam, reem, tmp_path):
    data = [comes(listener, adam, reem, "document", fileName="bill.pdf") for _ in range(3)]
    rows = device.json("download", adam.number, "--out", str(tmp_path / "bills"))
    assert [content(row) for row in rows] == data
    assert len({row["path"] for row in rows}) == len({row["media_path"] for row in rows}) == 3


def test_a_file_that_our_phone_sent_can_be_downloaded(device, listener, adam, reem):
    data = comes(listener, reem, adam, "image", caption="from my phone")
    (row,) = device.json("download", adam.number)
    assert (content(row), row["is_from_me"]) == (data, True)


def test_two_downloads_of_one_file_at_once_both_succeed(device, listener, adam, reem):
    data = comes(listener, adam, reem, "document", fileName=f"once-{adam.number}.pdf")
    both = [device.start("download", adam.number, "--json") for _ in range(2)]
    done = [each.finish() for each in both]
    assert [each.code for each in done] == [0, 0], done
    assert [content(each.json[0]) for each in done] == [data, data]
    names = [name for name in in_folder(device.home.path / "media") if name.startswith(f"once-{adam.number}")]
    assert names
    assert {(device.home.path / "media" / name).read_bytes() for name in names} == {data}


def test_a_downloaded_file_can_be_sent_on(device, listener, adam, newcomer, reem):
    """The sent file is the downloaded one."""
    sara = newcomer("Sara")
    data = comes(listener, adam, reem, "image")
    (row,) = device.json("download", adam.number)
    device.ok("send", sara.number, "--file", row["path"])
    assert [each["sha256"] for each in received(sara)] == [digest(data)]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), pytest.param(signal.SIGINT, 130, marks=pytest.mark.soak)]
)
def test_an_interrupted_download_can_be_repeated(device, listener, adam, reem, silence, number, code):
    data = comes(listener, adam, reem, "image")
    device.alone()
    waiting = device.start("download", adam.number, "--json", **silence.settings)
    silence.wait_for_a_knock()
    done = waiting.stop(number)
    assert not device.is_held
    assert [content(row) for row in device.json("download", adam.number)] == [data]
    assert (done.code, done.out) == (code, "")
