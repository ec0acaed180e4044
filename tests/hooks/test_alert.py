"""WA_ALERT: one notice when a message was not sent, when sending stops, and when the connection ended."""

from __future__ import annotations

import json
import sys

import pytest
from conftest import REEM, delivered, wait_for
from receiver import receiving

from wa.connection.context import system_now
from wa.hooks import alert, table
from wa.queue import pacing, rows, states
from wa.queue.rows import STATUSES
from wa.store.device import own_jid


def fail(store, wa, status="failed", why="it was refused"):
    """Let a message to Reem end with a status."""
    row_id = wa("send", REEM, "Hi", "--no-wait", "--draft", "--json").json["id"]
    with store.write():
        states.end(store, row_id, system_now(), status=status, error_message=why)


def statuses(receiver):
    return [event["data"].get("status") or event["data"].get("state") for event in receiver.events]


def test_an_address_hears_of_what_went_wrong_and_of_nothing_else(wa, store, spawn):
    with receiving() as receiver:
        owner = spawn("run-scheduler", WA_ALERT=receiver.url)
        wait_for(lambda: [row["name"] for row in table.listing(store)] == [alert.NAME])
        for status in STATUSES:
            if status in ("sent", "failed", "missed", "unknown", "cancelled"):
                fail(store, wa, status)
        pacing.pause(store, system_now())
        with store.write():
            pacing.brake(store, system_now())
        wait_for(lambda: len(receiver.posted) == 4)
        assert sorted(statuses(receiver)) == ["failed", "missed", "paused", "unknown"]
        assert wa("loopback", "fault", "logged-out", "on").code == 0
        assert owner.finish().code == 3
        assert receiver.events[-1]["data"]["state"] == "none"
        assert len(receiver.posted) == 5
    wa("loopback", "fault", "logged-out", "off")
    spawn("run-scheduler")
    wait_for(lambda: table.listing(store) == [], what="the end of the hook without the setting")


def test_a_notice_to_oneself_causes_none(wa, store, spawn, home):
    assert wa("contacts", "add", "Reem Sample", REEM).code == 0
    spawn("run-scheduler", WA_ALERT="me", WA_SEND_SPACING="0", WA_TZ="UTC")
    wait_for(lambda: table.listing(store) and own_jid(store))
    fail(store, wa)
    wait_for(lambda: len(delivered(home)) == 1)
    (text,) = delivered(home)
    assert text.startswith("wa: the message to Reem Sample of ")
    assert text.endswith("was not sent (failed): it was refused")
    assert wa("hooks", "test", alert.NAME, "--json").error["code"] == "usage"
    (notice,) = store.rows("SELECT * FROM scheduled_messages WHERE created_from = 'hook'")
    hook = table.get(store, alert.NAME)
    with store.write():
        rows.update(store, notice["id"], system_now(), status="failed", error_message="and this one too")
    fail(store, wa, "missed")
    wait_for(lambda: len(delivered(home)) == 2)
    assert store.value("SELECT count(*) FROM scheduled_messages WHERE hook_id = ?", [hook["id"]]) == 2


def test_a_program_is_run(wa, store, spawn, tmp_path):
    out = tmp_path / "out"
    bot = tmp_path / "bot.py"
    bot.write_text(f"import sys; open({str(out)!r}, 'a').write(sys.stdin.read())", encoding="utf-8")
    spawn("run-scheduler", WA_ALERT=f"{sys.executable} {bot}")
    wait_for(lambda: table.listing(store))
    fail(store, wa)
    wait_for(lambda: out.exists() and out.read_text())
    assert json.loads(out.read_text())["data"]["error_message"] == "it was refused"


@pytest.mark.parametrize(
    "value", ["http://example.org/x", "https://me:password@example.org", "program 'unclosed", "https://"]
)
def test_a_value_that_fits_nothing_is_a_bad_setting(wa, value):
    refused = wa("listen", "--json", WA_ALERT=value)
    assert (refused.code, refused.error["code"]) == (2, "bad-setting")
    assert "WA_ALERT is not valid" in refused.error["message"]
    assert "password@" not in refused.err


def test_nobody_else_has_its_name(wa):
    assert wa("hooks", "add", alert.NAME, "--exec", "true", "--json").error["code"] == "usage"
