"""Examples of tasks and choices on the page, in headless Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from serving.browser import browser, opened
from serving.running import RunningServer, serving
from serving.tiny_lorify import save_tiny_task_hypernetwork, tiny_lorify
from tiny import tiny_base

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder: Path = tmp_path_factory.mktemp("page")
    base = tiny_base()
    model = tiny_lorify(base, task_hypernetwork=save_tiny_task_hypernetwork(folder / "hypernetwork", base))
    with serving(folder, model=model) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as launched:
        yield launched


@pytest.fixture
def page(chromium: Browser, server: RunningServer) -> Iterator[Page]:
    with opened(chromium, server.url) as page:
        yield page


def test_examples_of_a_task_are_checked_and_doubts_are_shown(page: Page) -> None:
    page.get_by_text("Describe a task").click()
    page.get_by_label("Task description").fill("Say yes or no.")
    examples = page.get_by_label("Examples (one on each line: input => output)")
    examples.fill("hot => yes\nbig -> no")
    page.get_by_role("button", name="Specialize").click()
    expect(page.get_by_role("alert")).to_contain_text('"big -> no" is not in the form')
    examples.fill("hot => yes\nbig => maybe")
    page.get_by_role("button", name="Specialize").click()
    report = page.get_by_role("list", name="Check of the task")
    expect(report).to_contain_text("of 2 examples")
    expect(report).to_contain_text("Warning: the description asks for yes or no")
    expect(examples).to_be_empty()


def test_choices_are_answered_with_their_probabilities(page: Page) -> None:
    page.get_by_label("Answer with one of").fill("yes, no, maybe")
    page.get_by_label("Question", exact=True).fill("Is it open?")
    page.keyboard.press("Enter")
    turn = page.locator(".turn").first
    for number in range(2):
        expect(turn.locator(".details").nth(number)).to_contain_text("%")
    assert set(turn.locator(".text").all_text_contents()) <= {"yes", "no", "maybe"}


def test_a_single_choice_is_an_error(page: Page) -> None:
    page.get_by_label("Answer with one of").fill("yes")
    page.get_by_label("Question", exact=True).fill("Is it open?")
    page.keyboard.press("Enter")
    expect(page.locator(".details.failed").first).to_contain_text("choices")
