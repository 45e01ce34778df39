from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from vxa.ui.app import app_folder


def test_the_folder_is_named_as_the_system_resolves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """macOS' temporary folder is behind a link, /var; gradio would compare the two names of one file."""
    (tmp_path / "private").mkdir()
    try:
        (tmp_path / "var").symlink_to(tmp_path / "private", target_is_directory=True)
    except OSError:
        pytest.skip("this user may make no links")
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "var"))
    folder = app_folder()
    assert folder.parent == (tmp_path / "private").resolve()
    assert Path(os.environ["GRADIO_TEMP_DIR"]).parent == folder
