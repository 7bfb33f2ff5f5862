"""The pictures of the page in docs/images: the default base with the demo document.

    python docs/make_screenshots.py

It needs Debian's chromium and `pip install -e ".[dev]"`.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect

import lorify

ROOT_DIR = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT_DIR / "tests"))

from serving.browser import browser, drop, opened  # noqa: E402
from serving.running import serving  # noqa: E402

DOCUMENT_PATH = ROOT_DIR / "demo" / "harbour-museum.md"
QUESTIONS = (
    "Who founded the Velmora Harbour Museum?",
    "How long is the tugboat Petrel?",
    "On which day is the Velmora Harbour Museum closed?",
    "What is the capital of France?",
)


def main() -> None:
    """Take them."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), model=lorify.load()) as server:
        with browser() as chromium, opened(chromium, server.url) as page:
            page.set_viewport_size({"width": 1180, "height": 900})
            drop(page.locator("#drop"), {DOCUMENT_PATH.name: DOCUMENT_PATH.read_bytes()})
            expect(page.get_by_role("checkbox", name=DOCUMENT_PATH.name)).to_be_checked()
            expect(page.locator(".facts")).to_contain_text("fidelity")
            for number, question in enumerate(QUESTIONS, start=1):
                page.get_by_label("Question", exact=True).fill(question)
                page.keyboard.press("Enter")
                for side in (1, 2):
                    expect(page.locator(".details").nth(2 * number - side)).to_contain_text(" s")
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=ROOT_DIR / "docs" / "images" / f"page-{scheme}.png", full_page=True)


if __name__ == "__main__":
    main()
