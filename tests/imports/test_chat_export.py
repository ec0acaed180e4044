"""Parsing exported chats in many languages: beginning, time, sender and kind of each message."""

# ruff: noqa: E501, DTZ001 - tables of other people's lines; what a wall clock shows has no zone

from __future__ import annotations

import time as clock
from datetime import date, datetime, timedelta
from itertools import islice

import pytest
from for_each import for_each
from hypothesis import assume, given
from hypothesis import strategies as st

from wa.errors import WaError
from wa.imports.export_chat.content import content_of, kind_of_file
from wa.imports.export_chat.header import header_of, sender_of
from wa.imports.export_chat.language.phrases import titles
from wa.imports.export_chat.language.words import Vocabulary
from wa.imports.export_chat.reader import LONGEST, Message, NoMessage, read
from wa.imports.export_chat.survey import FileFormat, Survey
from wa.texts import MARKS, comparable

LATEST = date(2026, 11, 22)
NNBSP, NBSP, LRM, RLM = "\u202f", "\u00a0", "\u200e", "\u200f"


def form_of(*lines: str, order: str | None = None, known: tuple[str, ...] = ()) -> FileFormat:
    return Survey(lines, "chat.txt", LATEST, known).form(order)


def parse(
    text: str, *, order: str | None = None, known: tuple[str, ...] = (), files: tuple[str, ...] = ()
) -> list[Message]:
    """Return the messages of a text; no line of it may be skipped."""
    lines = [line + "\n" for line in text.split("\n")]
    found = list(read(lines, form_of(*lines, order=order, known=known), files))
    assert all(isinstance(each, Message) for each in found), found
    return [each for each in found if isinstance(each, Message)]


def refusal(text: str, order: str | None = None) -> WaError:
    with pytest.raises(WaError) as caught:
        parse(text, order=order)
    assert caught.value.hint
    return caught.value


# ── Times ─────────────────────────────────────────────────────────────────────────────────────────

EVE = "2023-12-31 23:59"
WRITTEN = [
    # Android
    ("31/12/2023, 23:59 - ", EVE),
    ("31/12/23, 23:59 - ", EVE),
    ("31/12/2023 23:59 - ", EVE),
    ("12/31/23, 11:59 PM - ", EVE),
    (f"12/31/23, 11:59{NNBSP}PM - ", EVE),
    (f"31/12/23, 11:59{NNBSP}pm - ", EVE),
    ("2023-12-31, 11:59 p.m. - ", EVE),
    ("2023-12-31 23 h 59 - ", EVE),
    ("31.12.23, 23:59 - ", EVE),
    ("31.12.2023, 23:59 - ", EVE),
    ("31-12-2023 23:59 - ", EVE),
    ("31. 12. 2023. 23:59 - ", EVE),
    ("31/12/2023 à 23:59 - ", EVE),
    ("31.12.2023 klo 23.59 - ", EVE),
    ("31/12/2023 23.59 - ", EVE),
    ("31.12.2023 г., 23:59 ч. - ", EVE),
    (f"31/12/2023, 11:59 p.{NBSP}m. - ", EVE),
    ("31/12/2023 11:59 μ.μ. - ", EVE),
    ("31.12.2023 11:59 ÖS - ", EVE),
    ("23:59, 31/12/2023 - ", EVE),
    ("2023/12/31 23:59 - ", EVE),
    ("2023/12/31 下午11:59 - ", EVE),
    ("2023/12/31 晚上11:59 - ", EVE),
    ("2023/12/31 午後11:59 - ", EVE),
    ("2023. 12. 31. 오후 11:59 - ", EVE),
    ("23. 12. 31. 오후 11:59 - ", EVE),
    ("2023년 12월 31일 오후 11:59 - ", EVE),
    ("2023. 12. 31. 23:59 - ", EVE),
    (f"{RLM}31{RLM}/12{RLM}/2023، 11:59 م - ", EVE),
    ("٣١/١٢/٢٠٢٣، ١١:٥٩ م - ", EVE),
    (f"۳۱/۱۲/۲۰۲۳،{RLM} ۲۳:۵۹ - ", EVE),
    ("३१/१२/२०२३, ११:५९ अपराह्न - ", EVE),
    ("31/12/2566 23:59 - ", EVE),
    # iPhone
    ("[31/12/2023, 23:59:58] ", f"{EVE}:58"),
    (f"{LRM}[31/12/2023, 23:59:58] ", f"{EVE}:58"),
    ("[31.12.23, 23:59:58] ", f"{EVE}:58"),
    (f"[2023-12-31, 11:59:58{NNBSP}PM] ", f"{EVE}:58"),
    (f"[12/31/23, 11:59:58{NNBSP}PM] ", f"{EVE}:58"),
    ("[31/12/2023 23:59:58] ", f"{EVE}:58"),
    ("[31.12.2023 klo 23.59.58] ", f"{EVE}:58"),
    ("[2023/12/31 下午11:59:58] ", f"{EVE}:58"),
    ("[2023. 12. 31. 오후 11:59:58] ", f"{EVE}:58"),
    ("[23:59:58, 31/12/2023] ", f"{EVE}:58"),
    (f"{RLM}[٣١/١٢/٢٠٢٣، ١١:٥٩:٥٨ م] ", f"{EVE}:58"),
    ("[31/12/66, 23:59:58] ", f"{EVE}:58"),
    ("31/12/23, 23:59:58: ", f"{EVE}:58"),
    # Noon and midnight
    ("31/12/2023, 12:00 AM - ", "2023-12-31 00:00"),
    ("31/12/2023, 12:00 PM - ", "2023-12-31 12:00"),
    ("31/12/2023, 12:30 a. m. - ", "2023-12-31 00:30"),
    ("2023/12/31 凌晨12:30 - ", "2023-12-31 00:30"),
    ("2023/12/31 中午12:30 - ", "2023-12-31 12:30"),
    ("29/02/2024, 00:00 - ", "2024-02-29 00:00"),
]


