from pathlib import Path
from typing import Any

import pytest
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

import vxa
from vxa.models.quiet import quietly


def state() -> list[Any]:
    return [
        (library.get_verbosity(), library.is_progress_bar_enabled())
        for library in (diffusers_logging, transformers_logging)
    ]


@pytest.mark.parametrize("bars", [True, False])
def test_all_is_as_it_was_afterwards(bars: bool) -> None:
    original = state()
    try:
        (diffusers_logging.enable_progress_bar if bars else diffusers_logging.disable_progress_bar)()
        diffusers_logging.set_verbosity_info()
        before = state()
        with quietly("diffusers", "transformers"):
            assert state() == [(diffusers_logging.ERROR, False)] * 2
        assert state() == before
        with pytest.raises(ZeroDivisionError), quietly("diffusers"):
            raise ZeroDivisionError
        assert state() == before
    finally:
        diffusers_logging.set_verbosity(original[0][0])
        diffusers_logging.enable_progress_bar()


def test_loading_a_folder_writes_nothing(
    sd_pipeline: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sd_pipeline.save_pretrained(tmp_path, safe_serialization=True)
    capfd.readouterr()
    vxa.load(tmp_path)
    assert capfd.readouterr() == ("", "")
