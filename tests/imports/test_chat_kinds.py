"""Exported chats of every origin: forms that change within a file, damaged headers, old phones, calendars."""

# ruff: noqa: E501, DTZ001 - tables of other people's lines; what a wall clock shows has no zone

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from for_each import for_each

from wa.errors import WaError
from wa.imports.export_chat.language.dates import day_of
from wa.imports.export_chat.reader import Message, NoMessage, read
from wa.imports.export_chat.survey import Survey

LATEST = date(2026, 11, 22)
LRM, RLM = "\u200e", "\u200f"
OTHERWISE = "it begins like a message in another form, and was taken for text"
UNREAD = "its date or time cannot be read"


def found_in(text: str) -> list[Message | NoMessage]:
    lines = text.splitlines(keepends=True)
    return list(read(lines, Survey(lines, "chat.txt", LATEST).form(None)))


def told(text: str) -> list[Any]:
    """Return (time, sender, text) of messages, and the reason of everything else."""
    return [
        (f"{each.at:%y-%m-%d %H:%M:%S}", each.sender, each.content.text)
        if isinstance(each, Message)
        else each.reason
        for each in found_in(text)
    ]


def times(text: str) -> list[str]:
    return [each[0] if isinstance(each, tuple) else each for each in told(text)]


# ── Times ─────────────────────────────────────────────────────────────────────────────────────────


@for_each(
    ("heads", "wanted"),
    [
        # Hours of 24 beside a word for half a day
        (["1/29/18, 11:58 PM", "1/29/18, 23:59 PM", "1/30/18, 00:04 AM"], "23:58 23:59 00:04"),
        (["31/12/2023, 12:00 noon", "31/12/2023, 1:00 PM"], "12:00 13:00"),
        (["31/12/2023, 12:00 midnight", "31/12/2023, 12:05 AM"], "00:00 00:05"),
        # Parts of the day
        (["13/01/2021, 9:15 in the morning", "13/01/2021, 3:07 in the afternoon"], "09:15 15:07"),
        (["13/01/2021, 8:10 in the evening", "13/01/2021, 11:59 at night"], "20:10 23:59"),
        (["13/1/2021, 9:15 de la mañana", "13/1/2021, 8:10 de la noche"], "09:15 20:10"),
        (
            ["13.01.2021, 9:15 morgens", "13.01.2021, 8:10 abends", "13.01.2021, 12:30 nachts"],
            "09:15 20:10 00:30",
        ),
        (["13/01/2021, सुबह 9:15", "13/01/2021, शाम 6:10", "13/01/2021, रात 11:59"], "09:15 18:10 23:59"),
        (["2021/1/13 凌晨1:15", "2021/1/13 中午12:15", "2021/1/13 晚上8:10"], "01:15 12:15 20:10"),
        (["13. 1. 2021, 9:15 ráno", "13. 1. 2021, 8:10 večer"], "09:15 20:10"),
        # Halves of the day
        (["13.1.2021 г., 9:15 претпладне", "13.1.2021 г., 3:07 попладне"], "09:15 15:07"),
        (["13/1/2021, 9:15 ກ່ອນທ່ຽງ", "13/1/2021, 3:07 ຫຼັງທ່ຽງ"], "09:15 15:07"),
        (["13.01.21 г., 9:15 пр.об.", "13.01.21 г., 3:07 сл.об."], "09:15 15:07"),
        (["13.1.2021, 9:15 f.h.", "13.1.2021, 3:07 e.h."], "09:15 15:07"),
        (["2021. 1. 13. 오전 9:15", "2021. 1. 13. 오후 3:07"], "09:15 15:07"),
        (["2021. 1. 13. 새벽 3:15", "2021. 1. 13. 낮 12:07"], "03:15 12:07"),
        # The same word for the afternoon in Finland and the morning in Inari
        (["13.1.2021 klo 9.15 ap.", "13.1.2021 klo 3.07 ip."], "09:15 15:07"),
        (["13.1.2021 9.15 ip.", "13.1.2021 3.07 ep."], "09:15 15:07"),
        # Canada
        (["2021-01-13 17 h 46", "2021-01-13 18 h 05"], "17:46 18:05"),
        (["2021-01-13 17 h 46 min 58 s", "2021-01-13 18 h 05 min 01 s"], "17:46 18:05"),
        # Bhutan
        (["2021-01-13 ཆུ་ཚོད་ 9 སྐར་མ་ 15 སྔ་ཆ་", "2021-01-13 ཆུ་ཚོད་ 3 སྐར་མ་ 07 ཕྱི་ཆ་"], "09:15 15:07"),
    ],
)
def test_a_time_in_words_is_read(heads: list[str], wanted: str) -> None:
    android = "".join(f"{head} - Nadia: text\n" for head in heads)
    assert [each[9:14] for each in times(android)] == wanted.split()
    iphone = "".join(f"[{head}] Nadia: text\n" for head in heads)
    assert [each[9:14] for each in times(iphone)] == wanted.split()