@for_each(("head", "at"), WRITTEN)
def test_the_time_of_a_message_is_read_in_each_form(head: str, at: str) -> None:
    (message,) = parse(f"{head}Nadia: Happy new year!")
    assert (message.at, message.sender, message.content.text) == (
        datetime.fromisoformat(at),
        "Nadia",
        "Happy new year!",
    )


AM_PM = "AM PM|am pm|a.m. p.m.|a. m.~p. m.|vm. nm.|dop. odp.|ap. ip.|fm em|de. du.|SA CH|ÖÖ ÖS|π.μ. μ.μ.|ص م|صباحًا مساءً"
AM_PM += (
    "|ق.ظ. ب.ظ.|上午 下午|午前 午後|오전 오후|ก่อนเที่ยง หลังเที่ยง|पूर्वाह्न अपराह्न|לפנה״צ אחה״צ|PG PTG|TO TK|дп пп"
)


@for_each("pair", AM_PM.split("|"))
@for_each("space", ["", " ", NBSP, NNBSP, f" {RLM}"])
@for_each("form", ["3/5/2023, {time}{space}{word} - N: x", "[3/5/2023 {word}{space}{time}:07] N: x"])
def test_am_and_pm_are_read_in_each_language(pair: str, space: str, form: str) -> None:
    hours = []
    for word in pair.split("~") if "~" in pair else pair.split():
        head = header_of(form.format(time="8:05", word=word, space=space))
        assert head, word
        at = head.time(Vocabulary())
        hours.append(at and at.hour)
    assert hours == [8, 20]


@for_each(
    "line",
    [
        "",
        "Nadia: text",
        "31/12/2023",
        "31/12/2023, 23:59",
        "31/12/2023, 23:59 Nadia: text",
        "31/12/2023, 24:00 - Nadia: text",
        "31/12/2023, 23:60 - Nadia: text",
        "31/12/2023, 11:59 XM - Nadia: text",
        "31/12/2023, 11:59 in the pub - Nadia: text",
        "on 31/12/2023, 23:59 - Nadia: text",
        "31/12/2023, 23:59 -Nadia: text",
        "[31/12/2023, 23:59 Nadia: text",
        "31/12/2023, 23:59] Nadia: text",
        "1/2, 23:59 - Nadia: text",
        "12345/12/2023, 23:59 - Nadia: text",
        "- 31/12/2023, 23:59 - Nadia: text",
    ],
)
def test_a_line_that_only_looks_like_a_header_begins_no_message(line: str) -> None:
    assert header_of(line) is None


@for_each(
    "line",
    [
        "32/12/2023",
        "31/13/2023",
        "29/02/2023",
        "31/04/2023",
        "0/1/2023",
        "31/12/2008",
        "31/12/3",
    ],
)
def test_a_line_with_an_impossible_date_begins_no_message(line: str) -> None:
    lines = [
        f"{day}, 23:59 - {name}: {day}\n"
        for day, name in (("30/12/2023", "Nadia"), (line, "Nadia"), (line, "Zoë"))
    ]
    lines.insert(1, "and\n")
    one, skipped = read(lines[:3], form_of(*lines[:3]))
    assert isinstance(one, Message)
    assert one.content.text == "30/12/2023\nand"
    assert skipped == NoMessage(3, "its date or time cannot be read", lines[2].strip())
    # The line of somebody who is unknown may be a text.
    quoted, one = read([*lines[:2], lines[3]], form_of(*lines))
    assert quoted == NoMessage(3, "it begins like a message, and was taken for text", lines[3].strip(), False)
    assert isinstance(one, Message)
    assert one.content.text == "30/12/2023\nand\n" + lines[3].strip()


# ── Day or month first ────────────────────────────────────────────────────────────────────────────


def chat(*days: str, form: str = "{}, 10:15 - Nadia: text {}") -> str:
    return "\n".join(form.format(day, number) for number, day in enumerate(days))


