"""The JSON in a business's buttons and in people's answers to them: labels, addresses, codes, prices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from wa.whatsapp.moments import spoken
from wa.whatsapp.neonize.decoding.fields import encodable, iso_times, labelled, lines, text_of
from wa.whatsapp.neonize.decoding.kinds.money import price

_LABELS = ("display_text", "title", "button_text", "flow_cta", "text", "header", "merchant_name", "name")
_VALUES = ("url", "copy_code", "phone_number", "code", "key", "digitable_line", "uri")
_PARTS = ("link", "limited_time_offer", "sections", "rows", "payment_settings", "pix_static_code",
          "pix_dynamic_code", "boleto", "payment_link", "order")  # fmt: skip
"""Parts that are read like the whole, in lines of their own."""
_OTP = re.compile(r"https://www\.whatsapp\.com/otp/.*[?&]code=(?:otp)?([^&#]+)")
"""The address behind a button that copies a code, in templates of Meta's Cloud API."""
_OF_PROGRAMS = ("flow_token", "version", "id", "screen", "type", "source", "wa_flow_response_params")
"""Keys of an answer that are not the person's."""
_MOST = 500
"""The most values of one message that are shown."""


def code_in(url: str) -> str:
    """Return the code that a button copies, where its address stands for that; else the address."""
    code = _OTP.match(url)
    return code[1] if code else url


def text(written: Any, label: str = "") -> str:
    """Return the text of a button, or of what belongs to all buttons; `label` is known already."""
    found: list[str] = []
    with suppress(RecursionError):
        _read(_parsed(written), label, "", found)
    return encodable(lines(*found[:_MOST]))


def answers(written: Any) -> str:
    """Return the values that somebody filled in, each with its name."""
    found: list[str] = []
    with suppress(RecursionError):
        _fill(_parsed(written), found)
    return encodable(lines(*found[:_MOST]))


def _parsed(written: Any) -> Any:
    try:
        return json.loads(text_of(written) or "{}")
    except ValueError:
        return {}


def _read(part: Any, label: str, currency: str, found: list[str]) -> None:
    if isinstance(part, list):
        for each in part[:_MOST]:
            _read(each, "", currency, found)
    if not isinstance(part, dict):
        return
    currency = _string(part.get("currency")) or currency
    label = label or _first(part, _LABELS)
    values = list(dict.fromkeys(filter(None, (code_in(_string(part.get(name))) for name in _VALUES))))
    description = _string(part.get("description"))
    if not values:
        values, description = [description], ""
    found += [labelled(label, values[0]), *values[1:], description]
    found += [f"Reference: {number}" for number in [_string(part.get("reference_id"))] if number]
    found += _items(part.get("items"), currency)
    until = part.get("expiration_time")
    found += spoken(iso_times(expires_at=until)) if isinstance(until, int) else []
    for name in _PARTS:
        _read(part.get(name), "", currency, found)
    found += [f"Total: {total}" for total in [_amount(part.get("total_amount"), currency)] if total]


def _first(part: dict[str, Any], names: Iterable[str]) -> str:
    return next((told for name in names if (told := _string(part.get(name)))), "")


def _string(value: Any) -> str:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number else value.strip() if isinstance(value, str) else ""


def _items(items: Any, currency: str) -> list[str]:
    shown = []
    for each in items[:_MOST] if isinstance(items, list) else []:
        if isinstance(each, dict):
            count = each.get("quantity")
            many = f"{count} × " if isinstance(count, int) and count > 1 else ""
            cost = _amount(each.get("sale_amount") or each.get("amount"), currency)
            shown.append(f"{many}{labelled(_string(each.get('name')), cost)}")
    return shown


def _amount(part: Any, currency: str) -> str:
    return price(part.get("value"), part.get("offset"), currency) if isinstance(part, dict) else ""


def _fill(part: Any, found: list[str], name: str = "") -> None:
    if isinstance(part, dict):
        for key, value in list(part.items())[:_MOST]:
            if key not in _OF_PROGRAMS:
                _fill(value, found, key)
    elif isinstance(part, list):
        for value in part[:_MOST]:
            _fill(value, found, name)
    elif isinstance(part, str) and part.lstrip().startswith("{"):
        _fill(_parsed(part), found, name)
    elif isinstance(part, str | int | float) and not isinstance(part, bool):
        found.append(labelled(name.replace("_", " "), str(part)))
