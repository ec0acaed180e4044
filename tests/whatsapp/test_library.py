"""The WhatsApp library is loaded without what is not used of it."""

from __future__ import annotations

import json
import subprocess
import sys

LOAD = """
import json, sys
from wa.whatsapp.neonize.library import _UNUSED, library

loaded = library()
left_out = (*_UNUSED, "asyncio", "multiprocessing", "ssl", "urllib.request")
found = [name for name in left_out if name in sys.modules]
import segno  # the package itself, although it was left out
from concurrent.futures import ProcessPoolExecutor
from neonize.utils.ffmpeg import FFmpeg
from PIL import Image

names = [each.__name__ for each in (FFmpeg, ProcessPoolExecutor)]
real = [segno.make_qr("x").version, Image.new("1", (3, 4)).size, *names]
print(json.dumps([found, real, loaded.jid("1@lid").Server]))
"""


def test_it_is_loaded_without_what_is_not_used_which_others_can_import_afterwards():
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], [1, [3, 4], "FFmpeg", "ProcessPoolExecutor"], "lid"]


MEANWHILE = """
import json, sys, threading
from wa.whatsapp.neonize.library import _left_out

with _left_out(("PIL", "segno", "colorsys")):
    from PIL import Image as nothing
    import colorsys
    found = []

    def work():
        import segno
        from PIL import Image
        found.extend([segno.make_qr("x").version, Image.new("1", (3, 4)).size])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    import PIL.Image

names = [sys.modules[name].__file__ is not None for name in ("PIL", "segno")]
print(json.dumps([nothing, found, names, "colorsys" in sys.modules, colorsys.rgb_to_hsv(0, 0, 0)]))
"""


def test_another_thread_that_imports_meanwhile_gets_the_real_thing():
    done = subprocess.run([sys.executable, "-c", MEANWHILE], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [None, [1, [3, 4]], [True, True], False, [0, 0, 0]]
