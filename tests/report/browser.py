"""Headless Chromium, spoken to in the DevTools protocol over a pair of pipes."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60  # seconds; a browser that says nothing for so long is stuck
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-quic", "--remote-debugging-pipe",
)  # fmt: skip

DRAWN = """new Promise((done) => {
  const look = () => document.body.dataset.drawn === "all" ? done(true) : setTimeout(look, 10);
  look();
})"""


def executable() -> str | None:
    """Where Chromium is; None: nowhere on the path."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium(program: str, profile: Path) -> Iterator["Page"]:
    """A running browser with one empty page."""
    ours_to, from_us = _pipe()
    to_us, ours_from = _pipe()
    command = ["bash", "-c", f'exec "$@" 3<&{ours_to} 4>&{ours_from}', "bash", program, *FLAGS]
    process = subprocess.Popen(
        [*command, f"--user-data-dir={profile}"],
        pass_fds=(ours_to, ours_from),
        stderr=subprocess.DEVNULL,
    )
    for end in (ours_to, ours_from):
        os.close(end)
    try:
        yield Page(from_us, to_us)
    finally:
        process.kill()
        process.wait()
        for end in (from_us, to_us):
            os.close(end)


def _pipe() -> tuple[int, int]:
    """Both ends of a pipe, above the numbers that the shell gives to the browser's."""
    ends = os.pipe()
    reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return reading, writing


class Page:
    """A page of the browser, and all that it has asked for and complained of."""

    def __init__(self, to: int, back: int) -> None:
        self.to, self.back, self.rest = to, back, b""
        self.count = 0
        self.session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; what happens meanwhile is kept in `events`."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") != self.count:
                self.events.append(answer)
                continue
            assert "error" not in answer, (method, answer["error"])
            result: dict[str, Any] = answer["result"]
            return result

    def open(self, path: Path, width: int = 1200, height: int = 900) -> None:
        """Open a file in a window of that size, and wait until every chart is drawn."""
        self.events.clear()
        self.resize(width, height)
        self.call("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())
        self.tell(DRAWN)

    def resize(self, width: int, height: int = 900) -> None:
        """Give the window another size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def tell(self, expression: str) -> Any:
        """The value of JavaScript on the page, a promise's once it is kept."""
        outcome = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in outcome, outcome["exceptionDetails"]
        return outcome["result"].get("value")

    def requested(self) -> list[str]:
        """Every address that the page has asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[dict[str, Any]]:
        """Every exception, dialog, and message on the console."""
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded",
                 "Page.javascriptDialogOpening")  # fmt: skip
        return [event for event in self.events if event.get("method") in kinds]

    def _read(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.back], [], [], until - time.monotonic())
            part = os.read(self.back, 1 << 20) if ready else b""
            assert part, "The browser has nothing more to say."
            self.rest += part
        message, _, self.rest = self.rest.partition(b"\0")
        outcome: dict[str, Any] = json.loads(message)
        return outcome
