"""The WhatsApp library is loaded without what is not used of it."""

from __future__ import annotations

import json
import subprocess
import sys

LOAD = """
import json, sys
from wa.whatsapp.neonize.library import library

loaded = library()
found = [name for name in ("httpx", "linkpreview", "magic", "requests", "tqdm") if name in sys.modules]
import segno  # the package itself, although it was left out

print(json.dumps([found, segno.make_qr("x").version, loaded.jid("1@lid").Server]))
"""


def test_it_is_loaded_without_what_is_not_used_which_others_can_import_afterwards():
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], 1, "lid"]
