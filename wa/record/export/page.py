"""An export as one page that a browser opens from the disk: it can be searched, and asks nobody for anything.

All text is escaped. A policy in the page (CSP) lets the browser run the one script below, known by its hash,
and load nothing but the files beside the page.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator
from datetime import date
from html import escape
from pathlib import PurePosixPath
from urllib.parse import quote

from wa.jids import show_jid
from wa.record import messages
from wa.record.export.job import Job
from wa.store.database import BATCH, Row
from wa.texts import clean, one_line

_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #16181d; --dim: #5b6270; --theirs: #eef0f4;
  --ours: #d9f2e3; --line: #c9ced8 }
@media (prefers-color-scheme: dark) { :root { --back: #14171c; --text: #e7e9ee; --dim: #9aa3b2;
  --theirs: #232831; --ours: #1d3b2c; --line: #3a4150 } }
body { margin: 0 auto; max-width: 46rem; padding: 0 1rem 3rem; background: var(--back); color: var(--text);
  font: 1rem/1.45 system-ui, sans-serif }
header { position: sticky; top: 0; padding: .75rem 0; background: var(--back) }
input { box-sizing: border-box; width: 100%; padding: .5rem .75rem; font: inherit; color: inherit;
  background: var(--back); border: 1px solid var(--line); border-radius: .5rem }
h2 { margin: 2rem 0 .5rem; font-size: 1.2rem } h3 { margin: 1.25rem 0 .5rem; text-align: center;
  font-size: .85rem; font-weight: 500; color: var(--dim) }
article { width: fit-content; max-width: 85%; margin: .35rem 0; padding: .4rem .75rem; border-radius: .75rem;
  background: var(--theirs); overflow-wrap: anywhere }
article.ours { margin-left: auto; background: var(--ours) }
article.notice { margin: .35rem auto; background: none; color: var(--dim); font-size: .9rem }
article b { margin-right: .5rem } time, .more { color: var(--dim); font-size: .8rem }
p { margin: .1rem 0; white-space: pre-wrap } blockquote { margin: .2rem 0; padding-left: .6rem;
  border-left: 3px solid var(--line); color: var(--dim); font-size: .9rem }
img, video { display: block; max-width: 100%; max-height: 28rem; border-radius: .4rem }
[hidden] { display: none }
"""
_SCRIPT = """
const box = document.querySelector("input"), count = document.querySelector("output");
const plain = text => text.normalize("NFKD").replace(/\\p{M}/gu, "").toLowerCase();
let all, waits;
function search() {
  all ??= Array.from(document.querySelectorAll("article"), each => [each, plain(each.textContent)]);
  const words = plain(box.value).split(/\\s+/).filter(Boolean);
  let hits = 0;
  for (const [each, text] of all) {
    const fits = words.every(word => text.includes(word));
    each.hidden = !fits;
    hits += fits;
  }
  for (const day of document.querySelectorAll("h3")) day.hidden = words.length > 0;
  for (const chat of document.querySelectorAll("section"))
    chat.hidden = words.length > 0 && !chat.querySelector("article:not([hidden])");
  count.textContent = words.length ? `${hits} of ${all.length}` : "";
}
box.addEventListener("input", () => { clearTimeout(waits); waits = setTimeout(search, 150); });
"""


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; img-src 'self' data:; media-src 'self'; style-src {_hash(_STYLE)};"
    f" script-src {_hash(_SCRIPT)}; base-uri 'none'; form-action 'none'"
)
_PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".webp")
_FILMS = (".mp4", ".webm", ".mov", ".3gp")
_SOUNDS = (".ogg", ".opus", ".mp3", ".m4a", ".aac", ".wav", ".flac")
_ADDRESS = re.compile(r"https?://[^\s<>\"'`]+[^\s<>\"'`.,;:!?)\]}]", re.IGNORECASE)
_QUOTE = 120
"""The most characters that are shown of a message that another one answers."""


def page(job: Job) -> Iterator[str]:
    """Yield the page in pieces."""
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Messages</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<header>"
        '<input type="search" placeholder="Search" aria-label="Search in these messages" autocomplete="off">'
        '<output class="more" aria-live="polite"></output></header>\n<main>\n'
    )
    for chat, rows in job.each_chat():
        day: date | None = None
        parts: list[str] = []
        for number, row in enumerate(rows):
            if number == 0:
                parts.append(f"<section><h2>{_text(show_jid(chat, row['chat_name']))}</h2>\n")
            at = job.time(row)
            if at.date() != day:
                day = at.date()
                parts.append(f"<h3>{day:%A} {day.day} {day:%B} {day.year}</h3>\n")
            parts.append(_message(job, row))
            if len(parts) >= BATCH:
                yield "".join(parts)
                parts.clear()
        yield "".join(parts) + "</section>\n"
    yield f"</main>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n"


def _message(job: Job, row: Row) -> str:
    at = job.time(row)
    kind = "notice" if row["message_type"] == "system" else "ours" if row["is_from_me"] else ""
    time = f'<time datetime="{at.isoformat()}">{at:%H:%M}</time>'
    more = " (edited)" if row["edited_at"] and not row["deleted_at"] else ""
    more += "".join(f" {_text(each['emoji'])}" for each in row["reactions"])
    name = "" if kind else f"<b>{_text(show_jid(row['sender'], row['sender_name']))}</b>"
    shown = f'<p dir="auto">{_linked(job.say(row))}</p>'
    parts = [
        f"{name}{time}",
        f'<span class="more">{more}</span>' * bool(more),
        _answered(job, row),
        _file(job, row),
    ]
    return f'<article class="{kind}">{"".join(parts)}{shown}</article>\n'


def _answered(job: Job, row: Row) -> str:
    """Return the beginning of the message that a message answers."""
    about = messages.about(job.store, row["chat_jid"], row["quoted_id"]) if row["quoted_id"] else None
    text = one_line(job.say(about)) if about else ""
    cut = text[:_QUOTE] + "…" * (len(text) > _QUOTE)
    return f'<blockquote dir="auto">{_text(cut)}</blockquote>' if text else ""


def _file(job: Job, row: Row) -> str:
    """Return the picture, film or sound of a message, or a link to its file."""
    path = job.file_of(row)
    if path is None:
        return ""
    suffix, where = PurePosixPath(path).suffix, _reference(path)
    if suffix in _PICTURES:
        return f'<img src="{where}" alt="" loading="lazy">'
    if suffix in _FILMS:
        return f'<video src="{where}" controls preload="none"></video>'
    if suffix in _SOUNDS:
        return f'<audio src="{where}" controls preload="none"></audio>'
    return f'<a href="{where}">{_text(PurePosixPath(path).name)}</a>'


def _reference(path: str) -> str:
    """Return the relative address of a file beside the page."""
    return f"./{quote(path)}"


def _linked(text: str) -> str:
    """Return a text escaped, with its http and https addresses as links."""
    text, end, parts = clean(text), 0, []
    for found in _ADDRESS.finditer(text):
        address = escape(found[0])
        parts += [
            escape(text[end : found.start()]),
            f'<a href="{address}" rel="noopener noreferrer">{address}</a>',
        ]
        end = found.end()
    return "".join([*parts, escape(text[end:])])


def _text(text: str) -> str:
    return escape(one_line(text))