def test_a_word_that_does_not_go_with_its_hour_is_reported() -> None:
    for word in ("13:59 AM", "11:59 noon", "3:00 midnight", "24:30 PM"):
        text = f"13/01/2021, 9:15 AM - Nadia: one\n13/01/2021, {word} - Nadia: two\n"
        assert told(text) == [("21-01-13 09:15:00", "Nadia", "one"), UNREAD], word


# ── Dates ─────────────────────────────────────────────────────────────────────────────────────────


@for_each(
    "head",
    [
        "21:23, 28 Aug 2013 - ", "28 Aug 2013, 21:23 - ", "Aug 28, 2013, 9:23 PM - ", "28. August 2013, 21:23 - ",
        "28 août 2013 à 21:23 - ", "28 de agosto de 2013, 21:23 - ", "28 ago 2013 21:23 - ", "28 авг. 2013 г., 21:23 - ",
        "2013 Aug 28 21:23 - ", "[28 Aug 2013, 21:23:00] ", "[28. aug. 2013 21.23.00] ", "28 sierpnia 2013, 21:23 - ",
        "28 अग॰ 2013, 9:23 pm - ", "28 Ağu 2013 21:23 - ", "Wed, 28 Aug 2013, 21:23 - ", "21:23, Aug 28, 2013 - ",
        "28-Aug-13, 21:23 - ", "28 באוג׳ 2013, 21:23 - ", "2013. gada 28. aug. 21:23 - ", "28 thg 8, 2013 21:23 - ",
    ],
)  # fmt: skip
def test_a_month_may_have_its_name(head: str) -> None:
    assert told(f"{head}Nadia: one") == [("13-08-28 21:23:00", "Nadia", "one")]


def test_dates_without_a_year_are_of_the_year_after_the_last_one_with_it() -> None:
    """Old phones left out the year in which the chat was exported."""
    text = "21:23, 28 Aug 2013 - Nadia: a\n19:07, 20 Sep 2013 - Sam: b\n17:05, 10 Jan - Zoë: c\n18:05, 1 Feb - Nadia: d\n"
    assert told(text) == [
        ("13-08-28 21:23:00", "Nadia", "a"), ("13-09-20 19:07:00", "Sam", "b"),
        ("14-01-10 17:05:00", "Zoë", "c"), ("14-02-01 18:05:00", "Nadia", "d"),
    ]  # fmt: skip
    assert Survey(text.splitlines(keepends=True), "chat.txt", LATEST).form(None).names.keys() == {
        "Nadia",
        "Sam",
        "Zoë",
    }
    # Nobody can tell the year of these.
    late = "21:23, 28 Jan 2013 - Nadia: a\n17:05, 10 Dec - Nadia: b\n"
    assert told(late) == [("13-01-28 21:23:00", "Nadia", "a"), UNREAD]
    with pytest.raises(WaError, match="no date that can be read"):
        found_in("17:05, 10 Jan - Nadia: a\n")


def test_a_month_that_is_another_one_in_another_language_is_told_by_the_others() -> None:
    czech, croatian = (
        "1 srp 2013, 10:00 - N: x\n1 kvě 2013, 10:00 - N: x\n",
        "1 srp 2013, 10:00 - N: x\n1 svi 2013, 10:00 - N: x\n",
    )
    assert [each[3:5] for each in times(czech)] == ["08", "05"]
    assert [each[3:5] for each in times(croatian)] == ["07", "05"]


