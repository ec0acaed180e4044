"""Made-up people and their messages, in several scripts, with words of a given frequency."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import accumulate

from wa.whatsapp.events import MessageReceived

PEOPLE, GROUPS = 160, 40
ME = "12025550100@s.whatsapp.net"
NEWEST = 1_760_000_000
"""The time of the last message, in Unix seconds."""
SPAN = 5 * 365 * 86_400

# None of these occurs in a made-up word: the syllables below lack q, v, x and z.
RARE, MIDDLING, COMMON = "xylograph", "vintage", "vivid"
RARE_TWO, COMMON_TWO = "qx", "vz"
RARE_CHINESE, COMMON_CHINESE = "鸑鷟", "今天"
RARE_EVERY, MIDDLING_EVERY, COMMON_EVERY = 50_000, 500, 12

_NAMES = [
    "Reem",
    "Adam",
    "Noor",
    "Lena",
    "Omar",
    "Mei",
    "Ivan",
    "Asha",
    "Tom",
    "Yara",
    "Jürgen",
    "Zoë",
    "Li",
    "Olga",
    "Ravi",
    "Salma",
]
_SCRIPTS = ("latin", "accents", "arabic", "chinese", "cyrillic", "devanagari")
_SHARES = (52, 10, 12, 12, 8, 6)
_KINDS = ("text", "image", "voice", "system")
_KIND_SHARES = (93, 3, 3, 1)


def _syllables(first: str, second: str) -> list[str]:
    return [a + b for a in first for b in second]


_PARTS = {
    "latin": _syllables("bcdfghjklmnprstw", "aeiou") + ["th", "sh", "er", "ing", "and"],
    "accents": _syllables("bdfglmnrst", "äöüéèß"),
    "arabic": _syllables("بتثجحخدرسشصطعفقكلمنهوي", "اويةن"),
    "cyrillic": _syllables("бвгджзклмнпрст", "аеиоуыя"),
    "devanagari": _syllables("कखगचजटडतदनपबमयरलवसह", "ािीुे"),
}


def people() -> list[str]:
    """Return the JIDs of the people, with numbers reserved for fiction."""
    return [f"4477009{number:05d}@s.whatsapp.net" for number in range(PEOPLE)]


def groups() -> list[str]:
    """Return the JIDs of the groups."""
    return [f"120363{number:013d}@g.us" for number in range(GROUPS)]


def hidden(person: str) -> str:
    """Return a person's hidden id, under which the person writes in every other group."""
    return f"9{person[7:12]}00000000@lid"


def name_of(number: int) -> str:
    """Return the name of the person or group with that index."""
    return f"{_NAMES[number % len(_NAMES)]} {number}"


class Corpus:
    """`count` messages as a history sync brings them: chat by chat, the newest of each first."""

    def __init__(self, count: int, seed: int = 16) -> None:
        self.count = count
        self._rare_every = min(RARE_EVERY, count // 4)
        self._random = random.Random(seed)
        self._words = {script: self._vocabulary(script) for script in _PARTS}
        self._characters = [chr(0x4E00 + 7 * number) for number in range(1_500)]
        self._weights = list(accumulate(1 / (rank + 8) for rank in range(1_500)))
        self._people = people()

    def chunks(self, size: int) -> Iterator[list[MessageReceived]]:
        """Yield the messages, so many at a time."""
        chunk: list[MessageReceived] = []
        for number, (chat, speaker, timestamp) in enumerate(self._lines(), 1):
            chunk.append(self._message(number, chat, speaker, timestamp))
            if len(chunk) == size:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _lines(self) -> Iterator[tuple[str, Callable[[], str], int]]:
        """Yield the chat, sender and time of each message."""
        chats = people() + groups()
        self._random.shuffle(chats)
        shares = [1 / (rank + 5) for rank in range(len(chats))]
        ends = [round(self.count * part / sum(shares)) for part in accumulate(shares)]
        for chat, start, end in zip(chats, [0, *ends], ends, strict=False):
            speaker = self._speaker(chat)
            for number in range(end - start):
                age = (number + self._random.random()) / (end - start) * SPAN
                yield chat, speaker, NEWEST - int(age)

    def _speaker(self, chat: str) -> Callable[[], str]:
        if not chat.endswith("@g.us"):
            return lambda: chat
        members = self._random.sample(self._people, 12)
        if int(chat[:-5]) % 2:
            members = [hidden(person) for person in members]
        return lambda: self._random.choice(members)

    def _message(self, number: int, chat: str, speaker: Callable[[], str], stamp: int) -> MessageReceived:
        kind = self._random.choices(_KINDS, _KIND_SHARES)[0]
        mine = self._random.random() < 0.45
        return MessageReceived(
            chat_jid=chat,
            message_id=f"3EB0{self._random.getrandbits(72):018X}",
            sender=ME if mine else speaker(),
            timestamp=stamp,
            content=self._text(number) if kind in ("text", "image") else None,
            message_type=kind,
            is_from_me=mine,
        )

    def _text(self, number: int) -> str:
        script = self._random.choices(_SCRIPTS, _SHARES)[0]
        length = min(60, 1 + int(self._random.expovariate(1 / 8)))
        if script == "chinese":
            picked = self._random.choices(self._characters, cum_weights=self._weights, k=length + 3)
            return "".join(picked) + "".join(self._planted(number, script))
        words = self._random.choices(self._words[script], cum_weights=self._weights, k=length)
        if self._random.random() < 0.1:
            words.append(self._random.choice("😀🎉❤️👍🙏"))
        return " ".join([*words, *self._planted(number, script)])

    def _planted(self, number: int, script: str) -> Iterator[str]:
        """Return the words that searches look for, each as often as its frequency says."""
        if number % self._rare_every == self._rare_every // 2:
            yield f"{RARE} {RARE_TWO} {RARE_CHINESE}"
        if number % MIDDLING_EVERY == 0:
            yield MIDDLING
        if script == "latin" and self._random.randrange(COMMON_EVERY) == 0:
            yield f"{COMMON} {COMMON_TWO}"
        if script == "chinese" and self._random.randrange(COMMON_EVERY) == 0:
            yield COMMON_CHINESE

    def _vocabulary(self, script: str) -> list[str]:
        """Return the words of a script; frequent words are short."""
        parts = _PARTS[script]
        lengths = (1 if rank < 40 else 2 + rank % 2 for rank in range(1_500))
        return ["".join(self._random.choices(parts, k=length)) for length in lengths]