@for_each(
    ("days", "order", "first"),
    [
        (["13/04/2023"], "dmy", "2023-04-13"),
        (["04/13/2023"], "mdy", "2023-04-13"),
        (["2023/04/13"], "ymd", "2023-04-13"),
        (["2023/04/05"], "ymd", "2023-04-05"),
        (["03/04/2023", "13/04/2023"], "dmy", "2023-04-03"),
        (["03/04/2023", "04/13/2023"], "mdy", "2023-03-04"),
        (["13/04/23"], "dmy", "2023-04-13"),
        (["04/13/23"], "mdy", "2023-04-13"),
        (["23/12/31"], "ymd", "2023-12-31"),
        (["05/05/2023"], "dmy", "2023-05-05"),
        # No message has a date in the future.
        (["03/12/2026", "04/10/2026"], "mdy", "2026-03-12"),
        # Dates do not go backwards again and again.
        (["10/02/2023", "11/02/2023", "01/03/2023", "12/03/2023", "01/04/2023"], "dmy", "2023-02-10"),
        (["02/10/2023", "02/11/2023", "03/01/2023", "03/12/2023", "04/01/2023"], "mdy", "2023-02-10"),
    ],
)
def test_the_date_order_is_that_of_the_whole_file(days: list[str], order: str, first: str) -> None:
    text = chat(*days)
    assert form_of(*text.split("\n")).order == order
    assert parse(text)[0].at.date() == date.fromisoformat(first)


def test_one_line_that_was_copied_from_elsewhere_does_not_outweigh_the_rest() -> None:
    lines = chat("03/04/2023", *["13/04/2023"] * 20, "04/13/2023").split("\n")
    *messages, skipped = read(lines, form_of(*lines))
    assert [each.at.day for each in messages if isinstance(each, Message)] == [3, *[13] * 20]
    assert isinstance(skipped, NoMessage)


@for_each(
    ("days", "shown", "hint"),
    [
        (
            ["03/04/2023"],
            "03/04/2023, 10:15",
            "--date-order dmy reads it as 3 April 2023, --date-order mdy reads it as 4 March 2023",
        ),
        (
            ["05/05/2023", "03.04.2023".replace(".", "/")],
            "03/04/2023, 10:15",
            "--date-order dmy reads it as 3 April",
        ),
        (
            ["01/02/2023", "02/02/2023", "01/03/2023"],
            "01/02/2023, 10:15",
            "--date-order mdy reads it as 2 January",
        ),
        (["[10. 11. 12.", "[11. 11. 12."], "10. 11. 12.", "--date-order ymd reads it as 12 November 2010"),
    ],
)
def test_an_ambiguous_date_order_is_asked_for(days: list[str], shown: str, hint: str) -> None:
    text = chat(
        *days, form="{} 10:15:00] Nadia: text {}" if days[0][0] == "[" else "{}, 10:15 - Nadia: text {}"
    )
    error = refusal(text)
    assert error.code == "usage"
    assert shown in error.message
    assert "can be read in " in error.message
    assert hint in (error.hint or "")


@pytest.mark.parametrize(("order", "first"), [("dmy", "2023-04-03"), ("mdy", "2023-03-04")])
def test_the_date_order_of_the_option_is_used(order: str, first: str) -> None:
    assert parse(chat("03/04/2023"), order=order)[0].at.date() == date.fromisoformat(first)


@for_each(
    ("days", "order", "line"),
    [
        (["03/04/2023", "13/04/2023"], "mdy", "line 2 (13/04/2023, 10:15)"),
        (["03/04/2023", "04/13/2023"], "dmy", "line 2 (04/13/2023, 10:15)"),
        (["2023/04/13"], "dmy", "line 1 (2023/04/13, 10:15)"),
        (["13/04/2023"], "ymd", "line 1 (13/04/2023, 10:15)"),
        (["13/04/2023", "04/13/2023"], None, "line 1 (13/04/2023, 10:15)"),
    ],
)
def test_a_date_order_that_the_file_contradicts_is_refused(
    days: list[str], order: str | None, line: str
) -> None:
    error = refusal(chat(*days), order)
    assert error.code == "bad-data"
    assert line in error.message


def test_notices_do_not_decide_the_date_order() -> None:
    notices = [f"0{month}/09/2023, 10:15 - Nadia changed the group icon" for month in (9, 8, 7, 6, 5)]
    said = chat("03/04/2023", "04/04/2023")
    assert refusal("\n".join([*notices, said])).code == "usage"


# ── Senders ───────────────────────────────────────────────────────────────────────────────────────


