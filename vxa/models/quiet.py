"""Loading without the libraries' own progress bars and advice on the terminal.

transformers warns, whenever diffusers is imported, of a torchvision that nothing here needs; both draw a
bar for every part they load from disk. A download's bars stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any


@contextmanager
def quietly(*libraries: str) -> Iterator[None]:
    """Errors alone are logged by `libraries` in this block, and no bars drawn; then all is as it was."""
    with ExitStack() as stack:
        for library in libraries:
            logging = import_module(f"{library}.utils.logging")
            stack.callback(_restore, logging, logging.get_verbosity(), logging.is_progress_bar_enabled())
            logging.set_verbosity_error()
            logging.disable_progress_bar()
        yield


def _restore(logging: Any, verbosity: int, bars: bool) -> None:
    logging.set_verbosity(verbosity)
    if bars:
        logging.enable_progress_bar()
