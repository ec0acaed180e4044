"""Phone numbers and JIDs, WhatsApp's addresses (user@server)."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from wa.errors import WaError

if TYPE_CHECKING:
    import phonenumbers

USER_SERVER = "s.whatsapp.net"
GROUP_SERVER = "g.us"
LID_SERVER = "lid"

# ITU-T E.164 allows 15 digits; the shortest numbers in use with their country code have 7.
_PHONE = re.compile(r"[1-9][0-9]{6,14}")
_FEWEST_DIGITS = 5
"""Less is a short code of an operator's, not somebody's number."""
_FEWEST_INTERNATIONAL = 11
_USER_OF_SERVER = {
    USER_SERVER: _PHONE,
    LID_SERVER: re.compile(r"[0-9]{1,20}"),
    GROUP_SERVER: re.compile(r"[0-9]{5,32}(-[0-9]{5,20})?"),
    "broadcast": re.compile(r"[0-9]{1,20}|status"),
    "newsletter": re.compile(r"[0-9]{1,32}"),
}
_PUNCTUATION = re.compile(r"[\s().\-/\u00a0\u2010-\u2015]+")


def known_region(region: str) -> bool:
    """Whether `region` is an ISO 3166 code that has phone numbers."""
    import phonenumbers  # its tables are slow to load, and seldom needed

    return region in phonenumbers.SUPPORTED_REGIONS


def parse_phone(text: str, region: str | None) -> str | None:
    """The international digits of a phone number, or None where `text` is not one.

    `+44 7700 900123`, `0044…` and plain digits with the country code need no
    region; `07700 900123` needs one. With a region, digits alone are a national
    number where there is such a one, else international. Raises WaError `usage`
    for a national number while no region is set.
    """
    if text.strip().startswith(("+", "00")):  # +44 (0)7700 …: the 0 is only for callers at home
        text = text.replace("(0)", "")
    bare = _PUNCTUATION.sub("", _seen(text))
    if not bare.isascii() or not re.fullmatch(r"\+?[0-9]+", bare):
        return None
    if bare.startswith(("+", "00")):
        digits = bare.removeprefix("+").removeprefix("00")
    elif region or bare.startswith("0"):
        return _national(bare, region)
    else:
        digits = bare
    return digits if _PHONE.fullmatch(digits) else None


def _seen(text: str) -> str:
    """`text` without the marks that phones wrap numbers in, which nobody sees."""
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
    return _whole(number)


def read_number(text: str, region: str | None) -> tuple[str, str | None]:
    """The international digits of a number in somebody's address book, and what is doubtful about them.

    Without `+` or `00` a number is read as one of `region`, or as international
    where only that is in use or possible; without a region, as international where it has
    11 digits and is one in use, or more digits and could be one. Raises ValueError that says why it is none.
    """
    import phonenumbers

    text = _seen(text.strip())
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
    whole = _whole(number) if number else ""
    if not _PHONE.fullmatch(whole):
        raise ValueError("it is not a phone number")
    return whole, None if is_sure else f"it may be wrong; it was taken as +{whole}"


def _best(text: str, digits: str, region: str | None) -> tuple[phonenumbers.PhoneNumber | None, bool]:
    """What a number without `+` is, national rather than international; and whether it is one in use."""
    import phonenumbers

    readings = [_parsed(text, region)] if region else []
    found = [each for each in [*readings, _parsed(f"+{digits}", None)] if each is not None]
    for is_so in (phonenumbers.is_valid_number, phonenumbers.is_possible_number):
        for number in found:
            if is_so(number):
                return number, is_so is phonenumbers.is_valid_number
    return (found[0] if region and found else None), False


def _whole(number: phonenumbers.PhoneNumber) -> str:
    import phonenumbers

    return f"{number.country_code}{phonenumbers.national_significant_number(number)}"


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    import phonenumbers

    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None


def parse_jid(text: str) -> str | None:
    """`text` as a JID without its device part, or None where it has no `@`.

    Raises WaError `recipient-not-found` where it has one and is no JID.
    """
    user, at, server = text.strip().rpartition("@")
    if not at:
        return None
    user = re.sub(r":[0-9]+$", "", user)
    form = _USER_OF_SERVER.get(server.lower())
    if form is None:
        raise WaError(
            "recipient-not-found",
            f"{text!r} is not a WhatsApp address: its server is unknown",
            "addresses end in @s.whatsapp.net, @g.us, @lid, @broadcast or @newsletter",
        )
    if not form.fullmatch(user):
        raise WaError(
            "recipient-not-found",
            f"{text!r} is not a WhatsApp address: {user!r} does not fit @{server.lower()}",
            "a person is 447700900123@s.whatsapp.net, a group 1203…@g.us",
        )
    return f"{user}@{server.lower()}"


def parse_address(text: str) -> str | None:
    """The JID that a JID or an international phone number stands for; None for anything else."""
    if jid := parse_jid(text):
        return jid
    phone = parse_phone(text, None) if not text.strip().startswith("0") else None
    return jid_of_phone(phone) if phone else None


def jid_of_phone(phone: str) -> str:
    """The JID of a person with this phone number."""
    return f"{phone}@{USER_SERVER}"


def phone_of_jid(jid: str) -> str | None:
    """The phone number in a person's JID; None for groups, hidden ids and the rest."""
    user, _, server = jid.partition("@")
    return user if server == USER_SERVER else None


def is_group(jid: str) -> bool:
    """Whether the JID is a group's."""
    return jid.endswith("@" + GROUP_SERVER)


def is_lid(jid: str) -> bool:
    """Whether the JID is a hidden id (LID), which stands for somebody's phone number."""
    return jid.endswith("@" + LID_SERVER)


def show_jid(jid: str) -> str:
    """A JID as people like to read it: `+447700900123` for a person, else as it is."""
    phone = phone_of_jid(jid)
    return f"+{phone}" if phone else jid
