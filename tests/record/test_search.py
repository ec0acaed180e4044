"""Search: it finds any part of any word, in any script, and every plan gives the same answer."""

from __future__ import annotations

import sqlite3
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import pytest
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, FakeClock
from examples import examples
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st

from wa.connection import apply
from wa.errors import WaError
from wa.record import merge_chats, search
from wa.record.search import Filter, snippet
from wa.store.condition import check
from wa.store.fold import fold
from wa.store.open import open_store
from wa.values import replace
from wa.whatsapp.events import Deleted, Edited, JidMapped, MessageReceived

NOW = FakeClock()()
AT = 1_795_000_000
LID = "100000000000123@lid"
OTHER_LID = "100000000000999@lid"
GROUP = "1203630000000000001@g.us"

ZWJ_FAMILY = "👨\u200d👩\u200d👧"


@pytest.fixture
def put(store):
    """Record events."""

    def record(*events):
        with store.write():
            for event in events:
                apply.apply_event(store, event, NOW)

    return record


@pytest.fixture
def say(put):
    """Record texts, each a second after the one before it; their ids are 0, 1, 2 …"""
    count = iter(range(10**9))

    def record(*texts, **fields):
        events = []
        for text in texts:
            number = next(count)
            event = MessageReceived(REEM_JID, str(number), REEM_JID, AT + number, text)
            events.append(replace(event, **fields))
        put(*events)

    return record


def found(store, query, limit=50, **narrowed):
    """Return the texts that a search finds."""
    return [row["content"] for row in search.search(store, query, Filter(**narrowed), limit)]


@pytest.fixture(params=["index", "reading", "both"])
def way(request, monkeypatch):
    """Each way in which a search finds messages; with `both`, it reads one message first."""
    if request.param != "index":
        monkeypatch.setattr(search, "FEW", 1)
        monkeypatch.setattr(search, "FIRST", 0)
    if request.param == "reading":
        monkeypatch.setattr(search, "MOST_HITS", -1)
    return request.param


# ── What is found ─────────────────────────────────────────────────────────────────────────────────