@for_each(
    ("rest", "sender", "text"),
    [
        ("Nadia: text", "Nadia", "text"),
        ("Nadia: see: this", "Nadia", "see: this"),
        ("Nadia Sample 🌸: text", "Nadia Sample 🌸", "text"),
        ("+44 7700 900123: text", "+44 7700 900123", "text"),
        ("\u202a+44 7700 900123\u202c: text", "+44 7700 900123", "text"),
        (f"~{NNBSP}Nadia: text", "~ Nadia", "text"),
        (f"{LRM}~{NBSP}Nadia: text", "~ Nadia", "text"),
        ("~Nadia: text", "~ Nadia", "text"),
        ("Nadia:", "Nadia", ""),
        ("Nadia: ", "Nadia", ""),
        ("Dr: Sample: text", "Dr: Sample", "text"),
        ('Nadia "Na" Sample: text', 'Nadia "Na" Sample', "text"),
        ("نادية: مرحبا", "نادية", "مرحبا"),
        ("Nadia added Adam", None, "Nadia added Adam"),
        ('Nadia changed the subject to "A: B"', None, 'Nadia changed the subject to "A: B"'),
        ("Nadia created group “A: B”", None, "Nadia created group “A: B”"),
        ("Nadia hat den Betreff in „A: B“ geändert", None, "Nadia hat den Betreff in „A: B“ geändert"),
        ("x" * 101 + ": text", None, "x" * 101 + ": text"),
        ("Messages are encrypted. Tap to learn more.", None, "Messages are encrypted. Tap to learn more."),
    ],
)
def test_the_sender_is_the_text_before_the_colon(rest: str, sender: str | None, text: str) -> None:
    assert sender_of(rest, ["Dr: Sample"]) == (sender, text)


def test_the_participants_are_the_senders_of_messages() -> None:
    form = form_of(
        f"[13/04/2023, 10:15:00] Book club: {LRM}Messages and calls are end-to-end encrypted.",
        f"[13/04/2023, 10:15:00] Nadia: {LRM}Nadia created this group",
        "[13/04/2023, 10:15:01] Nadia: Hello",
        "[13/04/2023, 10:15:02] +44 7700 900123: Hello",
        f"[13/04/2023, 10:15:02] ~{NNBSP}Zoë: {LRM}image omitted",
        "[13/04/2023, 10:15:03] Nadia: How are you?",
    )
    assert form.names == {"Nadia": 2, "+44 7700 900123": 1, "~ Zoë": 1}


# ── Contents ──────────────────────────────────────────────────────────────────────────────────────


def told(text: str, *, is_iphone: bool = False, files: tuple[str, ...] = ()) -> tuple[object, ...]:
    found = content_of(text, is_iphone=is_iphone, files=files)
    return found.kind, found.text, found.file


OMITTED_ON_ANDROID = """<Media omitted>|<Medien ausgeschlossen>|<Multimedia omitido>|<Archivo omitido>|<Médias omis>|
<Media omessi>|<Mídia oculta>|<Arquivo de mídia oculto>|<Ficheiro não revelado>|<Media weggelaten>|<Без медиафайлов>|
<Medya dahil edilmedi>|<تم استبعاد الوسائط>|<המדיה לא נכללה>|<मीडिया के बिना>|<省略多媒体文件>|<忽略多媒體檔>|<メディアなし>|<미디어 파일 제외됨>|
<pominięto multimedia>|<Média vynechány>|<media utelämnat>|<Media tidak disertakan>"""


@for_each("phrase", [each.strip() for each in OMITTED_ON_ANDROID.split("|")])
def test_omitted_media_of_android_are_of_kind_other(phrase: str) -> None:
    assert told(phrase) == ("other", None, None)
    assert told(f"{phrase}\nA caption\nof two lines") == ("other", "A caption\nof two lines", None)
    assert told(f"Look: {phrase}")[0] == "text"


@for_each(
    ("kind", "phrases"),
    [
        (
            "image",
            "image omitted|Bild weggelassen|imagen omitida|image absente|immagine omessa|imagem ocultada|画像は含まれていません",
        ),
        (
            "image",
            "afbeelding weggelaten|изображение отсутствует|görüntü dahil edilmedi|التمس|لم يتم إدراج الصورة|התמונה הושמטה",
        ),
        (
            "video",
            "video omitted|GIF omitted|Video weggelassen|vidéo absente|видео отсутствует|비디오 생략됨|video note omitted",
        ),
        (
            "audio",
            "audio omitted|Audio weggelassen|áudio ocultado|аудиофайл отсутствует|ses dahil edilmedi|音频已忽略",
        ),
        (
            "sticker",
            "sticker omitted|figurinha omitida|стикер не добавлен|Çıkartma dahil edilmedi|スタンプは含まれていません",
        ),
        (
            "document",
            "document omitted|Dokument weggelassen|documento omitido|belge dahil edilmedi|문서 생략됨",
        ),
        ("contact", "Contact card omitted|Kontaktkarte ausgelassen|tarjeta de contacto omitida"),
    ],
)
def test_omitted_media_of_an_iphone_have_their_kind(kind: str, phrases: str) -> None:
    for phrase in phrases.replace("التمس|", "").split("|"):
        assert told(f"{LRM}{phrase}", is_iphone=True) == (kind, None, None), phrase
        assert told(phrase, is_iphone=True) == (kind, None, None), phrase
        assert told(f"A caption {LRM}{phrase}", is_iphone=True) == (kind, "A caption", None), phrase
        assert told(phrase) == ("text", phrase, None), phrase


