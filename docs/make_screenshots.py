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

from serving.browser import browser  # noqa: E402
from serving.running import serving  # noqa: E402

QUESTIONS = ("Who founded the Velmora Harbour Museum?", "What is the capital of France?")
TIMEOUT_MS = 300_000


def main() -> None:
    """Take them."""
    expect.set_options(timeout=TIMEOUT_MS)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), model=lorify.load()) as server:
        with browser() as chromium:
            page = chromium.new_page(viewport={"width": 1180, "height": 760})
            page.set_default_timeout(TIMEOUT_MS)
            page.goto(server.url)
            page.get_by_label("Drop documents here").set_input_files(ROOT_DIR / "demo" / "harbour-museum.md")
            expect(page.get_by_role("checkbox", name="harbour-museum.md")).to_be_checked()
            for number, question in enumerate(QUESTIONS, start=1):
                page.get_by_label("Question", exact=True).fill(question)
                page.keyboard.press("Enter")
                expect(page.locator(".took").nth(2 * number - 1)).to_contain_text(" s")
                expect(page.locator(".took").nth(2 * number - 2)).to_contain_text(" s")
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=ROOT_DIR / "docs" / "images" / f"page-{scheme}.png")


if __name__ == "__main__":
    main()
