"""`vxa app`: the page, served until it is interrupted or terminated."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path

import typer

from vxa.cli.console import quiet, status
from vxa.models import find_model
from vxa.models.choices import model_choices
from vxa.models.placement import find_placement
from vxa.models.settings import LoadSettings
from vxa.ui import strings
from vxa.ui.app import start
from vxa.ui.backend import Backend
from vxa.ui.loading import ModelLoader
from vxa.ui.local import choosing_backend, examples

__all__ = ["serve"]

_LOCAL = ("127.0.0.1", "localhost", "::1")
_ENDING = ("SIGTERM", "SIGHUP", "SIGBREAK")  # SIGHUP: the terminal was closed; SIGBREAK: Windows' Ctrl+Break


def serve(
    models: Sequence[str], folders: Sequence[Path], loading: LoadSettings, host: str, port: int, browser: bool
) -> None:
    """Serve the page over the models; return when it is interrupted or terminated.

    The first model is loaded once the page is up. Raises a VxaError before that for a name that is no
    model's, and for a device that cannot be used.
    """
    choices = model_choices(models, folders)
    for source in models:
        find_model(source)
    find_placement(choices[0].source, loading)
    _end_as_by_ctrl_c()
    loader = ModelLoader(choices, loading, choices[0].name)

    def backend(folder: Path) -> Backend:
        return choosing_backend(loader, loader.slot, examples(folder))

    with status("starting the page"), quiet():
        page = start(backend, host, port, browser)
    if host not in _LOCAL:
        typer.echo(strings.open_to_all(host, port), err=True)
    typer.echo(strings.address(page.local_url))
    loader.choose(choices[0].name)
    try:
        while True:
            time.sleep(1)  # on Windows, no signal but Ctrl+C ends a sleep
    except KeyboardInterrupt:
        page.close(verbose=False)


def _end_as_by_ctrl_c() -> None:
    """Turn the signals that end a process into KeyboardInterrupt, as far as this system has them.

    Python would die of them at once, and the app's temporary folder would stay behind. One that the parent
    process ignores stays ignored: `nohup` does that with SIGHUP.
    """
    for number in (getattr(signal, name) for name in _ENDING if hasattr(signal, name)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