FINDS = [
    # any part of a word
    ("Happy Birthday", "birth"),
    ("Happy Birthday", "irthda"),
    ("Happy Birthday", "BIRTHDAY"),
    ("Happy Birthday", "y"),
    ("Happy Birthday", "ay"),
    ("Happy Birthday", "ha"),
    ("ab", "ab"),
    ("ab", "b"),
    ("a", "a"),
    # several words: all of them, anywhere, in any order
    ("Happy Birthday, dear Reem", "reem birth"),
    ("Happy Birthday, dear Reem", "ha ir e"),
    ("Happy Birthday", "birth birth"),
    ("one\ntwo\tthree", "three one"),
    # case and accents
    ("Zoë", "zoe"),
    ("Zoe", "Zoë"),
    ("café", "cafe"),
    ("cafe\u0301", "café"),
    ("café", "cafe\u0301"),
    ("straße", "strasse"),
    ("STRASSE", "straße"),
    ("straße", "STRASSE"),
    ("GROẞ", "groß"),
    ("ß", "ss"),
    ("ß", "s"),
    ("ss", "ß"),
    ("SS", "ß"),
    ("İstanbul", "istanbul"),
    ("İSTANBUL", "İstanbul"),
    ("istanbul", "İSTANBUL"),
    ("ΟΔΟΣ", "οδος"),
    ("οδός", "ΟΔΟΣ"),
    ("ﬁnd", "find"),
    ("find", "ﬁ"),
    ("ＡＢＣ", "abc"),
    ("x² + y²", "x2"),
    ("Ångström", "angstrom"),
    ("Đặng Văn", "đang van"),
    ("Пётр", "петр"),
    # Arabic, with and without vowel points
    ("مُحَمَّد", "محمد"),
    ("محمد", "مُحَمَّد"),
    ("السلام عليكم", "سلام"),
    ("أحمد", "احمد"),
    ("ﷺ", "الله"),
    ("صلى الله عليه وسلم", "ﷺ"),
    # Hebrew
    ("שָׁלוֹם", "שלום"),
    # Chinese: one, two, three and four characters
    ("今天天气很好", "天"),
    ("今天天气很好", "天气"),
    ("今天天气很好", "天气很"),
    ("今天天气很好", "今天天气"),
    ("好", "好"),
    ("今天天气很好", "好"),
    # Japanese, Korean, Hindi, Thai
    ("誕生日おめでとう", "おめで"),
    ("ハッピーバースデー", "バース"),
    ("ﾊﾝｶｸ", "ハンカク"),
    ("생일 축하해", "축하"),
    ("생일 축하해", "하"),
    ("जन्मदिन मुबारक", "दिन"),
    ("हिन्दी", "न्दी"),
    ("สุขสันต์วันเกิด", "วันเกิด"),
    # emoji
    ("well done 🎉", "🎉"),
    (f"us {ZWJ_FAMILY} all", ZWJ_FAMILY),
    (f"us {ZWJ_FAMILY} all", "👩"),
    ("👍🏽", "👍"),
    ("🇬🇧", "🇬🇧"),
    ("❤️", "❤"),
    # characters with a meaning in FTS5, GLOB or LIKE stand for themselves
    ("100% sure", "%"),
    ("100% sure", "100%"),
    ("snake_case", "_"),
    ("snake_case", "e_c"),
    ('she said "no"', '"'),
    ('she said "no"', '"no"'),
    ('""', '""'),
    ("2 * 3", "*"),
    ("birth*", "birth*"),
    ("NEAR the sea", "NEAR"),
    ("this AND that", "AND"),
    ("this OR that", "OR"),
    ("NOT now", "NOT"),
    ("NEAR(a b)", "NEAR(a"),
    ("a-b", "-"),
    ("a-b", "a-b"),
    ("-x", "-x"),
    ("f(x)", "("),
    ("f(x)", "(x)"),
    ("it's", "'"),
    ("it's", "it's"),
    ("C:\\new", "\\"),
    ("C:\\new", "\\new"),
    ("a^b", "^"),
    ("a:b", "a:b"),
    ("content:x", "content:x"),
    ("folded : x", "folded :"),
    ("{x}", "{x}"),
    ("a+b", "+"),
    ("?", "?"),
    ("; DROP TABLE messages", "; drop"),
    ("before\x00behind", "behind"),
    ("before\x00behind", "before"),
    ("a\x01b", "b"),
    ("two\nlines", "lines"),
    ("two\u2028lines", "lines"),
    ("\u202eevil", "evil"),
]


@pytest.mark.parametrize(("text", "query"), FINDS)
def test_a_search_finds_the_message(store, say, way, text, query):
    say("something else", text, "yet another one")
    assert text in found(store, query)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Happy Birthday", "birthdays"),
        ("Happy Birthday", "happy easter"),
        ("Happy Birthday", "yppah"),
        ("100 sure", "%"),
        ("snakecase", "_"),
        ("abc", "a_c"),
        ("abc", "a%"),
        ("birthday", "birth*"),
        ("天气", "气天"),
        ("天", "天气"),
        ("か", "が"),
        ("abcde", "ace"),
        ("bcd abc", "abcd"),
        ("aaa", "aaaa"),
        ("a", "ab"),
        ("s", "ß"),
    ],
)
def test_a_search_does_not_find_the_message(store, say, way, text, query):
    say(text)
    assert found(store, query) == []


def test_a_short_word_that_no_message_has_finds_nothing(store, say, way):
    say("Happy Birthday")
    for query in ("z", "zz", "zzz", "天气", '""', "🎉"):
        assert found(store, query) == []


def test_an_empty_store_finds_nothing(store, way):
    for query in ("a", "ab", "abc"):
        assert found(store, query) == []


@pytest.mark.parametrize("query", ["", " ", "\n\t", "\u0301", "\u064b"])
def test_an_empty_search_is_refused(store, say, query):
    say("Happy Birthday")
    with pytest.raises(WaError) as error:
        found(store, query)
    assert error.value.code == "usage"


def test_long_messages_are_found_from_end_to_end(store, say, way):
    middle = "x" * 5_000
    text = "beginning " + middle + " needle " + middle + " end"
    say(text, "needles are short")
    for query in ("beginning", "needle", "end", "nn", "nd", "eedl begin"):
        assert text in found(store, query)
    assert found(store, "beginning needles") == []


