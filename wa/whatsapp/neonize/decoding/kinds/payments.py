"""Payments, requests for them and invoices."""

from __future__ import annotations

from typing import Any

from wa.whatsapp.moments import spoken
from wa.whatsapp.neonize.decoding.fields import Content, id_of, iso_times, lines, text_of
from wa.whatsapp.neonize.decoding.kinds.money import money, price
from wa.whatsapp.neonize.decoding.kinds.plain import plain_text

_SERVICES = {1: "Facebook Pay", 2: "Novi", 3: "UPI", 4: "Pix"}
_EVERY = {1: "every week", 2: "every two weeks", 3: "every month", 4: "every three months"}


def payment(part: Any) -> Content:
    """Return the content of a payment; the amount itself is not in the message."""
    return Content(
        "text", lines("Payment", plain_text(part.noteMessage)), quoted_id=id_of(part.requestMessageKey)
    )


def request(part: Any) -> Content:
    """Return the content of a request for a payment."""
    cost = money(part.amount) or price(part.amount1000, 1000, part.currencyCodeIso4217)
    times = iso_times(expires_at=part.expiryTimestamp)
    label = f"Payment request: {cost}" if cost else "Payment request"
    return Content("text", lines(label, plain_text(part.noteMessage), *spoken(times)), times)


def declined(part: Any) -> Content:
    """Return the content of a refusal to pay."""
    return Content("text", "Declined a payment request", quoted_id=id_of(part.key))


def cancelled(part: Any) -> Content:
    """Return the content of a request for a payment that is taken back."""
    return Content("text", "Cancelled a payment request", quoted_id=id_of(part.key))


def invitation(part: Any) -> Content:
    """Return the content of an invitation to a payment service."""
    service = _SERVICES.get(part.serviceType, "")
    return Content("text", f"Invitation to payments by {service}" if service else "Invitation to payments")


def invoice(part: Any) -> Content:
    """Return the content of an invoice."""
    note = text_of(part.note)
    return Content("text", f"Invoice: {note}" if note else "Invoice")


def reminder(part: Any) -> Content:
    """Return the content of a reminder of a payment."""
    what = " ".join(filter(None, (money(part.amount), _EVERY.get(part.frequency))))
    return Content("text", lines("Payment reminder", text_of(part.description), what))


def shared(part: Any) -> Content:
    """Return the content of a payment that several people share."""
    return Content("text", lines("Shared payment", text_of(part.description), money(part.totalAmount)))


def shared_update(_: Any) -> Content:
    """Return the content of the news that somebody has paid a share."""
    return Content("system", "A shared payment has changed")
