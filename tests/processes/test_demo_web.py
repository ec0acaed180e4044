"""`docs/demo_web.sh` shows the page with somebody who writes, and leaves nothing behind."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import WA, wait_for

DEMO = Path(__file__).parents[2] / "docs/demo_web.sh"


def ask(url, path, **headers):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", path, headers={"Accept": "text/html", **headers})
        reply = connection.getresponse()
        return reply.status, reply.getheader("set-cookie", ""), reply.read().decode()
    finally:
        connection.close()


@pytest.mark.soak
@pytest.mark.no_home
def test_the_page_of_the_demo_is_reached_and_ends_with_ctrl_c(tmp_path):
    (tmp_path / "tmp").mkdir()
    env = {**os.environ, "PATH": f"{Path(WA).parent}:{os.environ['PATH']}", "TMPDIR": str(tmp_path / "tmp")}
    demo = subprocess.Popen(
        ["sh", str(DEMO)],
        env={**env, "PAUSE": "0.2"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        lines = iter(demo.stdout.readline, "")
        link = next(found[0] for line in lines if (found := re.search(r"http://\S+/login\?\S+", line)))
        status, cookie, _ = ask(link, urlsplit(link).path + "?" + urlsplit(link).query)
        assert status == 303
        session = {"Cookie": cookie.partition(";")[0]}
        _, _, page = ask(link, "/", **session)
        assert "Drafts to approve" in page
        assert "Could you come on Monday?" in page
        wait_for(lambda: "See you on Sunday!" in ask(link, "/chats", **session)[2])
    finally:
        os.killpg(demo.pid, signal.SIGINT)
        demo.communicate(timeout=20)
    assert demo.returncode == 0
    assert list((tmp_path / "tmp").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(demo.pid, 0)
