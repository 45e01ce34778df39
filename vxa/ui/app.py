"""The standalone app: the panel over one backend, served by gradio, to this machine alone unless asked."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vxa.errors import SettingError
from vxa.ui import strings
from vxa.ui.backend import Backend

__all__ = ["MAX_UPLOAD", "app_folder", "start"]

MAX_UPLOAD = "32mb"


def app_folder() -> Path:
    """A new folder for all that the app writes, uploads included; it goes when the app ends."""
    # Resolved, as gradio compares paths: macOS' temporary folder is behind a link, Windows' may be shortened.
    folder = Path(tempfile.mkdtemp(prefix="vxa-")).resolve()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # gradio reads these when it is imported, and when the first component is made.
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "gradio")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    return folder


def start(
    make_backend: Callable[[Path], Backend], host: str = "127.0.0.1", port: int = 7861, browser: bool = False
) -> Any:
    """The gradio app, serving in threads of its own; `close()` ends it.

    The backend is made once the app's folder is there, for it may write its examples there. Raises
    SettingError where gradio is missing or the port cannot be used.
    """
    folder = app_folder()
    try:
        from vxa.ui.compat import page_and_launch
        from vxa.ui.panel import panel
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise SettingError(strings.NO_GRADIO) from error
    blocks, launch = page_and_launch(**_page(), footer_links=[], run_history=False, ssr_mode=False)
    app = panel(make_backend(folder), folder, **blocks)
    app.queue(default_concurrency_limit=8)
    try:
        app.launch(
            server_name=host, server_port=port, inbrowser=browser, prevent_thread_lock=True, quiet=True,
            share=False, allowed_paths=[], max_file_size=MAX_UPLOAD, **launch,
        )  # fmt: skip
    except OSError as error:
        raise SettingError(strings.port_taken(host, port)) from error
    except ValueError as error:  # gradio asks its own page whether it is there
        raise SettingError(strings.UNREACHABLE) from error
    return app


def _page() -> dict[str, Any]:
    """The style, the script and the theme; fonts are the system's: nothing is fetched from elsewhere."""
    from gradio import themes

    from vxa.ui.assets import asset

    script = asset("javascript/vxa.js").read_text("utf-8")
    theme = themes.Soft(
        primary_hue="indigo",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        # Soft's own are too faint to read for many: text needs a contrast of 4.5 (WCAG 2.2, 1.4.3).
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*body_text_color_subdued",
        block_info_text_color_dark="*body_text_color_subdued",
        link_text_color_dark="*primary_300",
        link_text_color_hover_dark="*primary_200",
        link_text_color_active_dark="*primary_300",
        link_text_color_visited_dark="*primary_300",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        block_label_text_color="*primary_800",
        block_label_text_color_dark="*primary_100",
        block_title_text_color="*primary_800",
        block_title_text_color_dark="*primary_100",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        # Nor does Soft show where an unchecked one is: 3 for the parts of a control (1.4.11).
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        checkbox_label_background_fill_selected="*primary_600",
        checkbox_label_background_fill_selected_dark="*primary_600",
    )
    return {"css": asset("style.css").read_text("utf-8"), "js": f"() => {{\n{script}\n}}", "theme": theme}
