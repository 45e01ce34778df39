"""Loading of the page's models: the one chosen last, in a thread of its own, while the page is up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from vxa.errors import ModelError, SettingError
from vxa.models import find_model
from vxa.models.choices import ModelChoice
from vxa.models.placement import Placement, find_placement, free_memory
from vxa.models.settings import LoadSettings
from vxa.models.unet import native_latent
from vxa.tokens import shorten
from vxa.ui import strings
from vxa.ui.backend import LoadStatus, ModelFacts, Progress
from vxa.ui.handlers import sentence
from vxa.ui.slot import LoadedModel, ModelSlot

__all__ = ["ModelLoader"]


class _Superseded(Exception):
    """Another model was chosen while this one was read."""


class ModelLoader:
    """Choices of models, and the loading of the one that is chosen.

    Args:
        choices: the models; only these can be chosen.
        settings: where they run, and in which precision.
        first: the name of the first one, which `choose` is to be called with when the page is up.
    """

    def __init__(self, choices: Sequence[ModelChoice], settings: LoadSettings, first: str) -> None:
        self.names = tuple(choice.name for choice in choices)
        self.slot = ModelSlot(waiting=self._waiting)
        self._sources = {choice.name: choice.source for choice in choices}
        self._settings = settings
        self._status = LoadStatus(0, first, strings.loading(first, 0, 0))
        self._wanted = first
        self._is_working = False
        self._lock = threading.Lock()

    @property
    def facts(self) -> ModelFacts | None:
        """The facts of the model that is there; None while there is none."""
        loaded = self.slot.loaded
        return None if loaded is None else loaded.facts

    def hold(self, progress: Progress) -> AbstractContextManager[LoadedModel]:
        """A block in which the model stays the same; it begins when there is one."""
        return self.slot.hold(progress)

    @property
    def status(self) -> LoadStatus:
        """What there is to say of the model now."""
        return self._status

    def choose(self, name: str) -> None:
        """Load the model of that name, unless it is there; what is being loaded is given up for it.

        Raises:
            SettingError: no choice has that name.
        """
        if name not in self._sources:
            raise SettingError(strings.no_such_model(shorten(str(name)), self.names))
        with self._lock:
            self._wanted = name
            if self._is_working:
                return
            self._is_working = True
        threading.Thread(target=self._work, daemon=True).start()

    def _waiting(self) -> tuple[float, str]:
        """Return how far the loading is. Raises ModelError where nothing is being loaded."""
        status = self._status
        if status.problem and not status.loading:
            raise ModelError(status.problem)
        return status.fraction, status.loading

    def _tell(self, **changes: object) -> None:
        self._status = replace(self._status, number=self._status.number + 1, **changes)  # type: ignore[arg-type]

    def _work(self) -> None:
        """Load what is wanted until that is there."""
        tried = ""
        while True:
            with self._lock:
                if self._wanted == tried:
                    self._is_working = False
                    return
                tried = self._wanted
            self._load(tried)

    def _load(self, name: str) -> None:
        """Put the model into the slot; an error leaves the former one there, and is told."""
        if self._loaded_name() != name:
            self._tell(model=name, loading=strings.loading(name, 0, 0), fraction=0.0, problem="")
            try:
                self._exchange(name)
            except _Superseded:
                return
            except Exception as error:
                self._end(sentence(error).replace(self._sources[name], name))  # no page shows our folders
                return
        self._end("")

    def _loaded_name(self) -> str | None:
        # No frame may keep the former model while another one takes its place.
        return None if self.slot.loaded is None else self.slot.loaded.name

    def _end(self, problem: str) -> None:
        there = self.slot.loaded
        said = "" if there is None else str(there.placement)
        name = self._status.model if there is None else there.name
        self._tell(model=name, loading="", fraction=0.0, placed=said, problem=problem)

    def _exchange(self, name: str) -> None:
        source = self._sources[name]
        placement = find_placement(source, self._settings)

        def advance(done: int, total: int) -> None:
            if self._wanted != name:
                raise _Superseded
            self._tell(loading=strings.loading(name, done, total), fraction=done / max(1, total))

        model = find_model(source)(placement.dtype, advance)
        self._tell(loading=strings.placing(name), fraction=1.0)
        self.slot.exchange(
            lambda former: self._placed(
                former, LoadedModel(model, name, native_latent(model.network), placement)
            )
        )
        free_memory()

    def _placed(self, former: LoadedModel | None, new: LoadedModel) -> LoadedModel:
        """Return the new model on its device, which has room for one; after an error the former goes back."""
        _displace(former)
        try:
            _place(new, new.placement)
        except Exception:
            _place(former, None if former is None else former.placement)
            raise
        return new


def _displace(loaded: LoadedModel | None) -> None:
    if loaded is not None and loaded.placement is not None:
        loaded.placement.displace(loaded.model.pipeline)  # type: ignore[attr-defined]


def _place(loaded: LoadedModel | None, placement: Placement | None) -> None:
    if loaded is not None and placement is not None:
        placement.place(loaded.model.pipeline)  # type: ignore[attr-defined]
