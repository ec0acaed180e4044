"""`wa migrate-s3` from a bucket on a real S3 server: right and wrong settings, no secret in any output."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import legacy_data
import pytest
from conftest import REEM, FakeClock, Result

from wa.store.condition import check
from wa.store.database import Store
from wa.store.paths import Home

if TYPE_CHECKING:
    from s3_server import Bucket

pytest_plugins = ["s3_server"]

Record = dict[str, Any]
Run = Callable[..., Result]

CLOCK = FakeClock("2026-11-20T12:00:00")
SECRET = "K005nOtArEaLsEcReTbUtAsLoNgAsOnE"
SETTINGS = {
    "B2_BUCKET": "wa-nowhere",
    "B2_S3_ENDPOINT": "http://127.0.0.1:9",
    "B2_ACCESS_KEY_ID": "0050123456789ab0000000001",
    "B2_SECRET_ACCESS_KEY": SECRET,
}
REQUIRED = tuple(SETTINGS)


@pytest.fixture
def migrate(wa: Run) -> Callable[..., dict[str, Record]]:
    """Migrate from a bucket; return the report of each file."""

    def run(*options: str, code: int = 0, **env: str) -> dict[str, Record]:
        result = wa("migrate-s3", "--json", *options, now=CLOCK, **env)
        assert result.code == code, (result.out[-2000:], result.err[-2000:])
        return legacy_data.report(result.json)

    return run


def reem(name: str = "Reem") -> bytes:
    """Return a contacts.json of one person."""
    return json.dumps({REEM: {"name": name, "numbers": [REEM], "aliases": []}}).encode()


def names(store: Store) -> list[str]:
    """Return the names of all contacts."""
    return [row["name"] for row in store.rows("SELECT name FROM contacts ORDER BY name")]


def sums(found: dict[str, Record]) -> dict[str, tuple[int, int, int]]:
    """Return {file: (written, already there, skipped)}."""
    return {name: (row["written"], row["already_there"], row["skipped"]) for name, row in found.items()}


# ── Successful migrations ─────────────────────────────────────────────────────────────────────────


def test_all_four_files_of_a_family_are_migrated(
    bucket: Bucket, migrate: Callable[..., Any], wa: Run, home: Home, store: Store, tmp_path: Path
) -> None:
    """272 contacts, 50 scheduled messages, 20 jobs, 20,000 messages: the printed counts are the store's."""
    legacy_data.write_all(tmp_path / "old")
    for file in legacy_data.FILES:
        bucket.put(f"whatsapp/{file}", tmp_path / "old" / file)
    found = migrate(**bucket.settings())
    assert sums(found) == {
        "contacts.json": (272, 0, 0),
        "scheduled-messages.json": (50, 0, 0),
        "jobs.json": (20, 0, 0),
        "chats.json": (20_000, 0, 0),
    }
    for name, table in [
        ("contacts.json", "contacts"),
        ("scheduled-messages.json", "scheduled_messages WHERE job_id IS NULL"),
        ("jobs.json", "jobs"),
        ("chats.json", "messages"),
    ]:
        assert store.value(f"SELECT count(*) FROM {table}") == found[name]["written"]
    assert store.value("SELECT count(*) FROM chats") == 100
    _check_against_the_originals(store)
    assert wa("status", "--json", now=CLOCK).json["sending"] == "paused"
    assert check(store) == []

    before = legacy_data.tables(home.store)
    assert sums(migrate(**bucket.settings())) == {
        "contacts.json": (0, 272, 0),
        "scheduled-messages.json": (0, 50, 0),
        "jobs.json": (0, 20, 0),
        "chats.json": (0, 20_000, 0),
    }
    assert legacy_data.tables(home.store) == before
    assert sorted(bucket.keys()) == sorted(f"whatsapp/{file}" for file in legacy_data.FILES)


