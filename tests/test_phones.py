"""Reading phone numbers, as people type them and as address books write them."""

from __future__ import annotations

import pytest
from for_each import for_each

from wa.errors import WaError
from wa.phones import known_region, parse_phone, read_numbers

REEM = "447700900123"


@for_each(
    ("text", "region", "digits"),
    [
        ("+44 7700 900123", None, REEM),
        ("0044 (7700) 900-123", None, REEM),
        ("+44 (0)7700 900123", None, REEM),
        (REEM, None, REEM),
        (f"\u202a+{REEM}\u202c", None, REEM),
        ("07700 900123", "GB", REEM),
        ("7700 900123", "GB", REEM),
        (REEM, "US", REEM),
        ("Reem", None, None),
        ("12345", None, None),
        ("+4477009001234567", None, None),
        ("٤٤٧٧٠٠٩٠٠١٢٣", None, None),
    ],
)
def test_a_typed_number_is_read_as_digits(text: str, region: str | None, digits: str | None) -> None:
    assert parse_phone(text, region) == digits


def test_a_national_number_without_a_region_is_usage() -> None:
    with pytest.raises(WaError) as caught:
        parse_phone("07700 900123", None)
    assert caught.value.code == "usage"


@pytest.mark.parametrize(
    ("text", "region", "digits", "is_sure"),
    [
        ("tel:+44-7700-900123", None, REEM, True),
        ("07700 900123", "GB", REEM, False),
        ("٤٤٧٧٠٠٩٠٠١٢٣", None, REEM, False),
    ],
)
def test_a_number_of_an_address_book_is_read_or_doubted(
    text: str, region: str | None, digits: str, is_sure: bool
) -> None:
    ((found, warning),) = read_numbers(text, region)
    assert (found, warning is None) == (digits, is_sure)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("call me", "no number"), ("123", "too short"), ("07700 900123", "no country code")],
)
def test_a_text_that_is_not_a_number_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_numbers(text, None)


def test_regions_are_country_codes() -> None:
    assert known_region("GB")
    assert not known_region("UK")


# ── Texts with more than a number in them ─────────────────────────────────────────────────────────

LANDLINE = "442079460123"
OTHER = "447700900124"


@for_each(
    "rest",
    [
        "p12", "P12", "p12p3", "pp12", " p 12", "w12", "W 12", "p12w34", ",12", ",,12", ";12", ";;,;12",
        ", 12", "#12", "*12", "~12", "p", ",", ";", "t12", "p12#", "p*12#,3", " pause 12",
        "p123456789012", ",447700900999", ";00447700900999", "x12", " x 12", "X12", " ext. 12",
        " ext 12", "ext12", ";ext=12", ", ext. 12", " extension 12", " (ext. 12)", " Durchwahl 12",
        " DW 12", " App. 12", " Nst. 12", " poste 12", " anexo 12", " ramal 12", " int. 12",
        " interno 12", " toestel 12", " wewn. 12", " linka 12", " mellék 12", " dahili 12", " доб. 12",
        " доб 12", " вн. 12", " εσωτ. 12", "内線12", " 分机 12", " שלוחה 12", " (Mum)", " mobile", " - work",
        "/4", "/24",
    ],
)  # fmt: skip
@for_each(("text", "region"), [("+44 7700 900123", None), ("07700900123", "GB")])
def test_what_follows_a_number_does_not_become_part_of_it(text: str, region: str | None, rest: str) -> None:
    assert [number for number, _ in read_numbers(text + rest, region)] == [REEM]


def test_a_pause_after_a_number_of_any_length_ends_it() -> None:
    """German numbers have no fixed length, so the length does not show where the number ends."""
    for rest in ("p12", "w12", ",12", ";12", " Durchwahl 12", "x12"):
        assert read_numbers(f"+49-30-23125012{rest}", None) == [("493023125012", None)], rest


@for_each("code", ["*31#", "#31#", "*31# ", "* 31 #", "#31#*31#", "**31#", "*67", "*67 ", "*82-"])
def test_a_service_code_before_a_number_is_left_out(code: str) -> None:
    assert [number for number, _ in read_numbers(f"{code}+447700900123", None)] == [REEM]
    assert [number for number, _ in read_numbers(f"{code}07700 900123", "GB")] == [REEM]


@for_each("between", [
    " / ", "/", " or ", " OR ", " oder ", " ou ", " или ", " and ", "\n", "\r\n", "\t", " | ", " & ", " ::: ",
    ", Home: ", " (work), mobile ", ";Fax ", "  ", " - ",
])  # fmt: skip
def test_two_numbers_in_one_text_are_two_numbers(between: str) -> None:
    found = read_numbers(f"020 7946 0123{between}07700 900123", "GB")
    assert [number for number, _ in found] == [LANDLINE, REEM]
    found = read_numbers(f"+{LANDLINE}{between}+{REEM}", None)
    assert [number for number, _ in found] == [LANDLINE, REEM]


