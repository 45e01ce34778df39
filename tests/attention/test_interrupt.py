from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.modules import module as torch_module

import vxa
from vxa.attention.interrupt import interruptible
from vxa.generation.images import make_image
from vxa.generation.settings import GenerationSettings


class Stop(Exception):
    """The user pressed stop."""


class Countdown:
    """A check that raises at its n-th call."""

    def __init__(self, last: int | None = None) -> None:
        self.calls = 0
        self.last = last

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == self.last:
            raise Stop


@pytest.fixture(autouse=True)
def _no_hook_is_left() -> Any:
    yield
    assert not torch_module._global_forward_pre_hooks


def hooks(model: Any) -> int:
    parts = (model.pipeline.unet, model.pipeline.vae, model.pipeline.text_encoder)
    modules = [module for part in parts for module in part.modules()]
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules)


def test_every_module_is_asked_about_once_each_time_it_runs() -> None:
    inner = nn.Linear(3, 2)
    network, check = nn.Sequential(inner, nn.ReLU(), nn.Linear(2, 1)), Countdown()
    with interruptible(check):
        network(torch.zeros(1, 3))
        inner(torch.zeros(1, 3))
    network(torch.zeros(1, 3))
    assert check.calls == 4 + 1


def test_another_threads_forwards_are_not_asked_about() -> None:
    check = Countdown(1)
    done: list[int] = []
    other = threading.Thread(target=lambda: done.append(len(nn.Linear(3, 2)(torch.zeros(1, 3)))))
    with interruptible(check):
        other.start()
        other.join(60)
    assert (done, check.calls) == ([1], 0)


def test_what_is_not_ended_stays_the_same_bit_for_bit(sd_model: Any, picture: Image.Image) -> None:
    plain = vxa.visualize(sd_model, picture, "hat, neck")
    with interruptible(Countdown()):
        asked = vxa.visualize(sd_model, picture, "hat, neck")
    for name, record in plain.records.items():
        assert torch.equal(record.query, asked.records[name].query)
        assert torch.equal(record.key, asked.records[name].key)


@pytest.mark.parametrize("part", ["vae", "text_encoder", "unet"])
def test_a_pass_ends_within_each_of_the_models_parts_and_leaves_no_hook(
    sd_model: Any, picture: Image.Image, part: str
) -> None:
    ran: list[str] = []
    whole = {id(module): name for name in ("vae", "text_encoder", "unet")
             for module in getattr(sd_model.pipeline, name).modules()}  # fmt: skip

    def check() -> None:
        if ran.count(part) == 5:
            raise Stop

    spies = [
        module.register_forward_pre_hook(lambda module, inputs: ran.append(whole[id(module)]))
        for name in ("vae", "text_encoder", "unet")
        for module in getattr(sd_model.pipeline, name).modules()
    ]
    before = hooks(sd_model)
    with pytest.raises(Stop), interruptible(check):
        vxa.visualize(sd_model, picture, "hat, neck")
    assert ran[-5:] == [part] * 5
    assert ran.count(part) == 5
    assert hooks(sd_model) == before
    for spy in spies:
        spy.remove()
    assert vxa.visualize(sd_model, picture, "hat, neck").heat_map("hat").values.max() > 0


def test_making_an_image_ends_within_a_step(sd_model: Any) -> None:
    check, steps = Countdown(400), []
    settings = GenerationSettings(steps=1000, size="16x16")
    with pytest.raises(Stop), interruptible(check):
        make_image(sd_model, "hat", settings, lambda: steps.append(check.calls))
    assert check.calls == 400
    assert len(steps) < 999
