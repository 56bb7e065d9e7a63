"""Uploading beside training: what has ended goes out while the rest goes on."""

import time
from collections.abc import Sequence
from pathlib import Path

from lagbench.tracking.files import ended, uploaded
from lagbench.tracking.upload import BATCH, Upload


class Background:
    """One upload at a time; waiting for all of them together takes so many seconds at most.

    `complaint` says why something was left, if something was; nothing more is uploaded then.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds  # that may still be waited
        self.offered: list[Path] = []
        self.waiting: list[Path] = []
        self.upload: Upload | None = None
        self.complaint: str | None = None

    def offer(self, files: Sequence[Path]) -> None:
        """Upload these too, when it is their turn."""
        self.offered += files
        self.waiting += files
        self._go_on()

    def settle(self) -> None:
        """Wait until nothing goes on: done, refused, or out of time."""
        started = time.monotonic()
        while self._go_on() and time.monotonic() - started < self.seconds:
            time.sleep(0.05)
        self.seconds -= time.monotonic() - started
        self.stop()

    def stop(self) -> None:
        """End what goes on."""
        if self.upload is not None:
            self._take(self.upload.stop())

    @property
    def left(self) -> list[Path]:
        """What was offered and is not uploaded."""
        return [file for file in self.offered if not uploaded(file)]

    def _go_on(self) -> bool:
        """Begin the next upload if its turn has come; whether one goes on."""
        if self.upload is not None and not self.upload.goes_on:
            self._take(self.upload.stop())
        if self.upload is None and self.complaint is None:
            ready = [file for file in self.waiting if ended(file)][:BATCH]
            if ready:
                self.waiting = [file for file in self.waiting if file not in ready]
                self.upload = Upload(ready)
        return self.upload is not None

    def _take(self, upload: Upload) -> None:
        self.upload = None
        if upload.left:
            self.complaint = upload.complaint()
