"""Whether a text is one emoji, by the grammar of Unicode (UTS #51, 1.4.9), with the characters of Emoji 17.

From U+1F300 on, what is not assigned yet counts as an emoji: phones know new ones before this list would.
"""

from __future__ import annotations

import re
from functools import cache

from wa.errors import WaError

_OLD = (
    "©®‼⁉™ℹ↔-↙↩↪⌚⌛⌨⏏⏩-⏳⏸-⏺Ⓜ▪▫▶◀◻-◾☀-☄☎☑☔☕☘☝☠☢☣☦☪☮☯☸-☺♀♂♈-♓♟♠♣♥♦♨♻♾♿⚒-⚗⚙⚛⚜⚠⚡⚧⚪⚫⚰⚱⚽⚾⛄⛅⛈⛎⛏⛑⛓⛔⛩⛪⛰-⛵⛷-⛺⛽"
    "✂✅✈-✍✏✒✔✖✝✡✨✳✴❄❇❌❎❓-❕❗❣❤➕-➗➡➰➿⤴⤵⬅-⬇⬛⬜⭐⭕〰〽㊗㊙"
    "\U0001f004\U0001f0cf\U0001f170\U0001f171\U0001f17e\U0001f17f\U0001f18e\U0001f191-\U0001f19a"
    "\U0001f201\U0001f202\U0001f21a\U0001f22f\U0001f232-\U0001f23a\U0001f250\U0001f251"
)
_PICTURES = (
    "\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7ff\U0001f90c-\U0001f9ff"
    "\U0001fa70-\U0001faff"
)
_STYLE, _KEY, _JOINER = "\ufe0f", "\u20e3", "\u200d"
_AS_TEXT = "\ufe0e"
"""It asks for the black-and-white form of the emoji before it."""


@cache
def _form() -> re.Pattern[str]:
    tags = "[\U000e0020-\U000e007e]{1,30}\U000e007f"
    picture = f"[{_OLD}{_PICTURES}](?:[\U0001f3fb-\U0001f3ff]{_STYLE}?|{_STYLE}|{_AS_TEXT})?(?:{tags})?"
    flag = "[\U0001f1e6-\U0001f1ff]{2}"
    return re.compile(f"{flag}|[0-9#*]{_STYLE}?{_KEY}|{picture}(?:{_JOINER}{picture}){{0,9}}")


def check(text: str) -> None:
    """Raise WaError `usage` unless a text is one emoji, or empty, which takes a reaction back."""
    if text and not _form().fullmatch(text):
        raise WaError("usage", f"{text[:20]!r} is not one emoji", 'one, such as 👍, or "" to take it back')
