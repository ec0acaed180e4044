"""A real browser for the page: Debian's Chromium, with a log of all that it says and asks for."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from conftest import Process
from npm import npm_folder
from web_client import SECRET

from wa.cli.context import App
from wa.cli.main import run

CHROMIUM = "/usr/bin/chromium"
SIZES = {"phone": (390, 844), "desk": (1280, 800)}
_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  const shown = (node) => (node?.outerHTML ?? node?.parentElement?.outerHTML ?? "gone").slice(0, 200);
  for (const each of list.getEntries()) if (!each.hadRecentInput) window.shifts.push(
    [each.value, ...each.sources.map((source) => shown(source.node))]);
}).observe({ type: "layout-shift", buffered: true });
"""
QUIET = ("Failed to load resource: net::ERR_INCOMPLETE_CHUNKED_ENCODING",)


@dataclass
class Site:
    """A home of its own, `wa serve` and `wa run-scheduler` on it, and a browser."""

    home: Path
    env: dict[str, str]
    url: str = ""
    browser: Any = None
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    state: Any = None
    """The cookies of a browser that has logged in."""

    def start(self, command: str, *args: str) -> subprocess.Popen[str]:
        """Start `wa COMMAND ARGS`, until `stop`."""
        wa = shutil.which("wa", path=str(Path(sys.executable).parent))
        out = subprocess.PIPE if command == "serve" else subprocess.DEVNULL
        self.running[command] = subprocess.Popen(
            [str(wa), command, *args], env=self.env, stdout=out, stderr=subprocess.DEVNULL, text=True
        )
        return self.running[command]

    def serve(self, port: int) -> None:
        """Start the server, and wait until it listens."""
        said = self.start("serve", "--port", str(port)).stdout
        found = re.search(r"http://\S+", said.readline()) if said else None
        assert found
        self.url = found[0]

    def stop(self, command: str) -> None:
        """End what `start` has started."""
        process = self.running.pop(command)
        process.terminate()
        process.communicate()

    @contextmanager
    def held(self, command: str) -> Iterator[None]:
        """Let a process stand still during the block, while it does not write."""
        process = self.running[command]
        with contextlib.closing(sqlite3.connect(self.home / "wa.db", 30, isolation_level=None)) as store:
            store.execute("BEGIN IMMEDIATE")
            Process(process).suspend()
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def wa(self, *args: str, stdin: str = "") -> Any:
        """Run a command on the home; return its JSON, if it prints any."""
        out = io.StringIO()
        given = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
        with (
            patch("sys.stdin", given),
            contextlib.redirect_stdout(out),
            contextlib.closing(App(environ=self.env)) as app,
        ):
            assert run(args, app) == 0, args
        return json.loads(out.getvalue()) if "--json" in args else out.getvalue()

    @contextmanager
    def page(self, size: str = "phone", scheme: str = "light", **more: Any) -> Iterator[Any]:
        """Open a page that is logged in; what it says on the console, or asks of others, is a failure."""
        width, height = SIZES[size]
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            locale="en-GB",
            storage_state=self.state,
            **more,
        )
        context.set_default_timeout(30_000)
        context.on("request", lambda request: self.asked.add(request.url))
        context.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        context.on("weberror", lambda error: self.said.append(str(error.error)))
        context.add_init_script(_SHIFTS)
        page = context.new_page()
        page.goto(self.url + "/")
        if self.state is None:
            page.get_by_label("Secret").fill(SECRET)
            page.get_by_role("button", name="Log in").click()
            page.get_by_role("heading", name="Queue").wait_for()
            self.state = context.storage_state()
        try:
            yield page
        finally:
            context.close()
        said, self.said = [each for each in self.said if not each.endswith(QUIET)], []
        assert not said, said
        hosts = {urlsplit(url).netloc for url in self.asked if not url.startswith("data:")}
        assert hosts == {urlsplit(self.url).netloc}


def shifts(page: Any) -> list[Any]:
    """Return what has moved on a page without the user's doing since it was loaded, and by how much."""
    found: list[Any] = page.evaluate("window.shifts")
    return found


def violations(page: Any) -> list[str]:
    """Return what axe-core finds wrong with a page."""
    if not page.evaluate("typeof axe !== 'undefined'"):
        page.evaluate((npm_folder("axe") / "node_modules/axe-core/axe.min.js").read_text())
    found = page.evaluate("axe.run().then((found) => found.violations)")
    return [
        f"{each['id']}: {node['html'][:150]} {node.get('failureSummary', '')}"
        for each in found
        for node in each["nodes"]
    ]


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser. Skip the test without one."""
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"] if os.getuid() == 0 else []
        )
        yield browser
        browser.close()


@contextmanager
def site_with_browser(folder: Path) -> Iterator[Site]:
    """Serve a home in a folder, with somebody who sends, and start a browser. Skip the test without one."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("WA_", "B2_", "API_"))}
    home = folder / "home"
    env = {
        **kept, "WA_HOME": str(home), "WA_TRANSPORT": "loopback", "WA_TZ": "Europe/London",
        "WA_SEND_SPACING": "0", "WA_REGION": "GB", "API_SECRET": SECRET,
    }  # fmt: skip
    made = Site(home, env)
    try:
        made.start("run-scheduler")
        made.serve(0)
        with chromium() as made.browser:
            yield made
    finally:
        for name in list(made.running):
            made.stop(name)
