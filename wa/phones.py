"""Phone numbers: parsing the forms that people write into international digits without `+`."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from wa.errors import WaError

if TYPE_CHECKING:
    import phonenumbers

    from wa.phone_texts import Written

# ITU-T E.164 allows 15 digits; the shortest numbers in use with their country code have 7.
INTERNATIONAL = re.compile(r"[1-9][0-9]{6,14}")
_FEWEST_DIGITS = 5
"""A number with fewer digits is an operator's short code, not a person's number."""
_FEWEST_INTERNATIONAL = 11
_FEWEST_TYPED = 7
"""The fewest digits at the beginning of a typed text that are a number, and not of a name such as `007`."""
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
    Raise WaError `usage` for a national number if no region is set, and for a number with more than
    itself: a pause, an extension, a service code, a second number.
    """
    if text.strip().startswith(("+", "00")):  # +44 (0)7700 …: the 0 is only for callers at home
        text = text.replace("(0)", "")
    bare = _PUNCTUATION.sub("", _visible(text))
    if not bare.isascii() or not re.fullmatch(r"\+?[0-9]+", bare):
        _expect_no_more(text, region)
        return None
    if "/" in text:
        _expect_no_more(text, region)
    if bare.startswith(("+", "00")):
        digits = bare.removeprefix("+").removeprefix("00")
    elif region or bare.startswith("0"):
        return _national(bare, region)
    else:
        digits = bare
    return digits if INTERNATIONAL.fullmatch(digits) else None


def _expect_no_more(text: str, region: str | None) -> None:
    """Raise WaError `usage` for a text with a number and more than that, such as +447700900123p12."""
    if not re.match(r"[\s(]*[+*#0-9]", text):
        return  # it begins with a word, so it is a name
    try:
        written = _numbers_in(text, region)[0]
    except ValueError:
        return
    is_number = sum(map(str.isdecimal, written.text)) >= _FEWEST_TYPED
    if is_number and (written.rest or written.left_out):
        more = written.rest or "more than one number"
        raise WaError(
            "usage", f"{text.strip()!r} has {more}", f"give the number alone: {written.text.strip()}"
        )


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


def read_numbers(text: str, region: str | None) -> list[tuple[str, str | None]]:
    """Return the numbers in a text of an address book, each with a warning if it may be wrong.

    They are international digits. Pauses, extensions and service codes are left out. A number without
    `+` or `00` is read as one of `region`, or as an international number if only that is in use or
    possible. Without a region it is read as international if it has at least 11 digits and is in use,
    or at least 12 digits and is possible.
    Raise ValueError, with the reason, if there is no phone number in the text, or none for sure.
    """
    found: list[tuple[str, str | None]] = []
    fault = None
    for written in _numbers_in(text, region):
        try:
            number, doubt = _read_number(written.text, region)
        except ValueError as error:
            fault = error
            continue
        found.append((number, f"only +{number} of it was read" if written.left_out else doubt))
    if fault and not found:
        raise fault
    if fault:
        found[-1] = (found[-1][0], f"only +{found[-1][0]} of it was read; of the rest: {fault}")
    return found


def _numbers_in(text: str, region: str | None) -> list[Written]:
    from wa.phone_texts import numbers_in  # its patterns take 5 ms to compile, and most numbers are plain

    return numbers_in(text, lambda part: _is_whole(part, region), lambda part: _is_used(part, region))


def _read_number(text: str, region: str | None) -> tuple[str, str | None]:
    import phonenumbers

    digits = re.sub("[^0-9]", "", text)
    if len(digits) < _FEWEST_DIGITS:
        raise ValueError("it is too short for a phone number")
    if abroad := _abroad(text):
        number = _parsed(abroad, None)
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


@lru_cache(maxsize=64)
def _is_whole(text: str, region: str | None) -> bool:
    """Return whether a text has as many digits as the numbers of its country, else at least 7."""
    import phonenumbers

    digits = re.sub("[^0-9]", "", text)
    if not 7 <= len(digits) <= 18:
        return False
    number = _best_reading(text, region)
    if number is None:
        return not region and not re.match(r"[\s(]*(\+|00)", text)
    kinds = phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE
    lengths = (phonenumbers.is_possible_number_for_type_with_reason(number, kind) for kind in kinds)
    return phonenumbers.ValidationResult.IS_POSSIBLE in lengths or phonenumbers.is_valid_number(number)


def _is_used(text: str, region: str | None) -> bool:
    """Return whether a text is a number of a range that its country has given out."""
    import phonenumbers

    number = _best_reading(text, region)
    return number is not None and phonenumbers.is_valid_number(number)


def _best_reading(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    digits = re.sub("[^0-9]", "", text)
    if abroad := _abroad(text):
        return _parsed(abroad, None)
    return _parsed(f"+{digits}", None) if not region and digits[0] != "0" else _best(text, digits, region)[0]


def _abroad(text: str) -> str | None:
    """Return a number that is written with `+`, `00` or both as one with `+` alone; None for others."""
    start = re.match(r"[\s(]*(?:\+[\s(]*(?:00)?|00)", text)
    return f"+{text[start.end() :]}" if start else None


@lru_cache(maxsize=64)
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


@lru_cache(maxsize=64)  # an address book's number is looked at in several ways
def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    import phonenumbers

    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None


def spaced(phone: str) -> str:
    """Return a number's international digits as people write them: `+44 7700 900123`."""
    import phonenumbers

    number = _parsed(f"+{phone}", None)
    if number is None:
        return f"+{phone}"
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
