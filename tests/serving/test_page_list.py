"""The page's list of adapters and what can be taken out of the page: names, dates, exports, copies."""

import datetime
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from serving.browser import drop, opened
from serving.running import RunningServer
from serving.tiny_lorify import TEXTS

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
QUESTION = "Who keeps the bees?"
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def page(chromium: Browser, page_server: RunningServer) -> Iterator[Page]:
    with opened(chromium, page_server.url) as page:
        drop(page.locator("#drop"), {"mill.txt": TEXTS[0].encode(), "bees.txt": TEXTS[1].encode()})
        expect(page.get_by_role("checkbox", name="bees.txt")).to_be_checked()
        yield page
    for adapter in page_server.service.store.list("local"):
        page_server.service.store.delete(adapter.id, "local")


def ask(page: Page) -> None:
    page.get_by_label("Question", exact=True).fill(QUESTION)
    page.keyboard.press("Enter")
    for number in range(2):
        expect(page.locator(".details").nth(number)).to_contain_text(" s")


def test_an_adapter_gets_a_name_of_ones_own(page: Page) -> None:
    page.get_by_role("button", name="Rename mill.txt").click()
    field = page.get_by_label("New name of mill.txt")
    expect(field).to_be_focused()
    field.fill("the old mill")
    page.keyboard.press("Enter")
    switch = page.get_by_role("checkbox", name="the old mill")
    expect(switch).to_be_checked()
    expect(page.get_by_role("button", name="Rename the old mill")).to_be_focused()
    expect(page.locator("#active")).to_contain_text("the old mill × 1.0")
    page.reload()
    expect(switch).to_be_visible()
    page.get_by_role("button", name="Rename the old mill").click()
    page.get_by_label("New name of the old mill").fill("nothing")
    page.keyboard.press("Escape")
    expect(switch).to_be_visible()


def test_adapters_have_dates(page: Page, page_server: RunningServer) -> None:
    expect(page.locator(".facts").first).to_contain_text("today, ")
    made = datetime.datetime(2025, 3, 7, 12, tzinfo=datetime.UTC).timestamp()
    page.route("**/v1/adapters", lambda route: _with_date(route, int(made)))
    page.reload()
    expect(page.locator(".facts").first).to_contain_text("2025")
    expect(page.locator(".facts").first).not_to_contain_text("today")


def _with_date(route, created: int) -> None:
    body = route.fetch().json()
    for adapter in body["data"]:
        adapter["created"] = created
    route.fulfill(json=body)


def test_a_long_list_can_be_searched_and_switched_at_once(page: Page) -> None:
    mill, bees = (page.get_by_role("checkbox", name=name) for name in ("mill.txt", "bees.txt"))
    page.get_by_role("button", name="All off").click()
    expect(page.get_by_text("No adapter is on.")).to_be_visible()
    page.get_by_label("Find").fill("BEE")
    expect(mill).to_be_hidden()
    page.get_by_role("button", name="All on").click()
    expect(page.get_by_text("On: bees.txt × 1.0")).to_be_visible()
    page.get_by_label("Find").fill("")
    expect(bees).to_be_checked()
    expect(mill).not_to_be_checked()


def test_only_adapters_that_are_on_have_a_slider(page: Page) -> None:
    slider = page.get_by_role("slider", name="Scale of mill.txt")
    slider.fill("0.5")
    page.get_by_role("checkbox", name="mill.txt").uncheck()
    expect(slider).to_be_hidden()
    page.get_by_role("checkbox", name="mill.txt").check()
    expect(slider).to_have_value("0.5")


@pytest.mark.parametrize(("title", "suffix"), [("PEFT", ".zip"), ("GGUF", ".gguf")])
def test_an_adapter_can_be_exported(page: Page, tmp_path: Path, title: str, suffix: str) -> None:
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Export mill.txt as {title}").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.suffix == suffix
    if suffix == ".zip":
        assert "adapter_config.json" in zipfile.ZipFile(path).namelist()
    else:
        assert path.read_bytes()[:4] == b"GGUF"


def test_an_answer_can_be_copied_and_the_chat_saved(page: Page, tmp_path: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page)
    answers = page.locator(".text").all_text_contents()
    for number, answer in enumerate(answers):
        button = page.locator(".answer").nth(number).get_by_role("button", name="Copy")
        button.click()
        expect(button).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == answer
    with page.expect_download() as download:
        page.get_by_role("button", name="Save chat").click()
    download.value.save_as(tmp_path / "chat.md")
    saved = (tmp_path / "chat.md").read_text()
    assert QUESTION in saved and all(answer in saved for answer in answers)
    page.get_by_role("button", name="New chat").click()
    expect(page.get_by_role("button", name="Save chat")).to_be_hidden()


def test_on_a_phone_the_question_comes_before_the_list(page: Page) -> None:
    page.set_viewport_size(PHONE)
    order = ["#files", "#question", "#adapters"]
    tops = [page.locator(part).bounding_box()["y"] for part in order]
    assert tops == sorted(tops)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_short_answer_stands_in_a_box_of_its_own_height(page: Page) -> None:
    long = f'data: {{"choices": [{{"delta": {{"content": "{"word " * 200}"}}}}]}}\n\ndata: [DONE]\n\n'
    short = 'data: {"choices": [{"delta": {"content": "yes"}}]}\n\ndata: [DONE]\n\n'

    def reply(route) -> None:
        body = short if route.request.post_data_json["adapters"] else long
        route.fulfill(body=body, content_type="text/event-stream")

    page.route("**/v1/chat/completions", reply)
    ask(page)
    heights = [page.locator(".answer").nth(number).bounding_box()["height"] for number in range(2)]
    assert heights[0] < heights[1] / 2
