"""Reading phone numbers, as people type them and as address books write them."""

from __future__ import annotations

import pytest

from wa.errors import WaError
from wa.phones import known_region, parse_phone, read_number

REEM = "447700900123"


@pytest.mark.parametrize(
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
    found, warning = read_number(text, region)
    assert (found, warning is None) == (digits, is_sure)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("call me", "no number"), ("123", "too short"), ("07700 900123", "no country code")],
)
def test_a_text_that_is_not_a_number_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_number(text, None)


def test_regions_are_country_codes() -> None:
    assert known_region("GB")
    assert not known_region("UK")