def test_a_letter_that_begins_very_many_trigrams_is_found(store, say):
    texts = [f"e{chr(0x4E00 + number)}{chr(0x5E00 + number)}" for number in range(2_000)]
    say(*texts)
    assert len(found(store, "e", limit=5_000)) == 2_000
    assert found(store, chr(0x4E00 + 7)) == [texts[7]]


def test_a_long_query_finds_its_message(store, say, way):
    text = " ".join(f"word{number}" for number in range(300))
    say(text, "word1")
    assert found(store, text) == [text]
    assert found(store, "word" * 1_000) == []


# ── What the answer looks like ────────────────────────────────────────────────────────────────────


def test_newest_first_by_the_time_of_the_message(store, say, way):
    say("hit 0", "hit 1", "hit 2")
    say("hit long ago", timestamp=AT - 1_000)
    say("hit the newest", timestamp=AT + 1_000)
    assert found(store, "hit") == ["hit the newest", "hit 2", "hit 1", "hit 0", "hit long ago"]
    assert found(store, "hit", limit=2) == ["hit the newest", "hit 2"]


def test_of_two_messages_in_the_same_second_the_one_stored_later_comes_first(store, say, way):
    say("hit 0", "hit 1", timestamp=AT)
    assert found(store, "hit") == ["hit 1", "hit 0"]


def test_old_hits_are_found_behind_many_newer_messages(store, say, way):
    say("hit 0", "hit 1", *["other"] * 10, "hit 2")
    assert found(store, "hit") == ["hit 2", "hit 1", "hit 0"]
    assert found(store, "hit", limit=1) == ["hit 2"]


def test_a_deleted_message_is_not_found_and_leaves_the_index(store, say, put, way):
    say("a secret", "a secret too")
    put(Deleted(REEM_JID, "0", AT))
    assert found(store, "secret") == ["a secret too"]
    assert store.value("SELECT count(*) FROM messages_fts WHERE messages_fts MATCH '\"sec\"'") == 1
    assert check(store) == []


def test_an_edited_message_is_found_by_its_new_text_only(store, say, put, way):
    say("ﬁrst ß İ text")
    put(Edited(REEM_JID, "0", "second ﷺ", AT + 9), Edited(REEM_JID, "0", "third straße", AT + 10))
    assert found(store, "first") == []
    assert found(store, "second") == []
    assert found(store, "strasse") == ["third straße"]
    assert store.value("SELECT count(*) FROM messages_fts WHERE messages_fts MATCH '\"sec\"'") == 0
    assert check(store) == []


def test_after_chats_were_joined_a_message_is_found_once(store, say, put, way):
    say("double", chat_jid=LID, sender=LID, message_id="D")
    say("double", message_id="D")
    say("single", chat_jid=LID, sender=LID)
    put(JidMapped(LID, REEM_JID))
    merge_chats.join_split_chats(store, NOW)
    assert found(store, "double") == ["double"]
    assert found(store, "single", chat=REEM_JID) == ["single"]
    assert store.value("SELECT count(*) FROM messages_fts WHERE messages_fts MATCH '\"dou\"'") == 1
    assert check(store) == []


# ── Snippets ──────────────────────────────────────────────────────────────────────────────────────


@for_each("at", [0, 1, 30, 69, 70, 71, 500, 5_000, 9_990])
@for_each("filler", ["x", "ß", "İ", "ﬁ", "ﷺ", "é", "e\u0301", "天", "👍", "가", " y"])
@for_each("needle", ["needle", "nadel straße", "ﷺ", "天气"])
def test_a_snippet_shows_the_hit(filler, at, needle):
    word = fold(needle.split()[0])
    text = filler * at + needle + filler * 300
    shown = snippet(text, [word])
    assert word in fold(shown)
    assert len(shown) <= 72


def test_a_snippet_is_on_one_line_and_says_where_it_was_cut():
    text = "a\n" * 100 + "needle" + "\nb" * 100
    shown = snippet(text, ["needle"])
    assert "\n" not in shown
    assert shown[0] == shown[-1] == "…"
    assert snippet("a short\ntext", ["text"]) == "a short text"


def test_a_snippet_at_either_end_fills_the_line():
    assert snippet("needle" + "x" * 300, ["needle"]) == "needle" + "x" * 64 + "…"
    assert snippet("x" * 300 + "needle", ["needle"]) == "…" + "x" * 64 + "needle"


