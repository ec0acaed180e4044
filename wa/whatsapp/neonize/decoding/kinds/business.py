"""Messages of businesses: templates, buttons, lists, products, orders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wa.texts import counted
from wa.whatsapp.neonize.decoding.fields import labelled, lines, text_of
from wa.whatsapp.neonize.decoding.kinds import flows
from wa.whatsapp.neonize.decoding.kinds.money import price
from wa.whatsapp.neonize.decoding.kinds.places import place_text

_FORMS = ("hydratedTemplate", "hydratedFourRowTemplate", "interactiveMessageTemplate", "fourRowTemplate")
"""The forms of a template's text. A message may have it in several of them, for older phones."""


def template(part: Any) -> str:
    """Return the text and the buttons of a template."""
    form = next((getattr(part, name) for name in _FORMS if part.HasField(name)), None)
    if form is None:
        return ""
    if form.DESCRIPTOR.name == "InteractiveMessage":
        return interactive(form)
    if form.DESCRIPTOR.name == "FourRowTemplate":
        shown = (_structured(each) for each in (form.highlyStructuredMessage, form.content, form.footer))
        return lines(_header(form), *shown, *map(_button, form.buttons))
    said = (form.hydratedTitleText, form.hydratedContentText, form.hydratedFooterText)
    return lines(_header(form), *map(text_of, said), *map(_button, form.hydratedButtons))


def structured(part: Any) -> str:
    """Return the text of a template that the receiver's phone would fill in itself."""
    if part.HasField("hydratedHsm") and (text := template(part.hydratedHsm)):
        return text
    return _structured(part)


def _structured(part: Any) -> str:
    values = [text_of(each) for each in part.params] or map(_parameter, part.localizableParams)
    return lines(*values) or text_of(part.elementName).replace("_", " ")


def _parameter(part: Any) -> str:
    cost = part.currency
    return text_of(part.default) or price(cost.amount1000, 1000, cost.currencyCode)


def buttons(part: Any) -> str:
    """Return the text of a message with buttons, and the buttons."""
    said = (part.text, part.contentText, part.footerText)
    shown = []
    for each in part.buttons:
        flow = each.nativeFlowInfo
        label = text_of(each.buttonText.displayText)
        shown.append(flows.text(flow.paramsJSON, label) if each.HasField("nativeFlowInfo") else label)
    return lines(_header(part), *map(text_of, said), *shown)


def listed(part: Any) -> str:
    """Return the text of a message from whose list one chooses, and the list."""
    said = (part.title, part.description, part.footerText, part.buttonText)
    rows = []
    for section in part.sections:
        rows.append(text_of(section.title))
        rows += [labelled(text_of(row.title), text_of(row.description)) for row in section.rows]
    for products in part.productListInfo.productSections:
        rows.append(labelled(text_of(products.title), _count(len(products.products), "product")))
    return lines(*map(text_of, said), *rows)


def interactive(part: Any) -> str:
    """Return the text of an interactive message, its buttons with their addresses and codes, its cards."""
    header, flow = part.header, part.nativeFlowMessage
    head = (text_of(header.title), text_of(header.subtitle), _header(header))
    body = (text_of(part.body.text), text_of(part.footer.text), flows.text(flow.messageParamsJSON))
    shown = (flows.text(each.buttonParamsJSON) for each in flow.buttons)
    return lines(*head, *body, *shown, *map(interactive, part.carouselMessage.cards))


def _header(part: Any) -> str:
    """Return the text of what stands above a message: a picture's caption, a document's name, a place."""
    found = []
    for field, value in part.ListFields():
        kind = field.message_type.name if field.message_type and not hasattr(value, "add") else ""
        if kind == "LocationMessage":
            found.append(place_text(value))
        elif kind == "ProductMessage":
            found.append(product(value))
        elif kind == "DocumentMessage":
            found.append(text_of(value.caption or value.fileName or value.title))
        elif kind in ("ImageMessage", "VideoMessage"):
            found.append(text_of(value.caption))
    return lines(*found)


def _button(part: Any) -> str:
    """Return a button of a template: its label, and the address or number behind it."""
    label = value = ""
    for field, button in part.ListFields():
        if field.name == "index":
            continue
        label = _words(button.displayText)
        value = _words(getattr(button, "URL", "") or getattr(button, "phoneNumber", ""))
        value = flows.code_in(value)
    return labelled(label, value)


def _words(part: Any) -> str:
    return structured(part) if hasattr(part, "DESCRIPTOR") else text_of(part)


def answer(part: Any) -> str:
    """Return what somebody chose or filled in: a button, a form."""
    told = text_of(part.body.text)
    return told or flows.answers(part.nativeFlowResponseMessage.paramsJSON)


def choice(part: Any) -> str:
    """Return what somebody chose from a list."""
    return lines(text_of(part.title), text_of(part.description))


def product(part: Any) -> str:
    """Return a product with its price, or a catalog."""
    about, catalog = part.product, part.catalog
    cost = price(about.priceAmount1000, 1000, about.currencyCode)
    lower = price(about.salePriceAmount1000, 1000, about.currencyCode)
    return lines(
        text_of(about.title),
        text_of(about.description),
        f"{lower} instead of {cost}" if lower and cost else lower or cost,
        text_of(about.URL),
        text_of(catalog.title),
        text_of(catalog.description),
        text_of(part.body),
        text_of(part.footer),
    )


def order(part: Any) -> str:
    """Return an order: its title, the number of things in it, and their price."""
    cost = price(part.totalAmount1000, 1000, part.totalCurrencyCode)
    status = part.status if part.HasField("status") else 0
    state = {2: "Accepted", 3: "Declined"}.get(status, "")
    about = _joined((_count(part.itemCount, "item"), cost, state))
    title = text_of(part.orderTitle)
    return lines(f"Order: {title}" if title else "Order", text_of(part.message), about)


def _joined(parts: Iterable[str]) -> str:
    return " · ".join(filter(None, parts))


def _count(number: int, noun: str) -> str:
    return counted(number, noun) if number else ""
