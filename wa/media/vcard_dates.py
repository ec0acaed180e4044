"""The lines of a card in which programs write a birthday."""

from __future__ import annotations

import re

from wa.media.vcard_lines import Line

BIRTHDAYS = ("BDAY", "X-BDAY", "X-BIRTHDAY", "X-BIRTHDATE", "BIRTHDAY")
_LABELS = re.compile(
    r"birthday|birth ?date|geburtstag|anniversaire|cumplea|compleanno|anivers[aá]rio|verjaardag|urodziny|"
    r"день рождения|födelsedag|fødselsdag|syntymäpäivä|doğum|narozen|születésnap|生日|誕生日|생일",
    re.IGNORECASE,
)
_ANDROID_EVENT = "vnd.android.cursor.item/contact_event"
_ANDROID_BIRTHDAY = "3"
"""The type of a birthday among the events of Android's ContactsContract."""


def birthday_of(line: Line, text: str) -> str:
    """Return the birthday as a line writes it, with the year 0000 where its year stands for none."""
    calendar = [each for each in line.param("CALSCALE") if each.lower() != "gregorian"]
    for year in line.param("X-APPLE-OMIT-YEAR"):
        if year.isdigit() and text.startswith(year):
            text = f"0000{text[len(year) :]}"
    return " ".join([text, *calendar])


def android_birthday(fields: list[str]) -> str | None:
    """Return the birthday in the fields of a line X-ANDROID-CUSTOM, None if it holds something else."""
    is_birthday = fields[0] == _ANDROID_EVENT and fields[2:3] == [_ANDROID_BIRTHDAY]
    return fields[1] if is_birthday else None


def is_birthday_label(label: str | None) -> bool:
    """Return whether a label that Apple's programs give to a date says that it is a birthday."""
    return bool(_LABELS.search(label or ""))
