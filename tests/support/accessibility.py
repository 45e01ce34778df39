"""Findings of axe-core in a page, and the states of the page that it is run in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from support.browser import chip, look

__all__ = ["STATES", "findings"]

# gradio's own markup, which our code does not reach: marks in its HTML, by rule.
GRADIOS = {
    # An empty image or files box in gradio 4 and later: a <div> with a label and no role.
    "aria-prohibited-attr": ('aria-label="Empty value"',),
    # gradio 4.40's own button around a picture: its image has no text, and our script does not reach it yet.
    "button-name": ('<button class="svelte-dtsjjk"><div class="image-container',),
}


def empty(page: Any) -> None:
    """Leave the page as it opens."""


def ranked(page: Any) -> None:
    look(page)
    chip(page, "hat").click()
    page.locator("#vxa_image img").click()
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
        page.click(f"#vxa_{name} .label-wrap")
    page.click("#vxa_save")
    page.wait_for_selector("#vxa_files a[href]")


STATES = (empty, ranked, compared, refused, unfolded)


def findings(page: Any, within: Sequence[str] = ()) -> list[str]:
    """Return the serious and critical findings below the selectors `within`, one line for each element."""
    axe = pytest.importorskip("axe_playwright_python.base", reason='no axe-core: pip install ".[test]"')
    page.evaluate(axe.AXE_SCRIPT)
    context = {"include": [[selector] for selector in within]} if within else None
    run = "context => axe.run(context || document, {resultTypes: ['violations']})"
    violations = page.evaluate(run, context)["violations"]
    return [
        f"{rule['id']} ({rule['impact']}) {node['html'][:160]}: {node['failureSummary']}"
        for rule in violations
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if not any(mark in node["html"] for mark in GRADIOS.get(rule["id"], ()))
    ]