@for_each(
    ("text", "found"),
    [
        ("IMG-20231231-WA0001.jpg (file attached)", ("image", None, "IMG-20231231-WA0001.jpg")),
        (f"{LRM}IMG-20231231-WA0001.jpg (Datei angehängt)", ("image", None, "IMG-20231231-WA0001.jpg")),
        ("VID-20231231-WA0001.mp4 (archivo adjunto)\nLook!", ("video", "Look!", "VID-20231231-WA0001.mp4")),
        ("PTT-20231231-WA0001.opus (fichier joint)", ("voice", None, "PTT-20231231-WA0001.opus")),
        ("AUD-20231231-WA0001.m4a (file allegato)", ("audio", None, "AUD-20231231-WA0001.m4a")),
        ("STK-20231231-WA0001.webp (arquivo anexado)", ("sticker", None, "STK-20231231-WA0001.webp")),
        ("Nadia Sample.vcf (bestand bijgevoegd)", ("contact", None, "Nadia Sample.vcf")),
        ("Bill (2).pdf (файл добавлен)", ("document", "Bill (2).pdf", "Bill (2).pdf")),
        ("Bill.pdf (dosya ekli)\nFor you", ("document", "For you", "Bill.pdf")),
        ("IMG-20231231-WA0001.jpg (الملف مرفق)", ("image", None, "IMG-20231231-WA0001.jpg")),
        ("IMG-20231231-WA0001.jpg (קובץ מצורף)", ("image", None, "IMG-20231231-WA0001.jpg")),
        ("IMG-20231231-WA0001.jpg (附件檔案)", ("image", None, "IMG-20231231-WA0001.jpg")),
        ("IMG-20231231-WA0001.jpg (添付ファイル有り)", ("image", None, "IMG-20231231-WA0001.jpg")),
        ("IMG-20231231-WA0001.jpg (in some language)", ("text", "IMG-20231231-WA0001.jpg (in some language)", None)),
        ("KNOWN.jpg (in some language)", ("image", None, "KNOWN.jpg")),
        ("KNOWN (file attached)", ("document", "KNOWN", "KNOWN")),
        ("I left it (file attached)", ("text", "I left it (file attached)", None)),
        ("<attached: 00000012-PHOTO-2023-12-31-23-59-58.jpg>", ("image", None, "00000012-PHOTO-2023-12-31-23-59-58.jpg")),
        (f"{LRM}<attached: {LRM}00000012-AUDIO-2023-12-31-23-59-58.opus>", ("voice", None, "00000012-AUDIO-2023-12-31-23-59-58.opus")),
        (f"{LRM}<Anhang: 00000012-VIDEO-2023-12-31-23-59-58.mp4>\nLook!", ("video", "Look!", "00000012-VIDEO-2023-12-31-23-59-58.mp4")),
        (f"Look! {LRM}<adjunto: 00000012-GIF-2023-12-31-23-59-58.mp4>", ("video", "Look!", "00000012-GIF-2023-12-31-23-59-58.mp4")),
        (f"{LRM}<附件：00000012-STICKER-2023-12-31-23-59-58.webp>", ("sticker", None, "00000012-STICKER-2023-12-31-23-59-58.webp")),
        (f"Bill.pdf • {LRM}2 pages {LRM}<pièce jointe: 00000012-Bill.pdf>", ("document", "Bill.pdf", "00000012-Bill.pdf")),
        (f"{LRM}<allegato: 00000012-Bill.pdf>", ("document", "Bill.pdf", "00000012-Bill.pdf")),
        ("2016-05-01-PHOTO-00000001.jpg <‎attached>", ("image", None, "2016-05-01-PHOTO-00000001.jpg")),
        ("location: https://maps.google.com/?q=51.5,-0.1", ("location", "location: https://maps.google.com/?q=51.5,-0.1", None)),
        ("See https://example.org: it is good", ("text", "See https://example.org: it is good", None)),
        ("Messages and calls are end-to-end encrypted. Tap.", ("system", "Messages and calls are end-to-end encrypted. Tap.", None)),
        ("", ("other", None, None)),
        (f"{LRM} ", ("other", None, None)),
        ("<3", ("text", "<3", None)),
        ("<html>", ("text", "<html>", None)),
        (f"{LRM}typed on Android", ("text", "typed on Android", None)),
    ],
)  # fmt: skip
def test_the_kind_and_text_of_an_android_message_are_read(text: str, found: tuple[object, ...]) -> None:
    assert told(text, files=("KNOWN.jpg", "KNOWN")) == found