@for_each(
    ("head", "day"),
    [
        ("[3/18/R4, 14:56:01] ", "22-03-18"), ("R4/3/18 14:56 - ", "22-03-18"), ("令和4年3月18日 14:56 - ", "22-03-18"),
        ("H30/12/31 14:56 - ", "18-12-31"), ("令和元年5月1日 14:56 - ", "19-05-01"), ("[3/18/2565 BE, 14:56:01] ", "22-03-18"), ("[18/3/65, 14:56:01] ", "22-03-18"),
        ("民國111/3/18 14:56 - ", "22-03-18"), ("111/3/18 下午2:56 - ", "22-03-18"),
        ("۱۴۰۰/۱۲/۲۷،‏ ۱۴:۵۶ - ", "22-03-18"), ("1403/12/30, 14:56 - ", "25-03-20"), ("27/12/1400, 14:56 - ", "22-03-18"),
        ("18/3/2022 AD, 14:56 - ", "22-03-18"),
    ],
)  # fmt: skip
def test_a_date_of_another_calendar_is_read_where_its_year_shows_the_calendar(head: str, day: str) -> None:
    assert [each[:8] for each in times(f"{head}Nadia: one")] == [day]


def test_irans_leap_years_are_those_of_its_calendar() -> None:
    """Known beginnings of its years, from the timetable of the University of Tehran's calendar centre."""
    for year, first in ((1388, "2009-03-21"), (1392, "2013-03-21"), (1396, "2017-03-21"), (1400, "2021-03-21"),
                        (1403, "2024-03-20"), (1404, "2025-03-21"), (1405, "2026-03-21")):  # fmt: skip
        assert day_of((str(year), "1", "1"), "ymd", LATEST) == date.fromisoformat(first)
    assert day_of(("1399", "12", "30"), "ymd", LATEST) == date(2021, 3, 20)
    assert day_of(("1400", "12", "30"), "ymd", LATEST) is None


@for_each(
    ("head", "part"),
    [
        ("15/08/1443, 14:56 - ", "the Hijri calendar"),
        ("١٥‏/٨‏/١٤٤٣ هـ، ٢:٥٦ م - ", "the Hijri calendar"),
        ("[8/15/1443 AH, 14:56:01] ", "the Hijri calendar"),
        ("27/12/1943, 14:56 - ", "the Indian calendar"),
        ("27/12/1738, 14:56 - ", "the Coptic calendar"),
        ("[05/05/2013 ዓ/ም, 09:15:07] ", "the Ethiopic calendar"),
        ("27/12/1985, 14:56 - ", "no date that can be read"),
    ],
)
def test_a_date_of_a_calendar_that_is_not_sure_is_refused_by_its_name(head: str, part: str) -> None:
    with pytest.raises(WaError) as caught:
        found_in(f"{head}Nadia: one\n")
    assert caught.value.code == "bad-data"
    assert part in caught.value.message
    assert "line 1 of chat.txt" in caught.value.message


def test_a_korean_word_settles_the_order_of_the_date() -> None:
    assert times("[10. 11. 12. 오전 10:15:00] 나디아: 하나") == ["10-11-12 10:15:00"]


# ── Two forms in one file ─────────────────────────────────────────────────────────────────────────


