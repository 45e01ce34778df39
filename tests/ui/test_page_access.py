"""The page for everybody: axe-core finds nothing serious in its main states, in light and dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import MARKS, chip, look, opened, served  # type: ignore[import-not-found]
from conftest import make_backend  # type: ignore[import-not-found]

axe = pytest.importorskip("axe_playwright_python.base", reason='no axe-core: pip install ".[test]"')
pytestmark = MARKS

# What is gradio's own markup, by rule, and the part of a target's selector that it is found at.
GRADIOS: dict[str, str] = {}


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
        f"{rule['id']} ({rule['impact']}) {' '.join(map(str, node['target']))}: {node['html'][:160]} "
        f"{node['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if GRADIOS.get(rule["id"], "nowhere") not in " ".join(map(str, node["target"]))
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "state", [empty, ranked, compared, refused, unfolded], ids=lambda state: state.__name__
)
def test_nothing_serious_is_found(browser: Any, address: str, state: Callable[[Any], None], theme: str):
    with opened(browser, f"{address}?__theme={theme}") as page:
        state(page)
        page.wait_for_timeout(500)
        assert findings(page) == []