@for_each(
    ("text", "found"),
    [
        (f"{LRM}Nadia added Adam", ("system", "Nadia added Adam", None)),
        (f"{LRM}You changed this group's icon", ("system", "You changed this group's icon", None)),
        (f"{LRM}POLL:\n{LRM}To?\n{LRM}OPTION: A ({LRM}1 vote)\n{LRM}OPTION: B ({LRM}0 votes)", ("poll", "POLL:\nTo?\nOPTION: A (1 vote)\nOPTION: B (0 votes)", None)),
        ("UMFRAGE:\nWohin?\nOPTION: Nord (1 Stimme)\nOPTION: Süd (2 Stimmen)", ("poll", "UMFRAGE:\nWohin?\nOPTION: Nord (1 Stimme)\nOPTION: Süd (2 Stimmen)", None)),
        ("Shopping:\nmilk\neggs: ten", ("text", "Shopping:\nmilk\neggs: ten", None)),
        (f"{LRM}Location: https://maps.google.com/?q=51.5,-0.1", ("location", "Location: https://maps.google.com/?q=51.5,-0.1", None)),
        (f"Bill.pdf • {LRM}2 pages {LRM}document omitted", ("document", "Bill.pdf", None)),
        ("typed by hand", ("text", "typed by hand", None)),
    ],
)  # fmt: skip
def test_the_kind_and_text_of_an_iphone_message_are_read(text: str, found: tuple[object, ...]) -> None:
    assert told(text, is_iphone=True) == found


DELETED = """This message was deleted|You deleted this message|This message was deleted.|Diese Nachricht wurde gelöscht.|
Du hast diese Nachricht gelöscht|Se eliminó este mensaje.|Eliminaste este mensaje|Ce message a été supprimé|
Questo messaggio è stato eliminato|Esta mensagem foi apagada|Mensagem apagada|Dit bericht is verwijderd|Данное сообщение удалено|
Bu mesaj silindi|تم حذف هذه الرسالة|הודעה זו נמחקה|यह मैसेज डिलीट कर दिया गया है|此訊息已刪除|このメッセージは削除されました。|이 메시지는 삭제되었습니다"""


@for_each("phrase", [each.strip() for each in DELETED.split("|")])
def test_deleted_messages_have_no_text(phrase: str) -> None:
    for text in (phrase, f"{LRM}{phrase}", f"{phrase} "):
        found = content_of(text, is_iphone=False)
        assert (found.text, found.is_deleted) == (None, True), text
    assert not content_of(f"{phrase}\nreally", is_iphone=False).is_deleted


EDITED = """This message was edited|Diese Nachricht wurde bearbeitet|Se editó este mensaje.|Ce message a été modifié|
Questo messaggio è stato modificato|Mensagem editada|Dit bericht is bewerkt|Bu mesaj düzenlendi"""


@for_each("phrase", [each.strip() for each in EDITED.split("|")])
def test_edited_messages_are_marked_and_keep_their_text(phrase: str) -> None:
    for text in (f"Hello\nagain <{phrase}>", f"Hello\nagain {LRM}<{phrase}>"):
        found = content_of(text, is_iphone=True)
        assert (found.text, found.is_edited, found.kind) == ("Hello\nagain", True, "text")
    assert (
        content_of(
            "IMG-20231231-WA0001.jpg (file attached)\nNo. <This message was edited>", is_iphone=False
        ).text
        == "No."
    )
    assert not content_of(f"<{phrase}> they said", is_iphone=True).is_edited


@for_each(
    ("name", "kind"),
    [
        ("IMG-20231231-WA0001.jpeg", "image"), ("photo.HEIC", "image"), ("00000001-PHOTO-2023.png", "image"),
        ("picture.webp", "image"), ("STK-1.webp", "sticker"), ("00000001-STICKER-2023.webp", "sticker"),
        ("clip.MOV", "video"), ("GIF-20231231.mp4", "video"), ("song.mp3", "audio"), ("PTT-20231231-WA0001.aac", "voice"),
        ("note.opus", "voice"), ("Nadia.vcf", "contact"), ("Bill.pdf", "document"), ("noext", "document"),
    ],
)  # fmt: skip
def test_the_extension_tells_the_kind_of_a_file(name: str, kind: str) -> None:
    assert kind_of_file(name) == kind


@for_each(
    ("one", "other"),
    [
        ("Hello ", "Hello"),
        (f"{LRM}Hello{RLM}", "Hello"),
        ("Hello @\u2068Nadia Sample\u2069!", "Hello @447700900123!"),
        ("Hello @\u2068Nadia\u2069 @\u2068Adam\u2069", "Hello @447700900123 @12025550123"),
        ("one\r\ntwo", "one\ntwo"),
        (None, ""),
    ],
)
def test_texts_that_only_an_export_makes_differ_are_equal(one: str | None, other: str) -> None:
    assert comparable(one) == comparable(other)
    assert comparable("Hello you") != comparable("Hello")


# ── Whole files ───────────────────────────────────────────────────────────────────────────────────

ANDROID = """13/04/2023, 10:15 - Messages and calls are end-to-end encrypted. Tap to learn more.
13/04/2023, 10:15 - Nadia: Shopping:

12/04/2023 bread
14/04/2023, milk
[14/04/2023, 09:00:00] Adam: from another phone
14.04.2023, 09:00 - Adam: and from a third
13/04/2023, 10:16 - Adam Sample: ok
"""