@pytest.mark.parametrize("case", FINDS, ids=lambda case: repr(case))
def test_every_hit_has_a_snippet_with_a_word_of_the_query(store, say, case):
    text, query = case
    say("lorem ipsum " * 100 + text + " dolor sit" * 100)
    (row,) = search.search(store, query, Filter(), 1)
    assert any(" ".join(fold(word).split()) in fold(row["snippet"]) for word in query.split())


# ── The command and its filters ───────────────────────────────────────────────────────────────────


@pytest.fixture
def correspondence(put):
    """Messages in two chats and a group, of two types, an hour apart."""
    hour = 3600
    put(
        MessageReceived(REEM_JID, "1", REEM_JID, AT, "hit from Reem", push_name="Reem"),
        MessageReceived(ADAM_JID, "2", ADAM_JID, AT + hour, "hit from Adam", push_name="Adam"),
        MessageReceived(GROUP, "3", REEM_JID, AT + 2 * hour, "hit by Reem in the group"),
        MessageReceived(REEM_JID, "4", REEM_JID, AT + 3 * hour, "hit on a picture", "image"),
        MessageReceived(
            REEM_JID, "5", "12025550100@s.whatsapp.net", AT + 4 * hour, "my hit", is_from_me=True
        ),
        JidMapped(LID, ADAM_JID),
        MessageReceived(GROUP, "6", LID, AT + 5 * hour, "hit by Adam in the group"),
    )


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ([], "654321"),
        (["--limit", "2"], "65"),
        (["--chat", REEM], "541"),
        (["--chat", "Adam"], "2"),
        (["--chat", GROUP], "63"),
        (["--from", REEM], "431"),
        (["--from", ADAM], "62"),
        (["--from", "me"], "5"),
        (["--from", REEM, "--chat", GROUP], "3"),
        (["--type", "image"], "4"),
        (["--type", "text", "--chat", REEM], "51"),
        # AT is 11:06:40 in London
        (["--after", "2026-11-18 13:00"], "6543"),
        (["--before", "2026-11-18 13:00"], "21"),
        (["--after", "2026-11-18 12:00", "--before", "2026-11-18 15:00"], "432"),
        (["--after", "2026-11-19"], ""),
    ],
)
def test_each_filter_narrows_the_hits(correspondence, wa, way, options, ids):
    result = wa("search", "hit", "--json", *options, now=FakeClock())
    assert result.code == 0, result.err
    assert "".join(row["message_id"] for row in result.json) == ids


def test_from_finds_a_person_under_each_of_their_hidden_ids(put, wa):
    """A person who moved to a new phone has had two hidden ids."""
    put(
        JidMapped(LID, REEM_JID),
        JidMapped(OTHER_LID, REEM_JID),
        MessageReceived(GROUP, "1", LID, AT, "hit then"),
        MessageReceived(GROUP, "2", OTHER_LID, AT + 1, "hit now"),
    )
    assert [row["message_id"] for row in wa("search", "hit", "--from", REEM, "--json").json] == ["2", "1"]


def test_from_finds_messages_stored_before_the_hidden_ids_were_known(put, wa):
    put(
        MessageReceived(GROUP, "1", LID, AT, "hit then"),
        MessageReceived(GROUP, "2", OTHER_LID, AT + 1, "hit now"),
        JidMapped(LID, REEM_JID),
        JidMapped(OTHER_LID, REEM_JID),
    )
    assert [row["message_id"] for row in wa("search", "hit", "--from", REEM, "--json").json] == ["2", "1"]


def test_a_hit_shows_sender_chat_time_and_snippet(correspondence, wa):
    result = wa("search", "picture")
    assert result.out == "2026-11-18 14:06\tReem\tReem\t[image] hit on a picture\n"
    row = wa("search", "PICTURE", "--json").json[0]
    assert (row["chat_name"], row["sender_name"], row["snippet"]) == ("Reem", "Reem", "hit on a picture")
    assert row["is_from_me"] is False


def test_a_search_without_hits_is_not_an_error(wa):
    assert wa("search", "nothing").code == 0
    assert wa("search", "nothing", "--json").json == []
    assert wa("search", "--json", "--", "-x").json == []


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        ([""], 2, "usage"),
        ([" "], 2, "usage"),
        (["x", "--type", "hologram"], 2, "usage"),
        (["x", "--limit", "0"], 2, "usage"),
        (["x", "--chat", "nobody"], 4, "not-found"),
        (["x", "--from", "nobody"], 4, "recipient-not-found"),
        (["x", "--after", "03/04"], 2, "usage"),
    ],
)
def test_bad_requests_are_refused(wa, arguments, code, word):
    result = wa("search", *arguments, "--json")
    assert (result.code, result.out, result.error["code"]) == (code, "", word)


