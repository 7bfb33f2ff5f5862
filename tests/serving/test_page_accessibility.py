"""Accessibility of the page (WCAG 2, AA): names for screen readers, keyboard focus, contrast."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from serving.browser import browser, drop, opened
from serving.running import serving
from serving.tiny_lorify import TEXTS, save_tiny_task_hypernetwork, tiny_lorify
from tiny import tiny_base

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
TEXT_CONTRAST = 4.5
FOCUS_CONTRAST = 3
NAMED_ROLES = {"button", "checkbox", "textbox", "slider", "link", "DisclosureTriangle", "log", "list", "searchbox"}
CONTROLS = "a[href], summary, button:enabled, input, select, textarea"

COLOURS = """
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
};
const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
const groundOf = (element) =>
    element ? over(rgba(getComputedStyle(element).backgroundColor), groundOf(element.parentElement)) : [255, 255, 255];
const shownOn = (colour, ground) => over(rgba(colour), ground);
const visible = (element) => element.checkVisibility({ visibilityProperty: true });
"""
# All visible texts: the text, its colour and the colour behind it.
TEXTS_SHOWN = f"""() => {{
    {COLOURS}
    const found = [];
    const add = (text, style, ground) => found.push([text, shownOn(style.color, ground), ground]);
    const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (nodes.nextNode()) {{
        const text = nodes.currentNode.data.trim(), parent = nodes.currentNode.parentElement;
        if (text && visible(parent)) add(text, getComputedStyle(parent), groundOf(parent));
    }}
    for (const field of document.querySelectorAll("input:not([type=range], [type=checkbox]), textarea")) {{
        if (!visible(field)) continue;
        if (field.type === "file") {{
            add(field.id, getComputedStyle(field), groundOf(field));
            const button = getComputedStyle(field, "::file-selector-button");
            add(`button of ${{field.id}}`, button, over(rgba(button.backgroundColor), groundOf(field)));
        }} else {{
            const style = getComputedStyle(field, field.value ? null : "::placeholder");
            add(field.value || field.placeholder || field.id, style, groundOf(field));
        }}
    }}
    return found;
}}"""
# The focused element: its position among the controls, and the colours of its outline and of the background.
FOCUSED = f"""(controls) => {{
    {COLOURS}
    const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
    const ground = groundOf(element.parentElement);
    const onTop = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return {{
        position: [...document.querySelectorAll(controls)].filter(visible).indexOf(element),
        isOnTop: element.contains(onTop),
        outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
        colours: [shownOn(style.outlineColor, ground), ground],
    }};
}}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page with everything it can show: adapters on and off, an answer, a failed answer, progress and a problem."""
    folder, base = tmp_path_factory.mktemp("page"), tiny_base()
    model = tiny_lorify(base, task_hypernetwork=save_tiny_task_hypernetwork(folder / "hypernetwork", base))
    with serving(folder, model=model) as running, browser() as chromium, opened(chromium, running.url) as page:
        show_everything(page)
        yield page


def show_everything(page: Page) -> None:
    page.get_by_text("Paste text").click()
    page.get_by_text("Describe a task").click()
    drop(
        page.locator("#drop"), {"mill.txt": TEXTS[0].encode(), "broken.pdf": b"%PDF-1.7", "bees.txt": TEXTS[1].encode()}
    )
    expect(page.get_by_text("Adapter for bees.txt created and turned on.")).to_be_visible()
    page.get_by_role("checkbox", name="mill.txt").uncheck()
    question = page.get_by_label("Question", exact=True)
    question.fill("Who keeps the bees?")
    question.press("Enter")
    for number in range(2):
        expect(page.locator(".details").nth(number)).to_contain_text(" s")
    failing = f"data: {json.dumps({'error': {'message': 'the engine failed'}})}\n\n"
    page.route("**/v1/chat/completions", lambda route: route.fulfill(body=failing, content_type="text/event-stream"))
    question.fill("And who else?")
    question.press("Enter")
    expect(page.get_by_text("the engine failed").nth(1)).to_be_visible()
    expect(page.locator("#stop")).to_be_hidden()
    for hidden in ("key-form", "bias"):
        page.evaluate("id => (document.getElementById(id).hidden = false)", hidden)


def contrast(one: list[float], other: list[float]) -> float:
    """Contrast ratio of two colours [red, green, blue] (0 to 255) as defined by WCAG 2: 1 to 21."""

    def luminance(colour: list[float]) -> float:
        parts = [part / 255 for part in colour]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_black_on_white_has_the_most_contrast() -> None:
    assert contrast([0, 0, 0], [255, 255, 255]) == pytest.approx(21)
    assert contrast([119, 119, 119], [255, 255, 255]) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_enough_contrast(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    shown = page.evaluate(TEXTS_SHOWN)
    assert {"bees.txt", "Paste text", "the engine failed", "Ask about your documents"} <= {text for text, _, _ in shown}
    ratios = [(text, round(contrast(ink, ground), 2)) for text, ink, ground in shown]
    assert [(text, ratio) for text, ratio in ratios if ratio < TEXT_CONTRAST] == []
    ground = next(ground for text, _, ground in shown if text == "lorify")
    assert (contrast(ground, [255, 255, 255]) < 2) == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_tab_visits_all_controls_and_shows_the_focus(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.evaluate("document.activeElement.blur()")
    page.mouse.click(2, 2)  # makes Tab start at the top again
    controls = page.locator(CONTROLS).filter(visible=True).count()
    positions = []
    for _ in range(controls):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED, CONTROLS)
        positions.append(focused["position"])
        name = page.evaluate("document.activeElement.outerHTML")
        assert focused["isOnTop"], f"{name} is covered"
        assert focused["outline"] >= 2 and contrast(*focused["colours"]) >= FOCUS_CONTRAST, name
    assert positions == list(range(controls))


def test_every_control_has_an_accessible_name(page: Page) -> None:
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    nodes = [node for node in tree if not node["ignored"] and node["role"]["value"] in NAMED_ROLES]
    names = [node["name"]["value"] for node in nodes if node["role"]["value"] != "list"]
    assert {
        "Question",
        "Scale of bees.txt",
        "Delete bees.txt",
        "Rename mill.txt",
        "Save chat",
        "Task description",
        "API key",
        "Scale of the bias adapter",
    } <= set(names)
    assert all(node["name"]["value"].strip() for node in nodes), nodes
    fields = page.locator("input, textarea")
    assert fields.evaluate_all("all => all.filter((field) => !field.labels.length).length") == 0
