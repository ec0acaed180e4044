"""`wa` with less or more patience: `spawn("listen", program=impatient(2.0))`."""

from __future__ import annotations

import sys

PROGRAM = """
from wa.cli import main
from wa.connection import owner
from wa.connection.incoming import recorder

recorder.GIVE_UP_SECONDS, owner.LET_GO_SECONDS = {give_up}, {let_go}
main.main()
"""
PATIENT = """
from wa.cli import main
from wa.whatsapp.neonize import client

client.RETRY_SECONDS = client.MOST_RETRY_SECONDS = {seconds}
main.main()
"""
FETCH = """
from wa.cli import main
from wa.connection.history import fetch

fetch.PHONE_SECONDS = {phone}
main.main()
"""


def impatient(give_up: float, let_go: float = 20.0) -> list[str]:
    """Return the program that ends after `give_up` seconds in which it could not store anything.

    It closes the connection after `let_go` seconds in which events could be kept in memory alone.
    """
    return [sys.executable, "-c", PROGRAM.format(give_up=give_up, let_go=let_go)]


def patient_with_recipients(seconds: float) -> list[str]:
    """Return the program that stays connected so many seconds for recipients whose phones say nothing."""
    return [sys.executable, "-c", PATIENT.format(seconds=seconds)]


def impatient_with_phone(seconds: float) -> list[str]:
    """Return the program that waits so many seconds, instead of 60, for an answer of the phone."""
    return [sys.executable, "-c", FETCH.format(phone=seconds)]
