"""The page in headless Chromium, tested by labels, roles and text."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from serving.browser import TIMEOUT_MS, drop, opened
from serving.held_internalizer import held_lorify
from serving.running import RunningServer, serving
from serving.tiny_lorify import TEXTS, tiny_lorify

from lorify import Lorify
from lorify.data.answers import NOT_STATED
from lorify.hypernets.relevance import Relevance

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
QUESTION = "Who keeps the bees?"
TASK = "Answer in capital letters."


@pytest.fixture
def page(chromium: Browser, page_server: RunningServer) -> Iterator[Page]:
    with opened(chromium, page_server.url) as page:
        yield page
    for adapter in page_server.service.store.list("local"):
        page_server.service.store.delete(adapter.id, "local")


def ask(page: Page, question: str = QUESTION) -> list[str]:
    """Ask with the keyboard; return the answers with adapters and of the bare model."""
    turns_before = page.locator(".turn").count()
    page.get_by_label("Question", exact=True).fill(question)
    page.keyboard.press("Enter")
    turn = page.locator(".turn").nth(turns_before)
    for number in range(2):
        expect(turn.locator(".details").nth(number)).to_contain_text(" s")
    return turn.locator(".text").all_text_contents()


def test_a_question_is_answered_with_and_without_a_document(page: Page, page_server: RunningServer) -> None:
    page.get_by_label("Drop documents here").set_input_files(
        {"name": "bees.txt", "mimeType": "text/plain", "buffer": TEXTS[1].encode()}
    )
    expect(page.get_by_text("Adapter for bees.txt created and turned on.")).to_be_visible()
    expect(page.get_by_role("checkbox", name="bees.txt")).to_be_checked()
    expect(page.get_by_text("On: bees.txt × 1.0")).to_be_visible()
    expect(page.locator(".facts").first).to_contain_text("MB · created in")

    answers = ask(page)
    assert all(answers) and answers[0] != answers[1]
    assert page.get_by_role("log", name="Answers").get_attribute("aria-busy") == "false"

    page.get_by_role("checkbox", name="bees.txt").uncheck()
    expect(page.get_by_text("No adapter is on.")).to_be_visible()
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".turn")).to_have_count(0)

    page.reload()
    expect(page.get_by_role("checkbox", name="bees.txt")).not_to_be_checked()
    page.get_by_role("button", name="Delete bees.txt").click()
    expect(page.get_by_text("No adapters yet.")).to_be_visible()
    assert page_server.service.store.list("local") == []


def test_questions_about_other_things_can_be_declined(chromium: Browser, tmp_path: Path) -> None:
    tiny = tiny_lorify()
    strict = Relevance(threshold=1.0, unseen_weight=1.0, weights={})
    model = Lorify(tiny.base, replace(tiny.internalizer, relevance=strict))
    with serving(tmp_path, model=model) as running, opened(chromium, running.url) as page:
        page.get_by_label("Drop documents here").set_input_files(
            {"name": "bees.txt", "mimeType": "text/plain", "buffer": TEXTS[1].encode()}
        )
        expect(page.get_by_text("On: bees.txt × 1.0")).to_be_visible()
        page.get_by_label("Questions about other things").select_option(label="are declined")
        adapted, bare = ask(page, "Qqq zzz xxx?")
        assert adapted == NOT_STATED and bare != NOT_STATED


def test_a_bad_file_among_dropped_ones_does_not_stop_the_others(page: Page) -> None:
    drop(page.locator("#drop"), {"mill.txt": TEXTS[0].encode(), "broken.pdf": b"%PDF-1.7", "bees.md": b"# Bees\n"})
    expect(page.get_by_role("checkbox", name="bees.md")).to_be_checked()
    expect(page.get_by_role("checkbox", name="mill.txt")).to_be_checked()
    expect(page.get_by_text("On: mill.txt × 1.0, bees.md × 1.0")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("broken.pdf")
    expect(page.get_by_role("listitem")).to_have_count(2)


def test_a_file_dropped_outside_the_box_is_accepted(page: Page) -> None:
    drop(page.get_by_role("log"), {"mill.txt": TEXTS[0].encode()})
    expect(page.get_by_role("checkbox", name="mill.txt")).to_be_checked()
    expect(page.get_by_role("alert")).to_be_empty()


def test_a_task_becomes_an_adapter_that_can_be_switched_and_scaled(page: Page) -> None:
    page.get_by_text("Describe a task").click()
    page.get_by_label("Task description").fill(TASK)
    page.get_by_role("button", name="Specialize").click()
    expect(page.get_by_text("Adapter for the task created and turned on.")).to_be_visible()
    switch = page.get_by_role("checkbox", name=f"task: {TASK}")
    expect(switch).to_be_checked()
    expect(page.get_by_label("Task description")).to_be_empty()

    whole, bare = ask(page)
    assert whole != bare
    page.get_by_role("button", name="New chat").click()
    page.get_by_role("slider", name=f"Scale of task: {TASK}").fill("0.5")
    expect(page.get_by_text(f"On: task: {TASK} × 0.5")).to_be_visible()
    half, _ = ask(page)
    assert half not in (whole, bare)
    page.get_by_role("button", name="New chat").click()
    switch.uncheck()
    assert ask(page) == [bare, bare]

    page.reload()
    expect(switch).not_to_be_checked()  # under the same name as before


def test_text_can_be_pasted_with_the_keyboard_alone(page: Page) -> None:
    page.get_by_text("Paste text").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("mill")
    page.keyboard.press("Tab")
    page.keyboard.type(TEXTS[0])
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("checkbox", name="mill")).to_be_checked()
    expect(page.locator(".facts").first).to_contain_text("fidelity: reproduces")


def test_questions_use_the_scale_set_with_the_arrow_keys(page: Page) -> None:
    drop(page.locator("#drop"), {"mill.txt": TEXTS[0].encode()})
    slider = page.get_by_role("slider", name="Scale of mill.txt")
    slider.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.get_by_text("On: mill.txt × 0.8")).to_be_visible()
    drop(page.locator("#drop"), {"bees.txt": TEXTS[1].encode()})
    expect(page.get_by_role("checkbox", name="bees.txt")).to_be_checked()
    expect(slider).to_be_focused()  # although another adapter was added
    page.keyboard.press("End")
    with page.expect_request(lambda request: bool((request.post_data_json or {}).get("adapters"))) as sent:
        ask(page)
    assert [adapter["scale"] for adapter in sent.value.post_data_json["adapters"]] == [2, 1]


def test_a_bad_document_is_explained(page: Page) -> None:
    page.get_by_label("Drop documents here").set_input_files(
        {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 nothing"}
    )
    expect(page.get_by_role("alert")).to_contain_text("broken.pdf")


def test_documents_cannot_inject_html(page: Page) -> None:
    name = "<img src=x onerror=alert(1)>.txt"
    page.get_by_label("Drop documents here").set_input_files(
        {"name": name, "mimeType": "text/plain", "buffer": b"<script>alert(1)</script> is its text."}
    )
    expect(page.get_by_role("checkbox", name=name)).to_be_checked()
    assert page.locator("img").count() == 0


def test_names_of_tasks_and_answers_are_shown_as_text(page: Page) -> None:
    html = "<img src=x onerror=alert(1)><script>alert(1)</script>"
    page.get_by_text("Describe a task").click()
    page.get_by_label("Task description").fill(html)
    page.get_by_role("button", name="Specialize").click()
    expect(page.get_by_role("checkbox", name=html)).to_be_checked()
    chunk = {"choices": [{"index": 0, "delta": {"content": html}, "finish_reason": None}]}
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in (chunk, end)) + "data: [DONE]\n\n"
    page.route("**/v1/chat/completions", lambda route: route.fulfill(content_type="text/event-stream", body=stream))
    assert ask(page, html) == [html, html]
    assert page.locator("img, .turn script").count() == 0


def test_without_a_task_hypernetwork_the_page_says_so(chromium: Browser, tmp_path: Path) -> None:
    with serving(tmp_path) as running, opened(chromium, running.url) as page:
        page.get_by_text("Describe a task").click()
        expect(page.get_by_text("No task hypernetwork is loaded")).to_be_visible()


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


def test_a_long_document_shows_its_progress_and_can_be_cancelled(chromium: Browser, tmp_path: Path) -> None:
    model, internalizer = held_lorify()
    with serving(tmp_path, model=model) as server, opened(chromium, server.url) as page:
        drop(page.locator("#drop"), {"boat.txt": TEXTS[2].encode()})
        expect(page.get_by_role("progressbar", name="Progress of boat.txt")).to_be_visible()
        expect(page.locator(".job")).to_contain_text("s left")
        assert 0 < page.get_by_role("progressbar").evaluate("bar => bar.value") < 1
        page.get_by_role("button", name="Cancel boat.txt").click()
        expect(page.get_by_text("boat.txt was cancelled.")).to_be_visible()
        expect(page.get_by_role("progressbar")).to_have_count(0)
        assert server.service.store.list("local") == []
        drop(page.locator("#drop"), {"boat.txt": TEXTS[2].encode()})
        expect(page.get_by_role("progressbar")).to_be_visible()
        internalizer.let_go.set()
        expect(page.get_by_role("checkbox", name="boat.txt")).to_be_checked()