@for_each(
    ("text", "wanted"),
    [
        # Two exports, one behind the other
        ("[13/02/2023, 17:46:01] Nadia: a\n15/02/2023, 17:48 - Nadia: b\nand\n16/02/2023, 17:48 - Nadia: c\n", "1 a|2 b,and|4 c"),
        ("15/02/2023, 17:48 - Nadia: a\n16/02/2023, 17:48 - Sam: b\n[13/02/2023, 17:46:01] Nadia: c\n", "1 a|2 b|3 c"),
        ("15.02.23, 17:48 - Nadia: a\n2/16/23, 5:48 PM - Nadia: b\n2/17/23, 5:48 PM - Sam: c\n", "1 a|2 b|3 c"),
        # A comma, a dash, a year that somebody's program changed
        ("13/02/2023, 17:46 - Nadia: a\n14/02/2023 17:46 - Nadia: b\n15/02/2023, 17:46 - Nadia: c\n", "1 a|2 b|3 c"),
        ("13/02/2023, 17:46 - Nadia: a\n14/02/23, 17:46 - Nadia: b\n15/02/2023, 17:46 - Nadia: c\n", "1 a|2 b|3 c"),
        ("13/02/2023, 17:46 - Nadia: a\n14/02/2023, 17:46:10 - Nadia: b\n15/02/2023, 17:46 - Nadia: c\n", "1 a|2 b|3 c"),
        ("13/02/2023, 17:46 - Nadia: a\n14-02-2023, 17:46 - Nadia: b\n15/02/2023, 17:46 - Nadia: c\n", "1 a|2 b|3 c"),
        ("[13/02/2023, 17:46:00] Nadia: a\n[14/02/2023 17:46:00] Nadia: b\n[15/02/2023, 17:46:00] Nadia: c\n", "1 a|2 b|3 c"),
        # Somebody new in the other form, between the messages around them
        ("13/02/2023, 17:46 - Nadia: a\n[14/02/2023, 17:46:00] Zoë: b\n15/02/2023, 17:46 - Nadia: c\n", "1 a|2 b|3 c"),
        # A quotation is older than the message that has it
        ("13/02/2023, 17:46 - Nadia: a\n[12/02/2023, 17:46:00] Zoë: b\nmore\n15/02/2023, 17:46 - Nadia: c\n",
         f"{OTHERWISE}|1 a,[12/02/2023, 17:46:00] Zoë: b,more|4 c"),
        ("13/02/2023, 17:46 - Nadia: a\n> 12/02/2023, 17:46 - Nadia: b\n15/02/2023, 17:46 - Nadia: c\n",
         "it begins like a message, and was taken for text|1 a,> 12/02/2023, 17:46 - Nadia: b|3 c"),
        ("13/02/2023, 17:46 - Nadia: a\n* 12/02/2023, 17:46 - Nadia: b\n15/02/2023, 17:46 - Nadia: c\n",
         "it begins like a message, and was taken for text|1 a,* 12/02/2023, 17:46 - Nadia: b|3 c"),
        # Other programs' times
        ("13/02/2023, 17:46 - Nadia: a\n2023-02-14T17:46:01 Nadia: b\n15/02/2023, 17:46 - Nadia: c\n", f"1 a|{UNREAD}|3 c"),
        # WhatsApp's own form of a copied message
        ("13/02/2023, 17:46 - Nadia: a\n[13/02, 17:46] Nadia: b\n15/02/2023, 17:46 - Nadia: c\n",
         f"{OTHERWISE}|1 a,[13/02, 17:46] Nadia: b|3 c"),
        ("13/02/2023, 17:46 - Nadia: a\n[17:46, 13/02/2023] Nadia: b\n15/02/2023, 17:46 - Nadia: c\n",
         f"{OTHERWISE}|1 a,[17:46, 13/02/2023] Nadia: b|3 c"),
        # A list is none, but is told of
        ("13/02/2023, 17:46 - Nadia: a\n14/02/2023 10:00 - Breakfast\n15/02/2023, 17:46 - Nadia: c\n",
         f"{OTHERWISE}|1 a,14/02/2023 10:00 - Breakfast|3 c"),
        # Damaged headers
        ("13/02/2023, 17:46 - Nadia: a\n14/0x/2023, 17:46 - Nadia: b\nmore\n15/02/2023, 17:46 - Nadia: c\n", f"1 a|{UNREAD}|4 c"),
        ("13/02/2023, 17:46 - Nadia: a\n14/02/2023, 17:46 Nadia: b\n15/02/2023, 17:46 - Nadia: c\n", f"1 a|{UNREAD}|3 c"),
        ("[13/02/2023, 17:46:00] Nadia: a\n[14/02/2023, 17:46:00 Nadia: b\n[15/02/2023, 17:46:00] Nadia: c\n", f"1 a|{UNREAD}|3 c"),
        ("13/02/2023, 17:46 - Nadia: a\n17:46 - Nadia: b\n15/02/2023, 17:46 - Nadia: c\n",
         "it begins like a message, and was taken for text|1 a,17:46 - Nadia: b|3 c"),
    ],
)  # fmt: skip
def test_a_line_in_another_form_is_a_message_or_reported(text: str, wanted: str) -> None:
    found = [
        f"{each.line} {(each.content.text or '').replace(chr(10), ',')}"
        if isinstance(each, Message)
        else each.reason
        for each in found_in(text)
    ]
    assert found == wanted.split("|")