def _check_against_the_originals(store: Store) -> None:
    people = legacy_data.contacts()
    assert {row["phone"]: row["name"] for row in store.rows("SELECT phone, name FROM contacts")} == {
        phone: person["name"] for phone, person in people.items()
    }
    becomes = {"deleted": "cancelled", "processing": "unknown"}
    for row in legacy_data.scheduled():
        due = next(row[name] for name in ("scheduledTime", "scheduledAt", "scheduled_at") if name in row)
        status = becomes.get(row["status"], row["status"])
        if status == "pending" and due < "2026-11-20":
            status = "missed"
        kept = store.row(
            "SELECT message, scheduled_at, status FROM scheduled_messages WHERE id = ?", [row["id"]]
        )
        assert kept == {"message": row["message"], "scheduled_at": due, "status": status}
    sizes = dict(store.execute("SELECT chat_jid, count(*) FROM messages GROUP BY chat_jid").fetchall())
    shares = legacy_data.shares(legacy_data.CHATS, legacy_data.MESSAGES)
    assert sizes == {legacy_data.Chat(number).jid: count for number, count in enumerate(shares)}
    chat = legacy_data.Chat(3)
    said = [row.get("message", row.get("text")) for row in chat.messages(shares[3])]
    kinds = [row["messageType"] for row in legacy_data.Chat(3).messages(shares[3])]
    rows = store.rows("SELECT content FROM messages WHERE chat_jid = ? ORDER BY timestamp, id", [chat.jid])
    assert len(rows) == len(said)
    assert all(
        row["content"] == text for row, text, kind in zip(rows, said, kinds, strict=True) if kind == "text"
    )


@pytest.mark.parametrize("file", legacy_data.FILES)
def test_one_file_is_enough(bucket: Bucket, migrate: Callable[..., Any], tmp_path: Path, file: str) -> None:
    legacy_data.write_all(tmp_path / "old", 2, 20)
    bucket.put(f"whatsapp/{file}", tmp_path / "old" / file)
    assert list(migrate(**bucket.settings())) == [file]


@pytest.mark.parametrize(
    ("prefix", "key"),
    [
        (None, "whatsapp/contacts.json"),
        ("", "whatsapp/contacts.json"),
        ("family/whatsapp/", "family/whatsapp/contacts.json"),
        ("old-", "old-contacts.json"),
        ("žluť ü/", "žluť ü/contacts.json"),
    ],
)
def test_only_files_under_the_prefix_are_migrated(
    bucket: Bucket, migrate: Callable[..., Any], store: Store, prefix: str | None, key: str
) -> None:
    bucket.put(key, reem())
    bucket.put("contacts.json", reem("Somebody else"))
    bucket.put("other/contacts.json", reem("Somebody else"))
    migrate(**bucket.settings(**({} if prefix is None else {"B2_PREFIX": prefix})))
    assert names(store) == ["Reem"]


def test_the_old_tool_s_settings_are_read_from_a_file(
    bucket: Bucket, wa: Run, home: Home, store: Store
) -> None:
    """The old tool's file contains names that we do not know."""
    bucket.put("whatsapp/contacts.json", reem())
    lines = [f"{name}={value}" for name, value in bucket.settings(STORAGE_MODE="b2").items()]
    (home.path / ".env").write_text("\n".join(lines))
    assert wa("migrate-s3", now=CLOCK).code == 0
    assert names(store) == ["Reem"]


def test_the_region_of_the_bucket_may_be_set(
    bucket: Bucket, migrate: Callable[..., Any], store: Store
) -> None:
    bucket.put("whatsapp/contacts.json", reem())
    migrate(**bucket.settings(B2_REGION="eu-central-003"))
    assert names(store) == ["Reem"]


def test_a_dry_run_writes_nothing(
    bucket: Bucket, migrate: Callable[..., Any], home: Home, store: Store
) -> None:
    bucket.put("whatsapp/contacts.json", reem())
    before = legacy_data.tables(home.store)
    assert sums(migrate("--dry-run", **bucket.settings())) == {"contacts.json": (1, 0, 0)}
    assert legacy_data.tables(home.store) == before
    assert sums(migrate(**bucket.settings())) == {"contacts.json": (1, 0, 0)}


