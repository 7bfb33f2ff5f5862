"""The page, in headless Chromium, by what people see and hear: labels, roles and text."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from serving.browser import browser
from serving.running import RunningServer, serving
from serving.tiny_lorify import TEXTS

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
QUESTION = "Who keeps the bees?"
TIMEOUT_MS = 300_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("page")) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as launched:
        yield launched


@pytest.fixture
def page(chromium: Browser, server: RunningServer) -> Iterator[Page]:
    page = chromium.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(server.url) else troubles.append(request.url))
    page.goto(server.url)
    expect(page.get_by_text("tiny-llama, local engine")).to_be_visible()
    yield page
    page.close()
    assert [trouble for trouble in troubles if "400 (Bad Request)" not in trouble] == []


def test_a_document_is_asked_with_and_without_it(page: Page, server: RunningServer) -> None:
    page.get_by_label("Drop documents here").set_input_files(
        {"name": "bees.txt", "mimeType": "text/plain", "buffer": TEXTS[1].encode()}
    )
    expect(page.get_by_text("bees.txt is an adapter now and on.")).to_be_visible()
    expect(page.get_by_role("checkbox", name="bees.txt")).to_be_checked()
    expect(page.get_by_text("On: bees.txt × 1.0")).to_be_visible()
    expect(page.locator(".facts").first).to_contain_text("MB · made in")

    page.get_by_label("Question", exact=True).fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator(".took").nth(0)).to_contain_text(" s")
    expect(page.locator(".took").nth(1)).to_contain_text(" s")
    said = page.locator(".said").all_text_contents()
    assert all(said) and said[0] != said[1]
    assert page.get_by_role("log", name="Answers").get_attribute("aria-busy") == "false"

    page.get_by_role("slider", name="Scale of bees.txt").fill("0.5")
    expect(page.get_by_text("On: bees.txt × 0.5")).to_be_visible()
    page.get_by_role("checkbox", name="bees.txt").uncheck()
    expect(page.get_by_text("No adapter is on.")).to_be_visible()
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".turn")).to_have_count(0)

    page.reload()
    expect(page.get_by_role("checkbox", name="bees.txt")).not_to_be_checked()
    page.get_by_role("button", name="Delete bees.txt").click()
    expect(page.get_by_text("Nothing yet.")).to_be_visible()
    assert server.service.store.list("local") == []


def test_a_text_is_pasted_by_keyboard_alone(page: Page) -> None:
    page.get_by_text("Paste a text").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("mill")
    page.keyboard.press("Tab")
    page.keyboard.type(TEXTS[0])
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("checkbox", name="mill")).to_be_checked()
    expect(page.locator(".facts").first).to_contain_text("fidelity")


def test_a_bad_document_is_explained(page: Page) -> None:
    page.get_by_label("Drop documents here").set_input_files(
        {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 nothing"}
    )
    expect(page.get_by_role("alert")).to_contain_text("broken.pdf")


def test_without_a_task_hypernetwork_the_page_says_so(page: Page) -> None:
    page.get_by_text("Describe a task").click()
    expect(page.get_by_text("No hypernetwork for tasks is loaded")).to_be_visible()


def test_what_a_document_says_is_never_a_part_of_the_page(page: Page) -> None:
    name = "<img src=x onerror=alert(1)>.txt"
    page.get_by_label("Drop documents here").set_input_files(
        {"name": name, "mimeType": "text/plain", "buffer": b"<script>alert(1)</script> is what it says."}
    )
    expect(page.get_by_role("checkbox", name=name)).to_be_checked()
    assert page.locator("img").count() == 0


def test_every_field_has_a_name_and_the_colours_have_contrast(page: Page) -> None:
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input, textarea, button')]"
        ".filter((e) => !e.labels?.length && !e.ariaLabel && !e.textContent.trim()).length"
    )
    assert unnamed == 0
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours = page.evaluate(
            "() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]; }"
        )
        ink, ground = (luminance(colour) for colour in colours)
        assert (ink < ground) == (scheme == "light")
        assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) > 7  # WCAG AAA


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)`, as WCAG defines it."""
    channels = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_server_with_keys_asks_for_one(chromium: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, owners=("ann",)) as running:
        page = chromium.new_page()
        page.goto(running.url)
        key = page.get_by_label("API key")
        expect(key).to_be_focused(timeout=TIMEOUT_MS)
        key.fill(running.keys["ann"])
        page.keyboard.press("Enter")
        expect(key).to_be_hidden(timeout=TIMEOUT_MS)
        page.close()
