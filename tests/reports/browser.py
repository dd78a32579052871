"""A real browser at the width of one's choice, spoken to over a pipe (Chrome DevTools Protocol)."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe",
)  # fmt: skip
COMMANDS, ANSWERS = 3, 4  # the descriptors that Chromium reads and writes
PATIENCE = 90  # seconds


class Tab:
    """One page, with what it said on the console."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers, self._held, self._last = commands, answers, b"", 0
        self._session: str | None = None
        self.said: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Sends a command and gives its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._last:
            self._note(answer)
        assert "error" not in answer, answer["error"]
        result: dict[str, Any] = answer["result"]
        return result

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression on the page; a promise is waited for."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def open(self, page: Path, width: int, height: int, *, phone: bool, dark: bool = False) -> None:
        """Opens a file and draws every figure of it by scrolling through."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **screen)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Page.navigate", url=page.as_uri())
        until = time.monotonic() + PATIENCE
        while self.evaluate("document.readyState") != "complete" and time.monotonic() < until:
            time.sleep(0.1)
        self.evaluate(_SCROLL)

    def picture(self, file: Path, box: tuple[float, float, float, float] | None = None) -> None:
        """Saves the whole page, or a box (left, top, width, height) of it, as PNG."""
        x, y, width, height = box or (0, 0, *self.evaluate(_SIZE))
        clip = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        shot = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Log.entryAdded":
            self.said.append(params["entry"]["text"])
        elif event.get("method") in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown"}:
            self.said.append(json.dumps(params)[:500])

    def _read(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._held:
            try:
                self._held += os.read(self._answers, 1 << 20)
            except BlockingIOError:
                assert time.monotonic() < until, "the browser does not answer"
                time.sleep(0.01)
        message, _, self._held = self._held.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def tab(profile: Path) -> Iterator[Tab]:
    """A tab of a browser of its own.

    Args:
        profile: Folder for the browser's files, not there yet.
    """
    to_browser, from_browser = os.pipe(), os.pipe()
    theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (to_browser[0], from_browser[1])]

    def hand_over() -> None:
        for end, number in zip(theirs, (COMMANDS, ANSWERS), strict=True):
            os.dup2(end, number)

    process = subprocess.Popen(
        [str(BROWSER), *FLAGS, f"--user-data-dir={profile}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=hand_over,  # noqa: PLW1509 - no thread is running here
        pass_fds=(COMMANDS, ANSWERS),
    )
    os.set_blocking(from_browser[0], False)
    try:
        yield Tab(to_browser[1], from_browser[0])
    finally:
        process.kill()
        process.wait()
        for end in (*to_browser, *from_browser, *theirs):
            os.close(end)


_SIZE = "[document.documentElement.clientWidth, document.documentElement.scrollHeight]"
_SCROLL = """(async () => {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  for (let y = 0; y < document.documentElement.scrollHeight; y += 600) {
    scrollTo({top: y, behavior: "instant"});
    await pause(60);
  }
  await pause(400);
  scrollTo({top: 0, behavior: "instant"});
  await pause(100);
})()"""
