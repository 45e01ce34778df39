"""Loading without the libraries' own progress bars and advice on the terminal.

Whenever diffusers is imported, transformers warns about a torchvision that nothing here needs. Both draw a
progress bar for every part that they load from disk. A download's bars stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any


@contextmanager
def quietly(*libraries: str) -> Iterator[None]:
    """Limit logs of `libraries` to errors and hide their progress bars in this block, then restore both."""
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
