"""wa jobs and wa send --tag as a user types them: recipients, fields, files, plans, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, FakeClock, delivered

from wa.queue.jobs.old_file import line_of

PART = ["--part", "Hello"]
AT = "2026-11-20T12:00:00.000Z"


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def jobs(wa, clock, home):
    """Run `wa jobs …`, with JSON. Check that what is refused stores nothing."""

    def run(*args, **options):
        done = wa("jobs", *args, "--json", now=clock, **options)
        if done.code and args[0] == "add":
            assert wa("jobs", "list", "--json").json == []
            assert wa("schedule", "list", "--status", "all", "--json").json == []
        return done

    return run


def file(name, text, encoding="utf-8"):
    Path(name).write_bytes(text.encode(encoding))
    return name


def people(wa):
    """Add three contacts, two of them with a tag."""
    for name, phone in (("Reem Sample", REEM), ("Adam Sample", ADAM)):
        assert wa("contacts", "add", name, phone, "--tag", "family").code == 0
    assert wa("contacts", "add", "Nadia", "12025550123").code == 0


# ── Recipients and fields ─────────────────────────────────────────────────────────────────────────


def test_a_job_answers_with_its_row(jobs):
    made = jobs(
        "add", "--to", REEM, "--to", ADAM, "--title", "Party", *PART, "--gap", "1m", "--max-retries", "0"
    )
    assert made.json["title"] == "Party"
    assert made.json["recipients"] == [REEM_JID, ADAM_JID]
    assert made.json["config"] == {"recipientGapSeconds": 60, "maxRetries": 0, "graceSeconds": 21600}
    assert made.json["message_parts"] == [{"orderIndex": 0, "text": "Hello", "delayAfterSeconds": None}]
    assert (made.json["status"], made.json["scheduled_start_at"]) == ("pending", AT)
    (listed,) = jobs("list").json
    assert listed["id"] == made.json["id"]
    assert jobs("list", "--status", "paused").json == []
    assert jobs("list", "--status", "nonsense").code == 2


def test_a_person_who_is_named_twice_gets_each_message_once(jobs, wa):
    people(wa)
    assert wa("contacts", "edit", "Reem Sample", "--phone", "447700900789").code == 0
    made = jobs("add", "--to", REEM, "--to", "reem sample", "--to", "447700900789", *PART)
    assert made.json["recipients"] == [REEM_JID]
    assert "2 recipients are named again, and get each message once" in made.err


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_csv_file_is_a_mail_merge(jobs, home, delimiter, encoding):
    lines = ["", "First,to , table", "", f'"Zoë",{REEM}, 4', ",,", f'"Big\nAdam",{ADAM},7', ""]
    name = file("a.csv", "\r\n".join(lines).replace(",", delimiter), encoding)
    made = jobs("add", "--csv", name, "--part", "Hi {First}, table {table} {{here}}")
    shown = jobs("show", made.json["id"]).json
    assert [(part["to_jid"], part["message"]) for part in shown["parts"]] == [
        (REEM_JID, "Hi Zoë, table 4 {here}"),
        (ADAM_JID, "Hi Big\nAdam, table 7 {here}"),
    ]


def test_excels_line_that_names_the_separator_is_read(jobs):
    assert jobs("add", "--csv", file("a.csv", f"sep=;\r\nto;x\r\n{REEM};1\r\n"), *PART).code == 0


def test_a_csv_file_of_100_000_lines_is_read(jobs, clock):
    people = "".join(f"44770{number % 500:07d};{number % 500}\n" for number in range(5_000))
    lines = people + ";\n\n" * 47_500
    made = jobs("add", "--csv", file("a.csv", f"\ufeffto;n\n{lines}"), "--part", "{n}", "--gap", "0")
    assert len(made.json["recipients"]) == 500


def test_fields_of_contacts_are_filled_in_when_the_job_is_made(jobs, wa):
    people(wa)
    assert wa("contacts", "alias", "Reem Sample", "Sis").code == 0
    text = "{name}|{first}|{alias}|{phone}|{date}|{time}|{weekday}|{place}"
    made = jobs("add", "--to", "Sis", "--part", text, "--set", "place=Rome", "--at", "2026-12-24 10:00")
    assert wa("contacts", "edit", "Reem Sample", "--name", "Other").code == 0
    (part,) = jobs("show", made.json["id"]).json["parts"]
    assert part["message"] == "Reem Sample|Reem|Sis|447700900123|2026-12-24|10:00|Thursday|Rome"


def test_a_template_is_a_part(jobs, wa):
    people(wa)
    assert wa("template", "add", "party", "Dear {first}, come to {place}").code == 0
    made = jobs(
        "add", "--tag", "family", "--template", "party", "--delay", "5s", *PART, "--set", "place=Rome"
    )
    assert wa("template", "remove", "party").code == 0
    shown = jobs("show", made.json["id"]).json
    texts = [part["message"] for part in shown["parts"]]
    assert texts == ["Dear Adam, come to Rome", "Hello", "Dear Reem, come to Rome", "Hello"]
    assert made.json["message_parts"][0]["delayAfterSeconds"] == 5
    assert jobs("show", made.json["id"]).json["parts"][0]["contact_name"] == "Adam Sample"
    assert wa("jobs", "add", "--to", REEM, "--template", "party", "--json").error["code"] == "not-found"


def test_delays_and_files_belong_to_the_part_before_them(jobs, home, wa):
    picture = file("a.txt", "a file")
    made = jobs(
        "add", "--to", REEM, "--part", "one", "--delay", "5s", "--part", "two", "--part-file", picture,
        "--delay", "1m", "--part-file", picture, "--part", "last",
    )  # fmt: skip
    parts = made.json["message_parts"]
    assert [(part["text"], part["delayAfterSeconds"], part.get("fileName")) for part in parts] == [
        ("one", 5, None),
        ("two", 60, "a.txt"),
        ("", None, "a.txt"),
        ("last", None, None),
    ]
    shown = jobs("show", made.json["id"]).json
    assert [part["scheduled_at"][14:19] for part in shown["parts"]] == ["00:00", "00:05", "01:05", "01:05"]


def test_a_job_file_of_the_old_tool_is_read(jobs, clock):
    old = {
        "title": "Old",
        "recipients": [f"{REEM}@s.whatsapp.net", ADAM],
        "messageParts": [
            {"orderIndex": 1, "text": "two {curly}", "delayAfterSeconds": None},
            {"orderIndex": 0, "text": "one", "delayAfterSeconds": 3},
        ],
        "config": {"recipientGapSeconds": 45, "maxRetries": 1, "intervalMode": "manual"},
    }
    made = jobs("add", "--file", file("job.json", json.dumps(old)))
    assert made.json["title"] == "Old"
    assert made.json["config"]["recipientGapSeconds"] == 45
    assert made.json["config"]["maxRetries"] == 1
    texts = [(part["to_jid"], part["message"]) for part in jobs("show", made.json["id"]).json["parts"]]
    assert texts == [(jid, text) for jid in (REEM_JID, ADAM_JID) for text in ("one", "two {curly}")]


def test_a_job_file_of_the_old_tool_begins_at_its_time(jobs):
    old = {
        "status": "pending",
        "recipients": [REEM],
        "messageParts": [{"text": "one"}],
        "scheduledStartAt": "2026-11-24T10:00:00.000Z",
        "currentRecipientIndex": 0,
        "progress": {"recipientsSent": 0, "lastSentAt": None},
    }
    path = file("job.json", json.dumps(old))
    made = jobs("add", "--file", path, "--dry-run")
    assert made.json["parts"][0]["scheduled_at"] == "2026-11-24T10:00:00.000Z"
    made = jobs("add", "--file", path, "--at", "2026-11-25 10:00", "--dry-run")
    assert made.json["parts"][0]["scheduled_at"] == "2026-11-25T10:00:00.000Z"
    past = file("past.json", json.dumps({**old, "scheduledStartAt": "2026-11-01T10:00:00.000Z"}))
    assert jobs("add", "--file", past, "--at", "2026-11-25 10:00", "--dry-run").code == 0


# ── The plan ──────────────────────────────────────────────────────────────────────────────────────


def test_a_dry_run_says_who_gets_what_when_and_stores_nothing(jobs, wa, clock):
    args = ["add", "--to", REEM, "--to", ADAM, "--part", "one", "--delay", "1h", "--part", "two", "--dry-run"]
    planned = jobs(*args, WA_QUIET_HOURS="12:30-14:00")
    parts = planned.json["parts"]
    assert [(row["to_jid"], row["message"], row["scheduled_at"][11:19]) for row in parts] == [
        (REEM_JID, "one", "12:00:00"),
        (REEM_JID, "two", "14:00:00"),
        (ADAM_JID, "one", "14:00:30"),
        (ADAM_JID, "two", "15:00:30"),
    ]
    assert (planned.json["expected_end"], planned.json["pauses_at"]) == ("2026-11-20T15:00:30.000Z", None)
    shown = wa("jobs", *args, now=clock, WA_QUIET_HOURS="12:30-14:00")
    assert shown.out.splitlines()[1] == "+447700900123\t2\tplanned\t2026-11-20 14:00:00\ttwo"
    assert "2 recipients, 2 parts each; over on Fri 20 Nov 2026 15:00:30 Europe/London" in shown.err
    assert jobs("list").json == []
    limited = jobs(*args, WA_DAILY_LIMIT="2")
    assert limited.json["parts"][2]["scheduled_at"].startswith("2026-11-21T12:00")
    assert limited.json["pauses_at"] == "2026-11-20T19:00:30.000Z"
    assert "it pauses on" in wa("jobs", *args, now=clock, WA_DAILY_LIMIT="2").err


def test_the_plan_is_what_happens(jobs, wa, clock, store):
    from job_checks import run
    from job_checks import settings as made_settings

    args = ["--to", REEM, "--to", ADAM, "--part", "one", "--delay", "90s", "--part", "two", "--gap", "2h"]
    planned = jobs("add", *args, "--dry-run", WA_QUIET_HOURS="13:00-15:00", WA_SEND_SPACING="0").json["parts"]
    assert jobs("add", *args).code == 0
    start = clock.at
    sent = run(store, clock, made_settings(WA_QUIET_HOURS="13:00-15:00"))
    expected = [(row["to_jid"], row["message"]) for row in planned]
    assert [(jid, text) for _, jid, text in sent] == expected
    from wa.times import from_iso

    for (seconds, _, _), row in zip(sent, planned, strict=True):
        assert abs((from_iso(row["scheduled_at"]) - start).total_seconds() - seconds) <= 1


def test_show_has_every_part_the_counts_and_the_end(jobs, wa, clock):
    made = jobs("add", "--to", REEM, "--to", ADAM, "--part", "one", "--delay", "5s", "--part", "two")
    shown = jobs("show", made.json["id"].rpartition("_")[2]).json
    assert shown["counts"] == {"pending": 1, "waiting": 3}
    assert shown["expected_end"] == "2026-11-20T12:00:40.000Z"
    assert [part["status"] for part in shown["parts"]] == ["pending", "waiting", "waiting", "waiting"]
    page = jobs("show", made.json["id"], "--after", "1", "--limit", "1").json
    assert [part["recipient_index"] for part in page["parts"]] == [1, 1]
    assert page["parts"][0]["scheduled_at"] == "2026-11-20T12:00:35.000Z"
    text = wa("jobs", "show", made.json["id"], now=clock)
    assert len(text.out.splitlines()) == 4
    assert "over on Fri 20 Nov 2026 12:00:40 Europe/London" in text.err
    assert jobs("show", "nonsense").error["code"] == "not-found"
    assert jobs("show", made.json["id"], "--watch").code == 2


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────


def test_ten_runs_with_one_key_make_one_job(wa, home):
    args = ["jobs", "add", "--to", REEM, "--to", ADAM, *PART, "--gap", "0", "--key", "party", "--json"]
    ids = {wa(*args).json["id"] for _ in range(5)}
    assert wa("run-scheduler", "--once").code == 0
    ids |= {wa(*args).json["id"] for _ in range(5)}
    assert len(ids) == 1
    assert delivered(home) == ["Hello", "Hello"]
    for other in (["--to", REEM, *PART], ["--to", REEM, "--to", ADAM, "--part", "Other"]):
        refused = wa("jobs", "add", *other, "--key", "party", "--json")
        assert (refused.code, refused.error["code"]) == (2, "usage")


def test_the_key_of_a_cancelled_job_makes_no_other(jobs, wa):
    args = ["--to", REEM, *PART, "--key", "k"]
    job_id = jobs("add", *args).json["id"]
    assert jobs("cancel", job_id).json["status"] == "cancelled"
    refused = wa("jobs", "add", *args, "--json")
    assert (refused.code, refused.error["code"]) == (2, "wrong-state")


def test_two_commands_at_once_with_one_key_make_one_job(spawn, wa):
    args = ["jobs", "add", "--to", REEM, "--to", ADAM, *PART, "--key", "k", "--json"]
    results = [process.finish() for process in [spawn(*args) for _ in range(4)]]
    assert [result.code for result in results] == [0] * 4, [result.err for result in results]
    assert len({result.json["id"] for result in results}) == 1
    assert len(wa("jobs", "list", "--json").json) == 1


# ── Tags ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_tag_is_everybody_who_has_it(jobs, wa):
    people(wa)
    made = jobs("add", "--tag", "Family", "--part", "Hi {first}")
    assert sorted(made.json["recipients"]) == [REEM_JID, ADAM_JID]
    assert wa("contacts", "add", "No Number", "--tag", "family").code == 0
    refused = wa("jobs", "add", "--tag", "family", *PART, "--json")
    assert refused.error["code"] == "recipient-not-found"
    assert "No Number" in refused.error["message"]
    assert wa("jobs", "add", "--tag", "nobody", *PART, "--json").error["code"] == "not-found"


def test_send_with_a_tag_is_a_job(wa, home, clock):
    people(wa)
    refused = wa("send", "--tag", "family", "Hi {first}", "--json")
    assert (refused.code, refused.error["code"]) == (2, "usage")
    assert "2 people" in refused.error["message"]
    made = wa("send", "--tag", "family", "Hi {first}", "--yes", "--json", now=clock)
    assert made.code == 0, made.err
    assert sorted(made.json["recipients"]) == [REEM_JID, ADAM_JID]
    assert wa("send", "--tag", "family", "--yes", stdin="from stdin\n").code == 0
    assert wa("send", "Reem", "Hello", "--tag", "family", "--yes").code == 2
    assert wa("contacts", "tag", "Reem", "alone").code == 0
    assert "this goes to 1 person\n" in wa("send", "--tag", "alone", "Hi").err
    assert wa("send").code == 2


# ── What is refused ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("name,phone\nReem,447700900123\n", 1, "no column `to`"),
        ("to,name,To\n447700900123,a,b\n", 1, "to twice"),
        ("\nto,name,NAME\n447700900123,a,b\n", 2, "name twice"),
        ("to,n\n447700900123,1\n447700900123,2\n", 3, "twice with different fields"),
        ("to,n\n447700900123,1,2\n", 2, "3 cells"),
        ("to,n\n\n,1\n", 3, "`to` is empty"),
        ('to,n\n447700900123,"1\n', 2, "not CSV"),
        ("", 1, "empty"),
    ],
)
def test_a_bad_csv_file_is_refused_with_its_line(jobs, text, line, says):
    refused = jobs("add", "--csv", file("a.csv", text), "--part", "Hi {n}" if ",n" in text else "Hi")
    assert (refused.code, refused.error["code"]) == (8, "bad-data")
    assert f"a.csv, line {line}: " in refused.error["message"]
    assert says in refused.error["message"]


def test_a_csv_file_that_is_not_utf_8_is_refused_with_its_line(jobs):
    refused = jobs("add", "--csv", file("a.csv", f"to,n\n{REEM},1\n{ADAM},Zoë\n", "latin-1"), *PART)
    assert refused.code == 8
    assert "a.csv, line 3" in refused.error["message"]


def test_each_recipient_that_is_not_found_and_each_empty_field_is_named(jobs):
    text = f"to,n\nnobody,1\n{REEM},\n{ADAM},x\nnoone,2\n"
    refused = jobs("add", "--csv", file("a.csv", text), "--part", "{n}")
    assert refused.code == 8
    for part in ("line 2: nobody is called 'nobody'", "line 3: ", "{n}", "line 5: "):
        assert part in refused.error["message"]
    alone = jobs("add", "--to", "nobody", "--to", REEM, "--to", "noone", *PART)
    assert (alone.code, alone.error["code"]) == (4, "recipient-not-found")
    assert "'nobody'" in alone.error["message"] and "'noone'" in alone.error["message"]  # noqa: PT018


GOOD = {"recipients": [REEM], "messageParts": [{"orderIndex": 0, "text": "Hi"}]}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{\n"recipients": [\n"447700900123",\nnull],\n"messageParts": [{"text": "Hi"}]}', 4),
        ('{\n"recipients": [],\n"messageParts": [{"text": "Hi"}]}', 2),
        ('{\n"messageParts": [{"text": "Hi"}]}', 1),
        ('{"recipients": ["447700900123"],\n"messageParts": [\n{"text": "Hi"},\n{}]}', 4),
        ('{"recipients": ["447700900123"],\n"messageParts": [\n{"text": "Hi"},\n{"text": " "}]}', 4),
        (
            '{"recipients": ["447700900123"], "messageParts": [\n{"orderIndex": 0, "text": "a"},\n'
            '{"orderIndex": 2, "text": "b"}]}',
            3,
        ),
        (
            '{"recipients": ["447700900123"], "messageParts": [\n{"orderIndex": 0, "text": "a"},\n'
            '{"orderIndex": 0, "text": "b"}]}',
            3,
        ),
        ('{"recipients": ["447700900123"], "messageParts": [{"text": "a",\n"delayAfterSeconds": -1}]}', 2),
        (
            '{"recipients": ["447700900123"], "messageParts": [{"text": "a"}],\n'
            '"config": {\n"maxRetries": "x"}}',
            3,
        ),
        ('{"recipients": ["447700900123"],\n"messageParts": 5}', 2),
        ('{"recipients": ["447700900123"],\n"messageParts": [{"text": "a"},\n}', 3),
        ("[1]", 1),
        (
            '{"recipients": ["447700900123"], "messageParts": [{"text": "a"}],\n'
            '"scheduledStartAt": "2026-11-19T10:00:00Z"}',
            2,
        ),
        ('{"recipients": ["447700900123"], "messageParts": [{"text": "a"}],\n"scheduledStartAt": {}}', 2),
        ('{"recipients": ["447700900123"], "messageParts": [{"text": "a"}],\n"recipientsSent": 1}', 2),
        ('{"recipients": ["447700900123"], "messageParts": [{"text": "a"}],\n"status": "completed"}', 2),
        (
            '{"recipients": ["447700900123"], "messageParts": [{"text": "a"}],\n'
            '"progress": {"currentRecipientIndex": 0,\n"currentPartIndex": 1}}',
            3,
        ),
    ],
)
def test_a_job_file_with_holes_is_refused_with_its_line(jobs, text, line):
    refused = jobs("add", "--file", file("job.json", text))
    assert (refused.code, refused.error["code"]) == (8, "bad-data")
    assert f"job.json, line {line}: " in refused.error["message"]


def test_the_line_of_a_value_is_found():
    text = '{\n"a": [1,\n {"b{": "x,]",\n"c": {}}, "y"],\n "d":\n {"e":\n null}}'
    found = [
        line_of(text, place) for place in [("a", 0), ("a", 1), ("a", 1, "c"), ("a", 2), ("d", "e"), ("z",)]
    ]
    assert found == [2, 3, 4, 4, 7, 1]


@pytest.mark.parametrize(
    "args",
    [
        ["--to", REEM],
        PART,
        ["--to", REEM, "--tag", "x", *PART],
        ["--to", REEM, "--delay", "5s", *PART],
        ["--to", REEM, *PART, "--delay", "5s", "--delay", "6s"],
        ["--to", REEM, "--part", "  "],
        ["--to", REEM, "--part", "Hi {"],
        ["--to", REEM, "--part", "Hi {first.upper}"],
        ["--to", REEM, "--part", "Hi {nothing}"],
        ["--to", REEM, "--part", "Hi {name}"],
        ["--to", REEM, *PART, "--set", "novalue"],
        ["--to", REEM, *PART, "--gap", "soon"],
        ["--to", REEM, *PART, "--at", "2020-01-01 10:00"],
        ["--to", REEM, *PART, "--max-retries", "-1"],
        ["--to", REEM, *PART, "--key", ""],
        ["--to", "status@broadcast", *PART],
    ],
)
def test_wrong_usage_is_refused_before_anything_is_stored(jobs, args):
    refused = jobs("add", *args)
    assert (refused.code, refused.error["code"]) == (2, "usage")


def test_a_missing_file_is_not_found(jobs):
    assert jobs("add", "--csv", "nowhere.csv", *PART).error["code"] == "not-found"
    assert jobs("add", "--file", "nowhere.json").error["code"] == "not-found"


def test_a_text_that_is_too_long_once_it_is_filled_in_is_refused(jobs):
    refused = jobs("add", "--to", REEM, "--part", "{x}{x}", "--set", f"x={'y' * 40_000}")
    assert refused.error["code"] == "message-too-long"
