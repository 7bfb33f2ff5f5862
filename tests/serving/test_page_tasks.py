"""Examples of tasks and choices on the page, in headless Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from serving.browser import opened
from serving.running import RunningServer

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture
def page(chromium: Browser, page_server: RunningServer) -> Iterator[Page]:
    with opened(chromium, page_server.url) as page:
        yield page


def test_examples_of_a_task_are_checked_and_doubts_are_shown(page: Page) -> None:
    page.get_by_text("Describe a task").click()
    page.get_by_label("Task description").fill("Say yes or no.")
    examples = page.get_by_label("Examples (one on each line: input => output")
    examples.fill("hot => yes\nbig -> no")
    page.get_by_role("button", name="Specialize").click()
    expect(page.get_by_role("alert")).to_contain_text('"big -> no" is not in the form')
    examples.fill("hot => yes\nbig => maybe\nold => no\nred => yes")
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
