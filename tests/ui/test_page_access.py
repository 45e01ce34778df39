"""The page for everybody: axe-core finds nothing serious in its main states, in light and dark.

Under the older gradios too: test_gradios.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.accessibility import STATES, findings
from support.browser import MARKS, opened, served
from support.replayed import make_backend

pytestmark = MARKS


@pytest.fixture(scope="module")
def address(image_file: Path) -> Iterator[str]:
    with served(lambda folder: make_backend(image_file)) as address:
        yield address


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_nothing_serious_is_found(browser: Any, address: str, state: Callable[[Any], None], theme: str):
    with opened(browser, address, color_scheme=theme) as page:
        assert page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
        state(page)
        page.wait_for_timeout(500)
        assert findings(page) == []