def test_who_is_only_quoted_is_no_participant() -> None:
    text = "13/02/2023, 17:46 - Nadia: a\n[17:40, 13/02/2023] Zoë: b\n15/02/2023, 17:46 - Nadia: c\n"
    assert Survey(text.splitlines(keepends=True), "chat.txt", LATEST).form(None).names.keys() == {"Nadia"}


def test_the_second_of_two_exports_may_settle_the_order_of_the_first() -> None:
    assert times("[3/2/2023, 10:00:00] Nadia: a\n14/2/2023, 10:00 - Nadia: b\n") == [
        "23-02-03 10:00:00",
        "23-02-14 10:00:00",
    ]


HEADS = [
    "{0:%d/%m/%Y}, {0:%H:%M} - {1}: ", "{0:%d.%m.%y}, {0:%H:%M} - {1}: ", "{0:%Y-%m-%d} {0:%H:%M} - {1}: ",
    "[{0:%d/%m/%Y}, {0:%H:%M:%S}] {1}: ", "[{0:%d.%m.%y}, {0:%H:%M:%S}] {1}: ", "[{0:%Y-%m-%d} {0:%H:%M:%S}] {1}: ",
    "{0:%m/%d/%y}, {0:%I:%M %p} - {1}: ", "[{0:%m/%d/%y}, {0:%I:%M:%S %p}] {1}: ", "{0:%d %b %Y}, {0:%H:%M} - {1}: ",
]  # fmt: skip
SPOILED = [
    lambda head: head.replace(",", "", 1), lambda head: head.replace("/", "-").replace(".", "/"),
    lambda head: head.replace(" - ", " ").replace("] ", " "), lambda head: head.replace("0", "O", 1).replace("1", "l", 1),
    lambda head: f"99{head[2:]}", lambda head: head.replace(":", ";", 1), lambda head: f"\ufffd\ufffd{head[2:]}",
    lambda head: head.replace("20", "", 1), lambda head: head.replace("/20", "/1", 1),
]  # fmt: skip


def test_no_text_has_the_header_of_another_message_unreported() -> None:
    """In each of 50 files, a line in ten is changed: another form, an impossible date, a sign left out."""
    chance = random.Random(18)
    for number in range(50):
        head = HEADS[number % len(HEADS)]
        at = datetime(2023, chance.randint(1, 12), 13, 9)
        lines, changed = [], {}
        for line in range(1, 101):
            at += timedelta(minutes=chance.randint(1, 600))
            name = chance.choice(("Nadia", "Sam", "+44 7700 900123"))
            written = head.format(at, name)
            if line % 10 == 5:
                other = chance.choice(HEADS).format(at - timedelta(days=chance.choice((0, 0, 9))), name)
                written = chance.choice([other, chance.choice(SPOILED)(written)])
                changed[line] = f"{written}number {line}\n"
            lines.append(f"{written}number {line}\n")
        found = list(read(lines, Survey(lines, "chat.txt", LATEST).form(None)))
        texts = {each.line: each.content.text for each in found if isinstance(each, Message)}
        reported = {each.line for each in found if isinstance(each, NoMessage)}
        for line, text in changed.items():
            assert line in texts or line in reported, (number, text)
        assert set(range(1, 101)) == {*texts, *reported}
        for line, text in texts.items():
            hidden = {each for each in range(1, 101) if each != line and f"number {each}\n" in f"{text}\n"}
            assert hidden <= reported, (number, lines[line - 1], text)


# ── Senders and phrases ───────────────────────────────────────────────────────────────────────────


def kinds(text: str) -> list[Any]:
    return [
        (each.sender, each.content.kind, each.content.text) if isinstance(each, Message) else each.reason
        for each in found_in(text)
    ]


def test_a_known_name_needs_no_space_behind_its_colon() -> None:
    text = "13/01/2021, 09:15 - Nadia: one\n13/01/2021, 09:17 - Nadia:three\n13/01/2021, 09:18 - Zoë:four\n"
    assert kinds(text) == [("Nadia", "text", "one"), ("Nadia", "text", "three"), (None, "system", "Zoë:four")]
    alone = "13/01/2021, 09:17 - Nadia:one\n13/01/2021, 09:18 - Nadia:two\n"
    assert kinds(alone) == [("Nadia", "text", "one"), ("Nadia", "text", "two")]


