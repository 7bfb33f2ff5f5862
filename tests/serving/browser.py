"""The system's Chromium, headless, driven by Playwright."""

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = 300_000


def chromium_path() -> str | None:
    """Path of the system's Chromium, None if there is none."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        try:
            yield launched
        finally:
            launched.close()


@contextmanager
def opened(chromium: Browser, url: str) -> Iterator[Page]:
    """The page of a server; fails if it logs an error other than a refused request, or contacts another host."""
    page = chromium.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(url) else problems.append(request.url))
    page.goto(url)
    expect(page.get_by_text("local engine")).to_be_visible()
    yield page
    page.close()
    assert [problem for problem in problems if "400 (Bad Request)" not in problem] == []


def drop(target: Locator, files: dict[str, bytes]) -> None:
    """Drag files (name -> content) over an element and drop them there."""
    contents = {name: base64.b64encode(data).decode() for name, data in files.items()}
    target.evaluate(
        """(element, contents) => {
            const dataTransfer = new DataTransfer();
            for (const [name, data] of Object.entries(contents)) {
                dataTransfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
            }
            for (const kind of ["dragover", "drop"]) {
                element.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
            }
        }""",
        contents,
    )
