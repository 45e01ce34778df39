"""Slot for the model of all pages: one model at a time, exchanged between requests.

with slot.hold(progress) as held:       # waits for a model, and keeps it for the block
    visualize(held.model, …)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vxa.models.placement import Placement
from vxa.models.protocol import Model
from vxa.ui.backend import ModelFacts, Progress, site_labels

__all__ = ["LoadedModel", "ModelSlot"]

_TELL_EVERY = 0.2  # seconds between two tellings of what is waited for


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model that is loaded.

    Attributes:
        model: the model.
        name: its name for people.
        latent_size: (height, width) of the latents that it was made for; None where it does not say.
        placement: where it is; None where that is not known.
    """

    model: Model
    name: str
    latent_size: tuple[int, int] | None = None
    placement: Placement | None = None

    @property
    def facts(self) -> ModelFacts:
        """What a page says of the model."""
        model = self.model
        labels = site_labels(model.sites, model.default_sites, self.latent_size)
        return ModelFacts(model.name, labels, model.num_timesteps)


class ModelSlot:
    """The model that is there now, or none yet.

    Args:
        loaded: the model to begin with.
        waiting: says what is waited for while there is none, as a fraction and in words. Raises a VxaError
            where none will come.
    """

    def __init__(
        self,
        loaded: LoadedModel | None = None,
        waiting: Callable[[], tuple[float, str]] = lambda: (0.0, ""),
    ) -> None:
        self.loaded = loaded
        self._waiting = waiting
        self._changed = threading.Condition()
        self._holders, self._is_exchanging = 0, False
        self._of_thread = threading.local()

    @contextmanager
    def hold(self, progress: Progress) -> Iterator[LoadedModel]:
        """Yield the model, which stays in the slot until the block ends; a block within is of the same one.

        Until there is one, `progress` is told what is waited for; what it raises ends the waiting.
        """
        held: LoadedModel | None = getattr(self._of_thread, "held", None)
        if held is not None:
            yield held
            return
        self._of_thread.held = held = self._take(progress)
        try:
            yield held
        finally:
            self._of_thread.held = None
            with self._changed:
                self._holders -= 1
                self._changed.notify_all()

    def _take(self, progress: Progress) -> LoadedModel:
        with self._changed:
            while self.loaded is None or self._is_exchanging:
                progress(*self._waiting())
                self._changed.wait(_TELL_EVERY)
            self._holders += 1
            return self.loaded

    def exchange(self, place: Callable[[LoadedModel | None], LoadedModel]) -> None:
        """Put what `place` makes of the model in the slot in its place, when nobody holds it any more.

        Who asks meanwhile waits for the new one. After an error the former model stays.
        """
        with self._changed:
            self._is_exchanging = True
            while self._holders:
                self._changed.wait()
        try:
            self.loaded = place(self.loaded)
        finally:
            with self._changed:
                self._is_exchanging = False
                self._changed.notify_all()
