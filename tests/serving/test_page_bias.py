"""The slider for the scale of the bias adapter, in headless Chromium."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from serving.browser import drop, opened
from serving.running import RunningServer, serving
from serving.tiny_lorify import TEXTS, perceiver_lorify

from lorify.serving.service import LOCAL_OWNER

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
LABEL = "Scale of the bias adapter"


@pytest.fixture(scope="module")
def perceiver_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("perceiver")
    with serving(folder, model=perceiver_lorify(folder)) as running:
        yield running


@pytest.fixture
def page(chromium: Browser, perceiver_server: RunningServer) -> Iterator[Page]:
    with opened(chromium, perceiver_server.url) as page:
        yield page
    for adapter in perceiver_server.service.store.list(LOCAL_OWNER):
        perceiver_server.service.store.delete(adapter.id, LOCAL_OWNER)


def scales(server: RunningServer) -> list[float | None]:
    return [adapter.provenance.bias_scale for adapter in server.service.store.list(LOCAL_OWNER)]


def test_files_and_texts_get_the_scale_of_the_slider(page: Page, perceiver_server: RunningServer) -> None:
    slider = page.get_by_role("slider", name=LABEL, exact=True)
    expect(slider).to_have_accessible_description(re.compile("the same for all documents"))
    drop(page.locator("#drop"), {"mill.txt": TEXTS[0].encode()})
    expect(page.get_by_role("checkbox", name="mill.txt")).to_be_checked()
    expect(page.locator(".facts").first).not_to_contain_text("bias adapter")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#bias output")).to_have_text("0.5")
    drop(page.locator("#drop"), {"bees.txt": TEXTS[1].encode()})
    expect(page.locator("li", has_text="bees.txt").locator(".facts")).to_contain_text("bias adapter × 0.5")
    slider.fill("-2")
    page.get_by_text("Paste text").click()
    page.get_by_label("Name", exact=True).fill("boat")
    page.get_by_label("Text", exact=True).fill(TEXTS[2])
    page.get_by_role("button", name="Internalize").click()
    expect(page.locator("li", has_text="boat").locator(".facts")).to_contain_text("bias adapter × -2.0")
    assert scales(perceiver_server) == [None, 0.5, -2]

    page.reload()
    expect(page.locator("li", has_text="bees.txt").locator(".facts")).to_contain_text("bias adapter × 0.5")


def test_the_slider_is_hidden_without_a_bias_adapter(chromium: Browser, page_server: RunningServer) -> None:
    with opened(chromium, page_server.url) as page:
        expect(page.get_by_text("No adapters yet.")).to_be_visible()
        expect(page.get_by_label(LABEL)).to_be_hidden()
        drop(page.locator("#drop"), {"mill.txt": TEXTS[0].encode()})
        expect(page.get_by_role("checkbox", name="mill.txt")).to_be_checked()
