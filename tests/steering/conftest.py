from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(params=["sd", "sdxl"])
def pipeline(request: pytest.FixtureRequest) -> Any:
    made = request.getfixturevalue(f"{request.param}_pipeline")
    made.set_progress_bar_config(disable=True)
    return made