@pytest.mark.parametrize("between", [", ", "; "])
def test_a_whole_number_behind_a_comma_and_a_space_is_another_number(between: str) -> None:
    found = read_numbers(f"020 7946 0123{between}07700 900123", "GB")
    assert [number for number, _ in found] == [LANDLINE, REEM]
    for rest in ("0012025550144", "00 1 202 555 0144", "0123456", "07700 900123#", "1234567890"):
        found = read_numbers(f"020 7946 0123{between}{rest}", "GB")
        assert [number for number, _ in found] == [LANDLINE], rest


@for_each("between", [", ", ";", " ", "+", " +", "; "])
def test_a_plus_begins_another_number(between: str) -> None:
    found = read_numbers(f"+{LANDLINE}{between}+{REEM} / +{OTHER}".replace("++", "+"), None)
    assert [number for number, _ in found] == [LANDLINE, REEM, OTHER]


@for_each(
    ("text", "region", "digits"),
    [
        ("030/23125012", "DE", "493023125012"),
        ("+49 30/231 250 12", None, "493023125012"),
        ("0049/30/2312/5012", None, "493023125012"),
        ("0475/12/34/56", "BE", "32475123456"),
        ("+32 475 12/34/56", None, "32475123456"),
    ],
)
def test_slashes_inside_a_number_do_not_end_it(text: str, region: str | None, digits: str) -> None:
    assert read_numbers(text, region) == [(digits, None)]


@for_each(
    ("text", "region", "digits"),
    [
        ("tel:+44-20-7946-0123;ext=102", None, LANDLINE),
        ("tel:7946-0123;phone-context=+44-20", None, LANDLINE),
        ("tel:020-7946-0123;phone-context=example.com", "GB", LANDLINE),
        ("tel:%2B442079460123", None, LANDLINE),
        ("sms:+442079460123?body=Hi", None, LANDLINE),
        ("tel://+442079460123", None, LANDLINE),
        ("442079460123@s.whatsapp.net", None, LANDLINE),
        ("\uff0b\uff14\uff14 2079460123", None, LANDLINE),
        ("+00442079460123", None, LANDLINE),
        ("00 +44 20 7946 0123", None, LANDLINE),
        ("Tel. 020 7946 0123", "GB", LANDLINE),
        ("+1-800-555-WORK", None, "18005559675"),
        ("1-800-FLOWERS", "US", "18003569377"),
    ],
)
def test_a_number_is_read_in_every_writing(text: str, region: str | None, digits: str) -> None:
    assert [number for number, _ in read_numbers(text, region)] == [digits]


@for_each(
    ("text", "reason"),
    [
        ("*100#", "service code"),
        ("*#06#", "service code"),
        ("**21*+447700900123#", "service code"),
        ("1" * 30, "30 digits"),
        ("+" + "4" * 30, "30 digits"),
        ("07700 900ABC", "letters"),
        ("A1 07700 900123", "letters"),
        ("+1-800-FLOWERSHOP", "letters"),
        ("07700 900123 ID 1234567890", "letters"),
        ("+44 +7700 900123", "two ways"),
        ("0" * 301, "too long"),
        ("FLOWERS", "no number"),
    ],
)
def test_a_text_without_a_number_for_sure_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_numbers(text, "GB")


def test_what_may_have_been_a_second_number_is_named() -> None:
    for text in ("+447700900123,0012025550144", "+447700900123/24", "+447700900123 or 07700 900124"):
        ((number, warning),) = read_numbers(text, None)
        assert (number, warning is not None and "only +447700900123" in warning) == (REEM, True), text


@for_each(
    ("text", "what"),
    [
        ("+447700900123p12", "a pause"),
        ("447700900123,12", "a pause"),
        ("+447700900123 ext. 12", "an extension"),
        ("*31#+447700900123", "a service code"),
        ("+447700900123 / +447700900124", "a second number"),
        ("+447700900123/24", "another ending"),
    ],
)
def test_more_than_a_number_is_refused_when_typed(text: str, what: str) -> None:
    with pytest.raises(WaError) as caught:
        parse_phone(text, None)
    assert caught.value.code == "usage"
    assert what in caught.value.message
    assert "447700900123" in str(caught.value.hint)


@for_each("text", ["Nadia p12", "007 p 1", "10 p.m.", "#1 fan"])
def test_a_name_is_no_number_with_a_pause(text: str) -> None:
    assert parse_phone(text, "GB") is None