@for_each(
    ("said", "wanted"),
    [
        ("<Media Skipped>", ("Nadia", "other", None)),
        ("<Multimedia omitted>", ("Nadia", "other", None)),
        ("null", ("Nadia", "other", None)),
        ("live location shared", ("Nadia", "location", None)),
        ("live location shared?", ("Nadia", "text", "live location shared?")),
        ("Missed voice call", (None, "system", "Missed voice call")),
        ("Missed video call at 10:15", (None, "system", "Missed video call at 10:15")),
        ("Verpasster Sprachanruf", (None, "system", "Verpasster Sprachanruf")),
        ("Missed voice call yesterday?\nsorry", ("Nadia", "text", "Missed voice call yesterday?\nsorry")),
        ("Waiting for this message. This may take a while.", ("Nadia", "other", None)),
        ("location: https://maps.google.co.uk/?q=51.5,-0.1", ("Nadia", "location", "location: https://maps.google.co.uk/?q=51.5,-0.1")),
        ("The Pub (1 High Street): https://foursquare.com/v/1", ("Nadia", "location", "The Pub (1 High Street): https://foursquare.com/v/1")),
    ],
)  # fmt: skip
def test_what_an_android_phone_writes_for_files_calls_and_places_is_known(
    said: str, wanted: tuple[Any, ...]
) -> None:
    assert kinds(f"13/01/2021, 09:15 - Nadia: {said}\n") == [wanted]


@for_each(
    "phrase",
    [
        "This message was deleted by admin ~Bo.", "Diese Nachricht wurde von Admin Bo Sample gelöscht.",
        "Ce message a été supprimé par l'admin Bo", "Un admin., Bo, eliminó este mensaje.", "管理员 Bo 已删除这条消息。",
        "Это сообщение удалено", "Данное сообщение удалено админом (Bo).", "This message was deleted by an admin.",
    ],
)  # fmt: skip
def test_a_message_that_an_admin_deleted_is_deleted(phrase: str) -> None:
    for text in (f"13/10/2025, 09:43 - Nadia: {phrase}\n", f"[13/10/2025, 09:43:00] Nadia: {LRM}{phrase}\n"):
        (found,) = found_in(text)
        assert isinstance(found, Message)
        assert (found.sender, found.content.is_deleted, found.content.text) == ("Nadia", True, None)


def test_a_phrase_of_an_unknown_language_that_several_people_have_is_a_file() -> None:
    said = [
        ("Nadia", "kuva puttuu"),
        ("Sam", "kuva puttuu"),
        ("Nadia", "Nadia loi ryhmän"),
        ("Sam", "kuva puttuu"),
    ]
    text = "".join(
        f"[13/01/2021, 09:15:0{number}] {name}: {LRM}{what}\n" for number, (name, what) in enumerate(said)
    )
    file = ("other", None)
    assert kinds(text) == [
        ("Nadia", *file),
        ("Sam", *file),
        (None, "system", "Nadia loi ryhmän"),
        ("Sam", *file),
    ]
    android = "".join(
        f"13/01/2021, 09:1{number} - {name}: <{what}>\n" for number, (name, what) in enumerate(said)
    )
    assert kinds(android)[:3] == [("Nadia", *file), ("Sam", *file), ("Nadia", "text", "<Nadia loi ryhmän>")]


def test_an_iphone_in_arabic_marks_what_nobody_typed_from_right_to_left() -> None:
    text = (
        f"{RLM}[13/01/2021, 09:15:00] ناديا: {RLM}صورة محذوفة\n{RLM}[13/01/2021, 09:15:01] سام: {RLM}صورة محذوفة\n"
        f"{RLM}[13/01/2021, 09:15:02] ناديا: {RLM}أضافت ناديا سام\n{RLM}[13/01/2021, 09:15:03] سام: مرحبا\n"
    )
    assert kinds(text) == [
        ("ناديا", "other", None), ("سام", "other", None), (None, "system", "أضافت ناديا سام"), ("سام", "text", "مرحبا"),
    ]  # fmt: skip
    # Beside the mark from left to right, it is a mark that somebody typed.
    mixed = f"[13/01/2021, 09:15:04] سام: {LRM}image omitted\n[13/01/2021, 09:15:05] سام: {RLM}مرحبا\n"
    assert kinds(mixed)[1] == ("سام", "text", "مرحبا")
