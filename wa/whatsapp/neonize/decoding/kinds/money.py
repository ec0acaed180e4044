"""Amounts of money in messages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from wa.whatsapp.neonize.decoding.fields import text_of

# ISO 4217: currencies without a smaller unit.
_WHOLE = ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF",
          "XOF", "XPF")  # fmt: skip
_MOST_PLACES = 6


def price(amount: Any, parts: Any, currency: Any) -> str:
    """Return an amount as `GBP 4.50`, '' without one; `parts` is the number of parts that make a whole."""
    try:
        exact = Decimal(str(amount or 0)) / (Decimal(str(parts or 0)) or 1)
        if not exact or not exact.is_finite():
            return ""
        places = 0 if text_of(currency) in _WHOLE else 2
        exact = round(exact, _MOST_PLACES).normalize()
        places = max(places, -int(exact.as_tuple().exponent))
        return f"{text_of(currency or '')} {exact:.{places}f}".strip()
    except (ArithmeticError, ValueError):  # not a number, or one of hundreds of digits
        return ""


def money(part: Any) -> str:
    """Return the amount in a part of a message that has value, offset and currency."""
    return price(part.value, part.offset, part.currencyCode)