def test_lines_without_a_header_belong_to_the_message_before_them() -> None:
    lines = ANDROID.splitlines(keepends=True)
    notice, *quoted, list_, ok = read(lines, form_of(*lines))
    assert isinstance(notice, Message)
    assert isinstance(list_, Message)
    assert isinstance(ok, Message)
    assert (notice.sender, notice.content.kind, notice.line) == (None, "system", 1)
    assert list_.content.text == (
        "Shopping:\n\n12/04/2023 bread\n14/04/2023, milk\n[14/04/2023, 09:00:00] Adam: from another phone\n"
        "14.04.2023, 09:00 - Adam: and from a third"
    )
    assert (ok.sender, ok.content.text, ok.line) == ("Adam Sample", "ok", 8)
    why = "it begins like a message in another form, and was taken for text"
    assert quoted == [NoMessage(each, why, lines[each - 1].strip(), False) for each in (6, 7)]


def test_messages_of_an_iphone_end_with_crlf_and_their_lines_with_lf() -> None:
    lines = [
        "\ufeff[13/04/2023, 10:15:00] Nadia: one\n",
        "two\r\n",
        f"{LRM}[13/04/2023, 10:15:01] Adam: three\r\n",
    ]
    found = list(read(lines, form_of(*lines)))
    assert [(each.sender, each.content.text) for each in found if isinstance(each, Message)] == [
        ("Nadia", "one\ntwo"),
        ("Adam", "three"),
    ]


def test_a_notice_of_an_iphone_has_no_sender() -> None:
    found = parse(f"[13/04/2023, 10:15:00] Nadia: {LRM}Nadia added Adam\n[13/04/2023, 10:15:01] Nadia: Hello")
    assert [each.sender for each in found] == [None, "Nadia"]


def test_messages_dated_in_the_future_are_reported() -> None:
    lines = ["13/04/2023, 10:15 - Nadia: See you", "13/04/2028, 10:15 - at the station: or not"]
    skipped, message = read(lines, form_of(*lines))
    assert skipped == NoMessage(2, "it is dated in the future, and was taken for text", lines[1], False)
    assert isinstance(message, Message)
    assert message.content.text == f"See you\n{lines[1]}"


def test_text_before_the_first_message_is_reported() -> None:
    lines = ["\n", "Exported by Nadia\n", "13/04/2023, 10:15 - Nadia: Hello\n"]
    skipped, message = read(lines, form_of(*lines))
    assert skipped == NoMessage(2, "it stands before the first message", "Exported by Nadia", False)
    assert isinstance(message, Message)


@pytest.mark.parametrize("rest", [["x" * (LONGEST + 1)], ["x" * 1000] * 200, ["\n"] * (3 * LONGEST)])
def test_a_message_that_is_too_long_is_skipped_and_reported(rest: list[str]) -> None:
    lines = ["13/04/2023, 10:15 - Nadia: first", *rest, "13/04/2023, 10:16 - Nadia: ok"]
    skipped, ok = read(lines, form_of(*lines))
    assert isinstance(skipped, NoMessage)
    assert (skipped.line, skipped.reason) == (1, "it is longer than a message can be")
    assert isinstance(ok, Message)


@for_each("text", ["", "Hello\nyou\n", "\x00\x01\x02", "31/12/2023\n", "99/99/9999, 10:15 - Nadia: x"])
def test_a_text_without_a_message_is_refused(text: str) -> None:
    error = refusal(text)
    assert error.code == "bad-data"
    assert "chat.txt" in error.message


@for_each(
    ("name", "found"),
    [
        ("WhatsApp Chat with Nadia Sample.txt", ["Nadia Sample"]),
        ("WhatsApp Chat with Nadia (2).txt", ["Nadia (2)", "Nadia"]),
        ("WhatsApp Chat - Nadia.zip", ["Nadia"]),
        ("WhatsApp Chat with +44 7700 900123.txt", ["+44 7700 900123"]),
        ("WhatsApp_Chat_with_Nadia.txt", ["Nadia"]),
        ("WhatsApp Chat mit Nadia.txt", ["Nadia"]),
        ("Chat de WhatsApp con Nadia.zip", ["Nadia"]),
        ("Discussion WhatsApp avec Nadia.zip", ["Nadia"]),
        ("Chat WhatsApp con Nadia.txt", ["Nadia"]),
        ("Conversa do WhatsApp com Nadia.txt", ["Nadia"]),
        ("WhatsApp-chat met Nadia.txt", ["Nadia"]),
        ("Чат WhatsApp с контактом Nadia.txt", ["Nadia"]),
        ("Nadia ile WhatsApp Sohbeti.txt", ["Nadia"]),
        ("دردشة واتساب مع Nadia.txt", ["Nadia"]),
        ("Nadia के साथ WhatsApp चैट.txt", ["Nadia"]),
        ("WhatsApp 与 Nadia 的对话.txt", ["Nadia"]),
        ("NadiaとのWhatsAppチャット.txt", ["Nadia"]),
        ("Nadia님과의 WhatsApp 대화.txt", ["Nadia"]),
        ("_chat.txt", []),
        ("Nadia.txt", []),
    ],
)
def test_the_name_of_the_chat_is_read_from_the_name_of_the_file(name: str, found: list[str]) -> None:
    assert titles(name) == found