def test_records_before_the_end_of_a_cut_file_are_migrated(
    bucket: Bucket, migrate: Callable[..., Any], store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "chats.json"
    legacy_data.write_chats(path, 5, 2_000)
    bucket.put("whatsapp/chats.json", path.read_bytes()[: path.stat().st_size // 2])
    found = migrate(code=8, **bucket.settings())["chats.json"]
    assert found["skipped"] == 1
    assert store.value("SELECT count(*) FROM messages") == found["written"] > 500
    bucket.put("whatsapp/chats.json", path)
    found = migrate(**bucket.settings())["chats.json"]
    assert (found["read"], found["skipped"]) == (2_000, 0)
    assert store.value("SELECT count(*) FROM messages") == 2_000


def test_a_connection_that_drops_midway_fails_the_run_and_the_next_completes_it(
    bucket: Bucket,
    migrate: Callable[..., Any],
    wa: Run,
    store: Store,
    tmp_path: Path,
    dropping_line: Callable[[int], str],
) -> None:
    path = tmp_path / "chats.json"
    legacy_data.write_chats(path, 5, 3_000)
    bucket.put("whatsapp/chats.json", path)
    result = wa("--json", "migrate-s3", **bucket.settings(B2_S3_ENDPOINT=dropping_line(400_000)))
    assert (result.code, result.out) == (7, "")
    assert result.error["code"] in ("network-error", "storage-error")
    assert store.value("SELECT count(*) FROM messages") < 3_000
    found = migrate(**bucket.settings())["chats.json"]
    assert (found["read"], found["skipped"]) == (3_000, 0)
    assert store.value("SELECT count(*) FROM messages") == 3_000


# ── Refused migrations ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def refused(wa: Run, shell: Run, home: Home, store: Store) -> Callable[..., str]:
    """Run a migration that must be refused with a code, in each form; return its output, free of secrets."""
    assert wa("contacts", "add", "Adam", "447700900456").code == 0

    def run(code: str, exit_code: int, secret: str = SECRET, **env: str) -> str:
        before = legacy_data.tables(home.store)
        as_text, as_json = (wa(*options, "migrate-s3", now=CLOCK, **env) for options in ([], ["--json"]))
        verbose = shell("-vv", "migrate-s3", **env)
        assert legacy_data.tables(home.store) == before
        for result in (as_text, as_json, verbose):
            assert (result.code, result.out) == (exit_code, ""), result
            assert secret not in result.err
        assert [line.split(": ")[0] for line in as_text.err.splitlines()] == ["error", "hint"]
        assert as_json.error["code"] == code
        assert as_json.error["hint"]
        return f"{as_json.error['message']}\n{as_json.error['hint']}"

    return run


def test_without_settings_the_migration_is_refused(refused: Callable[..., str]) -> None:
    told = refused("bad-setting", 2)
    assert "B2_BUCKET" in told
    assert "--from" in told


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("missing", REQUIRED)
def test_a_missing_setting_is_named(refused: Callable[..., str], missing: str, empty: bool) -> None:
    env = {name: value for name, value in SETTINGS.items() if name != missing}
    message = refused("bad-setting", 2, **env, **({missing: ""} if empty else {})).splitlines()[0]
    assert [name for name in REQUIRED if name in message] == [missing]


@pytest.mark.parametrize("given", REQUIRED)
def test_with_a_single_setting_a_missing_one_is_named(refused: Callable[..., str], given: str) -> None:
    told = refused("bad-setting", 2, **{given: SETTINGS[given]})
    assert any(name in told for name in REQUIRED if name != given)


@pytest.mark.parametrize(
    "endpoint", ["not a url", "ftp://127.0.0.1", "http://", "127.0.0.1:x", "http://[::1"]
)
def test_an_endpoint_that_is_no_address_is_refused(wa: Run, home: Home, store: Store, endpoint: str) -> None:
    before = legacy_data.tables(home.store)
    result = wa("--json", "migrate-s3", **{**SETTINGS, "B2_S3_ENDPOINT": endpoint})
    assert (result.code, result.out) in [(2, ""), (7, "")]
    assert result.error["code"] in ("bad-setting", "network-error", "storage-error")
    assert SECRET not in result.err
    assert legacy_data.tables(home.store) == before


def test_an_endpoint_that_does_not_answer_is_refused(
    wa: Run, shell: Run, home: Home, store: Store, closed_port: int
) -> None:
    before = legacy_data.tables(home.store)
    env = {**SETTINGS, "B2_S3_ENDPOINT": f"http://127.0.0.1:{closed_port}"}
    as_text, as_json = wa("migrate-s3", **env), wa("--json", "migrate-s3", **env)
    for result in (as_text, as_json, shell("-vv", "migrate-s3", **env)):
        assert (result.code, result.out) == (7, "")
        assert SECRET not in result.err
    assert [line.split(": ")[0] for line in as_text.err.splitlines()] == ["error", "hint"]
    assert as_json.error["code"] in ("network-error", "storage-error")
    assert env["B2_S3_ENDPOINT"] in as_json.error["message"]
    assert legacy_data.tables(home.store) == before


def test_a_missing_bucket_is_storage_error(bucket: Bucket, refused: Callable[..., str]) -> None:
    env = bucket.settings(B2_BUCKET="wa-nowhere")
    told = refused("storage-error", 7, bucket.server.secret, **env)
    assert "wa-nowhere" in told


def test_a_bucket_with_none_of_the_files_is_refused(bucket: Bucket, refused: Callable[..., str]) -> None:
    bucket.put("contacts.json", reem())
    bucket.put("whatsapp/notes.txt", b"nothing")
    assert "B2_PREFIX" in refused("not-found", 4, bucket.server.secret, **bucket.settings())


def test_a_file_that_is_not_json_is_refused(bucket: Bucket, refused: Callable[..., str]) -> None:
    bucket.put("whatsapp/chats.json", b"<html>404</html>")
    told = refused("bad-data", 8, bucket.server.secret, **bucket.settings())
    assert "chats.json" in told


@pytest.mark.parametrize("wrong", ["key", "secret", "rights"])
def test_wrong_credentials_are_refused_and_right_ones_work_afterwards(
    bucket: Bucket, refused: Callable[..., str], migrate: Callable[..., Any], store: Store, wrong: str
) -> None:
    bucket.put("whatsapp/contacts.json", reem())
    changes, secret = {
        "key": ({"B2_ACCESS_KEY_ID": "NOBODYSKEY"}, bucket.server.secret),
        "secret": ({"B2_SECRET_ACCESS_KEY": SECRET}, SECRET),
        "rights": (
            {
                "B2_ACCESS_KEY_ID": bucket.server.powerless_key,
                "B2_SECRET_ACCESS_KEY": bucket.server.powerless_secret,
            },
            bucket.server.powerless_secret,
        ),
    }[wrong]
    refused("storage-error", 7, secret, **bucket.settings(**changes))
    assert names(store) == ["Adam"]
    assert sums(migrate(**bucket.settings())) == {"contacts.json": (1, 0, 0)}
    assert names(store) == ["Adam", "Reem"]


def test_the_keys_of_the_machine_are_not_used(
    bucket: Bucket, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS_… variables belong to other programs."""
    bucket.put("whatsapp/contacts.json", reem())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.server.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.server.secret)
    env = bucket.settings()
    del env["B2_SECRET_ACCESS_KEY"]
    assert "B2_SECRET_ACCESS_KEY" in refused("bad-setting", 2, bucket.server.secret, **env)


def test_a_successful_run_prints_no_secret(bucket: Bucket, shell: Run) -> None:
    bucket.put("whatsapp/contacts.json", reem())
    result = shell("-vv", "migrate-s3", **bucket.settings())
    assert result.code == 0, result.err
    assert bucket.server.secret not in result.out + result.err
