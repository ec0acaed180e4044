"""Phone numbers: parsing the forms that people write into international digits without `+`."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from wa.errors import WaError

if TYPE_CHECKING:
    import phonenumbers

# ITU-T E.164 allows 15 digits; the shortest numbers in use with their country code have 7.
INTERNATIONAL = re.compile(r"[1-9][0-9]{6,14}")
_FEWEST_DIGITS = 5
"""A number with fewer digits is an operator's short code, not a person's number."""
_FEWEST_INTERNATIONAL = 11
_PUNCTUATION = re.compile(r"[\s().\-/\u00a0\u2010-\u2015]+")


def known_region(region: str) -> bool:
    """Return whether `region` is an ISO 3166 code that has phone numbers."""
    import phonenumbers  # its tables are slow to load, and seldom needed

    return region in phonenumbers.SUPPORTED_REGIONS


def parse_phone(text: str, region: str | None) -> str | None:
    """Return the international digits of a phone number, or None if `text` is not one.

    `+44 7700 900123`, `0044…` and plain digits with the country code need no
    region; `07700 900123` needs one. With a region, digits without `+` or `00` are
    read as a national number if such a number exists, else as an international one.
    Raise WaError `usage` for a national number if no region is set.
    """
    if text.strip().startswith(("+", "00")):  # +44 (0)7700 …: the 0 is only for callers at home
        text = text.replace("(0)", "")
    bare = _PUNCTUATION.sub("", _visible(text))
    if not bare.isascii() or not re.fullmatch(r"\+?[0-9]+", bare):
        return None
    if bare.startswith(("+", "00")):
        digits = bare.removeprefix("+").removeprefix("00")
    elif region or bare.startswith("0"):
        return _national(bare, region)
    else:
        digits = bare
    return digits if INTERNATIONAL.fullmatch(digits) else None


def _visible(text: str) -> str:
    """Return `text` without the invisible marks (of text direction) that phones wrap numbers in."""
    return text if text.isascii() else "".join(char for char in text if unicodedata.category(char) != "Cf")


def _national(digits: str, region: str | None) -> str | None:
    if not 5 <= len(digits) <= 15:
        return None
    if region is None:
        raise WaError(
            "usage",
            f"{digits} has no country code",
            "write it as 447700900123, or set WA_REGION (GB, DE, …) for national numbers",
        )
    import phonenumbers

    number, _ = _best(digits, digits, region)
    if number is None or not phonenumbers.is_possible_number(number):
        return None
    return _international(number)


def read_number(text: str, region: str | None) -> tuple[str, str | None]:
    """Return the international digits of a number in an address book, and a warning if they may be wrong.

    A number without `+` or `00` is read as one of `region`, or as an international number
    if only that is in use or possible. Without a region it is read as international if it
    has at least 11 digits and is in use, or at least 12 digits and is possible.
    Raise ValueError, with the reason, if the text is not a phone number.
    """
    import phonenumbers

    text = _visible(text.strip())
    digits = "".join(str(unicodedata.digit(char)) for char in text if char.isdecimal())
    if len(digits) < _FEWEST_DIGITS:
        raise ValueError("it is too short for a phone number" if digits else "there is no number in it")
    is_international = bool(re.match(r"(tel:)?[\s(]*(\+|\uff0b|00)", text, re.IGNORECASE))
    if is_international:
        number = _parsed(re.sub(r"^[\s(]*00", "+", text), None)
        is_sure = number is not None and phonenumbers.is_possible_number(number)
    else:
        number, is_sure = _best(text, digits, region)
        enough = _FEWEST_INTERNATIONAL + (not is_sure)
        if not region and (number is None or digits[0] == "0" or len(digits) < enough):
            raise ValueError("it has no country code; say --region GB (or DE, …) if that is where it is from")
    whole = _international(number) if number else ""
    if not INTERNATIONAL.fullmatch(whole):
        raise ValueError("it is not a phone number")
    return whole, None if is_sure else f"it may be wrong; it was taken as +{whole}"


def _best(text: str, digits: str, region: str | None) -> tuple[phonenumbers.PhoneNumber | None, bool]:
    """Return a number that has no `+`, national rather than international, and whether it is in use."""
    import phonenumbers

    readings = [_parsed(text, region)] if region else []
    found = [each for each in [*readings, _parsed(f"+{digits}", None)] if each is not None]
    for is_so in (phonenumbers.is_valid_number, phonenumbers.is_possible_number):
        for number in found:
            if is_so(number):
                return number, is_so is phonenumbers.is_valid_number
    return (found[0] if region and found else None), False


def _international(number: phonenumbers.PhoneNumber) -> str:
    import phonenumbers

    return f"{number.country_code}{phonenumbers.national_significant_number(number)}"


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    import phonenumbers

    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