# ── Properties ────────────────────────────────────────────────────────────────────────────────────

FORMS = [
    ("{0:%d}/{0:%m}/{0:%Y}, {0:%H}:{0:%M} - {1}: {2}", "dmy", 60),
    ("{0.month}/{0.day}/{0:%y}, {0:%I}:{0:%M}\u202f{0:%p} - {1}: {2}", "mdy", 60),
    ("{0:%d}.{0:%m}.{0:%y}, {0:%H}:{0:%M} - {1}: {2}", "dmy", 60),
    ("{0:%Y}-{0:%m}-{0:%d} {0:%H}.{0:%M} - {1}: {2}", "ymd", 60),
    ("[{0:%d}/{0:%m}/{0:%Y}, {0:%H}:{0:%M}:{0:%S}] {1}: {2}", "dmy", 1),
    ("\u200e[{0:%Y}-{0:%m}-{0:%d}, {0:%I}:{0:%M}:{0:%S} {0:%p}] {1}: {2}", "ymd", 1),
    ("[{0:%Y}/{0:%m}/{0:%d} {0:%H}:{0:%M}:{0:%S}] ~\u202f{1}: {2}", "ymd", 1),
]
MOMENTS = st.datetimes(datetime(2009, 1, 1), datetime(2026, 11, 20)).map(lambda at: at.replace(microsecond=0))
NAMES = st.from_regex(r"[^\W\d_][\w .()&🌸-]{0,20}[\w)]", fullmatch=True)
TEXTS = st.text(
    st.characters(exclude_characters=MARKS + "\r<", exclude_categories=["Cs"]), min_size=1, max_size=60
)


@given(
    st.lists(st.tuples(MOMENTS, NAMES, TEXTS), min_size=1, max_size=8), st.sampled_from(FORMS), st.booleans()
)
def test_messages_that_are_written_are_read_back(
    said_: list[tuple[datetime, str, str]], form: tuple[str, str, int], crlf: bool
) -> None:
    written, order, seconds = form
    wanted = []
    for at, name, text in said_:
        text = text.strip()
        assume(text and not any(header_of(line) for line in text.split("\n")))
        assume(
            content_of(text, is_iphone=True).kind == "text"
            and not content_of(text, is_iphone=True).is_deleted
        )
        assume(len(name.split()) > 0)
        shown = " ".join(name.split())
        at = at.replace(second=at.second if seconds == 1 else 0)
        wanted.append((at, f"~ {shown}" if "~" in written else shown, text))
    end = "\r\n" if crlf else "\n"
    lines = [written.format(at, name.removeprefix("~ "), text) + end for at, name, text in wanted]
    lines = [f"{part}\n" for line in lines for part in line.removesuffix("\n").split("\n")]
    found = list(read(lines, form_of(*lines, order=order)))
    assert [
        (each.at, each.sender, each.content.text) for each in found if isinstance(each, Message)
    ] == wanted


@given(st.lists(st.text(max_size=40), max_size=20))
def test_no_text_makes_the_reader_raise(rest: list[str]) -> None:
    lines = ["31/12/2023, 23:59 - Nadia: Hello", *rest]
    assert list(read(lines, form_of(*lines)))


@for_each(
    "line",
    [
        "1/1/2023" + " " * 60_000,
        "1/1/2023, 1:22" + " " * 60_000 + "-",
        "1/1/2023 " + "a " * 30_000,
        "13/04/2023, 10:15 - Nadia: <" + " " * 60_000,
        "13/04/2023, 10:15 - Nadia: <a:" + " " * 60_000,
        "13/04/2023, 10:15 - Nadia: " + "(" * 60_000,
        "13/04/2023, 10:15 - Nadia: " + LRM * 60_000,
        "13/04/2023, 10:15 - Nadia: " + "<" * 60_000 + ">",
        "13/04/2023, 10:15 - Nadia: P:\nq\no: a (" + "1" * 60_000,
        "13/04/2023, 10:15 - " + "“" * 60_000,
        "1" * 60_000,
    ],
)
def test_no_line_takes_long_to_parse(line: str) -> None:
    lines = ["13/04/2023, 10:15 - Nadia: Hello", line, line]
    start = clock.process_time()
    list(read(lines, form_of(*lines)))
    assert clock.process_time() - start < 2


def test_a_file_is_read_message_by_message() -> None:
    """A message is returned as soon as the next one begins."""

    def endless():
        at = datetime(2023, 4, 13)
        while True:
            at += timedelta(minutes=1)
            yield f"{at:%d/%m/%Y, %H:%M} - Nadia: Hello\n"

    found = read(endless(), form_of(*islice(endless(), 10)))
    assert len(list(islice(found, 1000))) == 1000