# ── Compared with reading every message ───────────────────────────────────────────────────────────

ALPHABET = "aAbBsSßéeE\u0301İiIı天气好が가한ﬁﷺ🎉👍\u200d %_\"*-('\\\n\x00\x01´ّمُ"
TEXTS = st.text(ALPHABET, min_size=0, max_size=12)


def brute_force(store, query, limit):
    """Return the messages that a search has to find: every word is in the text, newest first."""
    words = {fold(word) for word in query.split()} - {""}
    rows = store.rows("SELECT id, content FROM messages ORDER BY timestamp DESC, id DESC")
    hits = [row["id"] for row in rows if row["content"] and all(w in fold(row["content"]) for w in words)]
    return hits[:limit]


@settings(max_examples=examples(120))
@given(
    texts=st.lists(
        st.one_of(TEXTS, st.text(max_size=8).filter(lambda text: text.isprintable())), max_size=12
    ),
    queries=st.lists(TEXTS.filter(lambda text: any(fold(word) for word in text.split())), max_size=4),
    parts=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.integers(1, 5)), max_size=4),
    times=st.lists(st.integers(0, 5), min_size=12, max_size=12),
    few=st.sampled_from([1, 3, 250]),
    first=st.sampled_from([0, 2, 2_000]),
    most=st.sampled_from([-1, 3, 100_000]),
    limit=st.integers(1, 15),
)
def test_every_search_plan_finds_what_reading_every_message_finds(
    home, home_at, monkeypatch, texts, queries, parts, times, few, first, most, limit
):
    for text_number, start, length in parts:  # queries taken from the texts
        if text_number < len(texts) and texts[text_number][start : start + length].split():
            queries = [*queries, texts[text_number][start : start + length]]
    with tempfile.TemporaryDirectory(dir=home.path.parent) as path, monkeypatch.context() as patch:
        patch.setattr(search, "FEW", few)
        patch.setattr(search, "FIRST", first)
        patch.setattr(search, "MOST_HITS", most)
        store = open_store(home_at(Path(path) / "home"))
        with store.write(durable=False):
            for number, text in enumerate(texts):
                event = MessageReceived(REEM_JID, str(number), REEM_JID, AT + times[number], text)
                apply.apply_event(store, event, NOW)
        for query in queries:
            if any(fold(word) for word in query.split()):
                rows = search.search(store, query, Filter(), limit)
                assert [row["id"] for row in rows] == brute_force(store, query, limit), repr(query)
        store.close()


@settings(max_examples=examples(300))
@given(st.text(max_size=20))
def test_folding_twice_is_folding_once(text):
    assert fold(fold(text)) == fold(text)


@settings(max_examples=examples(300))
@given(
    st.text(ALPHABET, max_size=10), st.text(ALPHABET, min_size=1, max_size=6), st.text(ALPHABET, max_size=10)
)
def test_the_folded_part_of_a_text_is_in_the_folded_text(before, part, behind):
    assert fold(part) in fold(before + part + behind)


def test_fold_is_the_same_in_sql(store):
    for text, _ in FINDS:
        assert store.value("SELECT fold(?)", [text]) == fold(text)
    assert store.value("SELECT fold(NULL)") == ""


def test_before_excludes_its_moment_and_after_includes_it(store, say):
    """`--before` excludes the moment that it names; `--after` includes it."""
    say("hit 0", "hit 1", "hit 2")
    middle = datetime.fromtimestamp(AT + 1, timezone.utc)
    assert found(store, "hit", before=middle) == ["hit 0"]
    assert found(store, "hit", after=middle) == ["hit 2", "hit 1"]


def test_the_index_has_the_tokenizer_that_search_relies_on(store):
    """Without positions FTS5 answers a query for several trigrams in a row with an error."""
    with pytest.raises(sqlite3.OperationalError):
        store.rows("SELECT rowid FROM messages_fts WHERE messages_fts MATCH '\"four\"'")
