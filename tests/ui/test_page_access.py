"""The page for everybody: axe-core finds nothing serious in its main states, in light and dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import MARKS, chip, look, opened, served  # type: ignore[import-not-found]
from replayed import make_backend  # type: ignore[import-not-found]

axe = pytest.importorskip("axe_playwright_python.base", reason='no axe-core: pip install ".[test]"')
pytestmark = MARKS

# gradio's own markup, which nothing of ours reaches: by rule, what it is known by.
GRADIOS = {
    # An image or a box of files that is empty: a <div> with a label and no role.
    "aria-prohibited-attr": 'aria-label="Empty value"',
}


@pytest.fixture(scope="module")
def address(image_file: Path) -> Iterator[str]:
    with served(lambda folder: make_backend(image_file)) as address:
        yield address


def empty(page: Any) -> None:
    """Nothing but what is there at first."""


def ranked(page: Any) -> None:
    look(page)
    chip(page, "hat").click()
    page.locator("#vxa_picture img").click()
    page.wait_for_selector(".vxa-ranking li")


def compared(page: Any) -> None:
    look(page)
    page.check("#vxa_mode input[value=difference]")
    page.click("#vxa_tokens_against .vxa-chip-word >> nth=0")


def refused(page: Any) -> None:
    look(page)
    page.check("#vxa_mode input[value=timesteps]")
    page.locator("#vxa_indices textarea, #vxa_indices input").fill("99")
    page.wait_for_selector("#vxa_message [role=alert]")
    page.fill("#vxa_prompt textarea", "another prompt")
    page.wait_for_selector("#vxa_earlier [role=status]")


def unfolded(page: Any) -> None:
    look(page)
    for name in ("settings", "take"):
        page.click(f"#vxa_{name} > button")
    page.click("#vxa_save")
    page.wait_for_selector("#vxa_files a[href]")


def findings(page: Any) -> list[str]:
    """The serious and critical findings, one line for each element."""
    page.evaluate(axe.AXE_SCRIPT)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{rule['id']} ({rule['impact']}) {node['html'][:160]}: {node['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if GRADIOS.get(rule["id"], "nowhere") not in node["html"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "state", [empty, ranked, compared, refused, unfolded], ids=lambda state: state.__name__
)
def test_nothing_serious_is_found(browser: Any, address: str, state: Callable[[Any], None], theme: str):
    with opened(browser, address, color_scheme=theme) as page:
        assert page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
        state(page)
        page.wait_for_timeout(500)
        assert findings(page) == []
