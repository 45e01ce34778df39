"""Recorder of the passes of a traced generation: hooks on its sites, heard while a pass is its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from torch import nn

from vxa.attention.calls import Product
from vxa.attention.hooks import OnError, watch
from vxa.attention.sites import Site
from vxa.models.session import Pass, PassListener, Row
from vxa.tracing.generation import TracedCall

__all__ = ["NumberOf", "Recorder"]

NumberOf = Callable[[Row], int | None]
"""Index of the prompt that a row reads, in the call's readings; None if it is not kept."""


class Recorder(PassListener):
    """Hooks on the sites of a traced call; each pass that is announced is added to it.

    Args:
        call: the call.
        network: the network that runs its passes.
        number_of: the index of a row's prompt.
        on_error: as in `vxa.attention.hooks.watch`.

    Raises:
        RecordingError: a site's layer cannot be watched faithfully.
    """

    def __init__(
        self, call: TracedCall, network: nn.Module, number_of: NumberOf, on_error: OnError | None = None
    ) -> None:
        self.call = call
        self._number_of = number_of
        self._reading = False
        self._hooks = ExitStack()
        self._watcher = self._hooks.enter_context(watch(network, call.sites, self._receive, on_error))

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def close(self) -> None:
        """Remove the hooks."""
        self._hooks.close()

    def before_pass(self, run: Pass | None) -> None:
        """Begin a pass; one that has no row of the call's prompts is not heard."""
        numbers = {} if run is None else self._numbers(run.rows)
        self._reading = bool(numbers)
        self._watcher.reset(self._reading)
        if run is not None and numbers:
            self.call.begin(run, numbers)

    def after_pass(self, run: Pass | None) -> None:
        """End a pass. Raises RecordingError unless every site fired exactly once."""
        if self._reading:
            self._reading = False
            self._watcher.check()
            self.call.end_pass()

    def fail_pass(self) -> None:
        """Drop a pass whose forward raised."""
        if self._reading:
            self._reading = False
            self.call.drop_pass()

    def settle(self, run: Pass, rows: Mapping[int, Row]) -> None:
        """Count the rows that the step used."""
        self.call.settle(run, self._numbers(rows))

    def _numbers(self, rows: Mapping[int, Row]) -> dict[int, int]:
        found = {place: self._number_of(row) for place, row in rows.items()}
        return {place: number for place, number in found.items() if number is not None}

    def _receive(self, site: Site, call: Product) -> None:
        if self._reading:
            self.call.receive(site, call)
