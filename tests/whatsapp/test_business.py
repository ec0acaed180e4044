"""The texts of businesses' messages: buttons with addresses and codes, lists, orders, prices, forms."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import pytest
from for_each import for_each
from relay.trust import installed_neonize

from wa.whatsapp.neonize.decoding.kinds import flows
from wa.whatsapp.neonize.decoding.kinds.money import price
from wa.whatsapp.neonize.decoding.kinds.table import READERS

_folder = str(installed_neonize() / "proto")
if _folder not in sys.path:  # without importing neonize itself, which would load the library
    sys.path.insert(0, _folder)
Message: Any = importlib.import_module("waE2E.WAWebProtobufsE2E_pb2").Message


def text(field: str, value: dict[str, Any]) -> str | None:
    """Return the text of a message."""
    return READERS[field](getattr(Message(**{field: value}), field)).text


def flow(name: str, **params: Any) -> dict[str, str]:
    """Return a button of an interactive message."""
    return {"name": name, "buttonParamsJSON": json.dumps(params)}


def interactive(*buttons: dict[str, str], **more: Any) -> str | None:
    """Return the text of an interactive message with these buttons."""
    return text("interactiveMessage", {"nativeFlowMessage": {"buttons": list(buttons)}, **more})


ORDER = {
    "status": "pending", "subtotal": {"value": 9000, "offset": 1000},
    "items": [{"name": "Cup", "amount": {"value": 3000, "offset": 1000}, "quantity": 3}, {"name": "Bag"}],
}  # fmt: skip
PIX = {"type": "pix_static_code", "pix_static_code": {"merchant_name": "The shop", "key": "pix@example.com"}}
ROWS = [{"title": "Tea", "description": "Hot", "id": "1"}, {"title": "Juice", "id": "2"}]


@for_each(
    ("buttons", "shown"),
    [
        ([flow("cta_url", display_text="Track it", url="https://example.com/t/1",
               merchant_url="https://example.com")], "Track it: https://example.com/t/1"),
        ([flow("cta_copy", display_text="Copy code", copy_code="482913")], "Copy code: 482913"),
        ([flow("cta_copy", display_text="Copy code", copy_code=482913)], "Copy code: 482913"),
        ([flow("cta_call", display_text="Call us", phone_number="+447700900123")], "Call us: +447700900123"),
        ([flow("quick_reply", display_text="Yes", id="1"), flow("quick_reply", display_text="No", id="2")],
         "Yes\nNo"),
        ([flow("single_select", title="Choose", sections=[{"title": "Drinks", "rows": ROWS}])],
         "Choose\nDrinks\nTea: Hot\nJuice"),
        ([flow("review_and_pay", currency="GBP", reference_id="A1", order=ORDER,
               total_amount={"value": 900, "offset": 100}, payment_settings=[PIX])],
         "Reference: A1\nThe shop: pix@example.com\n3 × Cup: GBP 3.00\nBag\nTotal: GBP 9.00"),
        ([flow("galaxy_message", flow_cta="Book a table", flow_token="secret")], "Book a table"),
        ([flow("open_webview", title="Open", link={"in_app_webview": True, "url": "https://example.com"})],
         "Open\nhttps://example.com"),
        ([flow("send_location")], "Business message"),
        ([flow("a_name_of_tomorrow", display_text="New", url="https://example.com")],
         "New: https://example.com"),
        ([{"name": "cta_url", "buttonParamsJSON": "not JSON"}], "Business message"),
        ([{"name": "cta_url", "buttonParamsJSON": "[[1, null, {}]]"}], "Business message"),
        ([flow("cta_url", display_text=None, url=["x"], sections={"rows": 7}, items=4, order="x",
               total_amount=[1], expiration_time="soon")], "Business message"),
    ],
)  # fmt: skip
def test_a_button_has_its_label_and_what_is_behind_it(buttons: list[dict[str, str]], shown: str) -> None:
    assert interactive(*buttons) == shown


def test_an_interactive_message_has_header_body_footer_offer_and_cards() -> None:
    offer = {
        "limited_time_offer": {
            "text": "20 % off",
            "copy_code": "SAVE20",
            "expiration_time": 1_796_407_200_000,
        }
    }
    cards = [
        {
            "header": {"imageMessage": {"caption": "A cup"}},
            "body": {"text": f"Cup {n}"},
            "nativeFlowMessage": {
                "buttons": [flow("cta_url", display_text="Buy", url=f"https://example.com/{n}")]
            },
        }
        for n in (1, 2)
    ]
    shown = interactive(
        header={"title": "Sale", "subtitle": "Cups", "documentMessage": {"fileName": "prices.pdf"}},
        body={"text": "Today"},
        footer={"text": "The shop"},
        nativeFlowMessage={"messageParamsJSON": json.dumps(offer)},
    )
    assert shown == ("Sale\nCups\nprices.pdf\nToday\nThe shop\n20 % off: SAVE20\nUntil 2026-12-04 18:00 UTC")
    shown = text("interactiveMessage", {"body": {"text": "Cups"}, "carouselMessage": {"cards": cards}})
    assert shown == (
        "Cups\nA cup\nCup 1\nBuy: https://example.com/1\nA cup\nCup 2\nBuy: https://example.com/2"
    )


@for_each(
    ("field", "value", "shown"),
    [
        ("templateMessage", {"hydratedTemplate": {"hydratedContentText": "482913 is yours",
         "hydratedButtons": [{"urlButton": {"displayText": "Copy code", "URL":
             "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp482913"}}]}},
         "482913 is yours\nCopy code: 482913"),
        ("templateMessage", {"interactiveMessageTemplate": {"body": {"text": "Hello"}}}, "Hello"),
        ("templateMessage", {"fourRowTemplate": {"content": {"params": ["Reem", "Friday"]}, "buttons": [
            {"quickReplyButton": {"displayText": {"params": ["Yes"]}}}]}}, "Reem\nFriday\nYes"),
        ("templateMessage", {"hydratedTemplate": {
            "locationMessage": {"name": "Shop", "degreesLatitude": 51.5}, "hydratedContentText": "Here"}},
         "Shop\n51.5, 0.0\nHere"),
        ("highlyStructuredMessage", {"elementName": "order_update", "params": ["A1", "Fri"]}, "A1\nFri"),
        ("highlyStructuredMessage", {"elementName": "order_update"}, "order update"),
        ("highlyStructuredMessage", {"localizableParams": [
            {"default": "A1"}, {"currency": {"currencyCode": "GBP", "amount1000": 4500}}]}, "A1\nGBP 4.50"),
        ("buttonsMessage", {"text": "Sale", "contentText": "Today", "buttons": [
            {"buttonText": {"displayText": "Yes"}},
            {"nativeFlowInfo": {"name": "cta_url", "paramsJSON":
             '{"display_text": "Look", "url": "https://example.com"}'}}]},
         "Sale\nToday\nYes\nLook: https://example.com"),
        ("listMessage", {"title": "Cups", "productListInfo": {"productSections": [
            {"title": "Blue", "products": [{"productID": "1"}, {"productID": "2"}]}]}},
         "Cups\nBlue: 2 products"),
        ("interactiveResponseMessage", {"nativeFlowResponseMessage": {"name": "address_message", "paramsJSON":
         json.dumps({"values": {"name": "Reem", "city": "London"}, "flow_token": "x"})}},
         "name: Reem\ncity: London"),
        ("interactiveResponseMessage", {"body": {"text": "Booked"}}, "Booked"),
        ("productMessage", {"product": {"title": "Cup", "priceAmount1000": 4500, "salePriceAmount1000": 3000,
                                        "currencyCode": "GBP", "URL": "https://example.com/cup"}},
         "Cup\nGBP 3.00 instead of GBP 4.50\nhttps://example.com/cup"),
        ("productMessage", {"catalog": {"title": "All cups", "description": "of clay"}}, "All cups\nof clay"),
        ("orderMessage", {"itemCount": 1, "status": 2}, "Order\n1 item · Accepted"),
    ],
)  # fmt: skip
def test_a_message_of_a_business_says_all_that_its_reader_sees(
    field: str, value: dict[str, Any], shown: str
) -> None:
    assert text(field, value) == shown


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"order":', "}"), ('{"a":', "}")])
def test_json_of_any_depth_is_read_or_left_out(begin: str, end: str) -> None:
    for depth in (400, 900, 100_000):
        deep = begin * depth + "1" + end * depth
        assert flows.text(deep) == ""
        assert flows.answers(deep) in ("", "1", "a: 1", "order: 1")


def test_half_a_character_is_no_text_that_can_be_stored() -> None:
    assert flows.text('{"title": "Tea \\ud83c"}') == "Tea ?"
    assert flows.answers('{"tea": "hot \\ud83c\\udf75 \\udf75"}') == "tea: hot \U0001f375 ?"


@for_each(
    ("amount", "parts", "currency", "shown"),
    [
        (4500, 1000, "GBP", "GBP 4.50"),
        (900, 100, "EUR", "EUR 9.00"),
        (1_500_000, 1000, "JPY", "JPY 1500"),
        (1_234, 1000, "KWD", "KWD 1.234"),
        (5, 0, "GBP", "GBP 5.00"),
        (1, 3, "GBP", "GBP 0.333333"),
        ("12", "10", "GBP", "GBP 1.20"),
        (0, 1000, "GBP", ""),
        (None, None, None, ""),
        ("x", 1, "GBP", ""),
        (True, 1, "GBP", ""),
        (float("inf"), 1, "GBP", ""),
        ("9" * 400, 1, "GBP", ""),
        ("1e999999", "1e-999999", "GBP", ""),
        ({}, [], "GBP", ""),
        (2**63 - 1, 1000, "GBP", "GBP 9223372036854775.807"),
    ],
)  # fmt: skip
def test_a_price_has_its_currency_and_its_decimals(
    amount: Any, parts: Any, currency: Any, shown: str
) -> None:
    assert price(amount, parts, currency) == shown
