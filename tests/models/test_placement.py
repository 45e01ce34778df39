"""Where a model is placed: devices, precisions, offloading, and what is refused before anything is read."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import vxa
from vxa.errors import SettingError
from vxa.models.placement import Placement, find_placement
from vxa.models.settings import LoadSettings


@pytest.mark.parametrize(
    ("device", "name", "dtype", "expected"),
    [
        ("cpu", "my-model", "auto", torch.float32),
        ("cpu", "my-model", "bf16", torch.bfloat16),
        ("cuda", "my-model", "auto", torch.float16),
        ("mps", "my-model", "auto", torch.float16),
        ("xpu", "my-model", "auto", torch.float32),
        ("cuda", "papercut", "auto", torch.float32),
        ("cuda", "papercut", "fp16", torch.float16),
        ("cuda", "my-model", "fp32", torch.float32),
    ],
)
def test_the_precision_follows_from_the_device(
    device: str, name: str, dtype: str, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vxa.models.placement._find_device", torch.device)
    assert find_placement(name, LoadSettings(device, dtype)).dtype == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("abacus",), "no device 'abacus'; choose one of auto, cpu"),
        (("cuda:99",), "device 'cuda:99' cannot be used .*choose cpu"),
        (("cpu", "fp16"), "dtype fp16 is for a GPU, .* leave dtype out, or give bf16"),
        (("cpu", "auto", "model"), "offload 'model' .* the device is a CPU; leave offload out"),
        (("auto", "auto", "sequential"), "offload 'sequential' .* the device is a CPU"),
        (("cpu", "half"), "dtype 'half' is unknown; choose one of auto, fp32, fp16, bf16"),
        (("cpu", "auto", "disk"), "offload 'disk' is unknown; choose one of none, model, sequential"),
    ],
)
def test_what_cannot_be_had_is_refused(
    settings: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingError, match=message):
        find_placement("my-model", LoadSettings(*settings))


def test_a_wrong_placement_is_refused_before_the_weights_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vxa.models._read_papercut", lambda *_: pytest.fail("the weights were read"))
    with pytest.raises(SettingError, match="offload 'model'"):
        vxa.load("papercut", offload="model")


class _Pipeline:
    """Names of the methods that were called, with what they were given."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def to(self, device: Any) -> None:
        self.calls.append(("to", device))

    def enable_model_cpu_offload(self, device: Any) -> None:
        self.calls.append(("model", device))

    def enable_sequential_cpu_offload(self, device: Any) -> None:
        raise ImportError("this requires `accelerate v0.14.0` or higher")


def test_diffusers_itself_moves_and_offloads() -> None:
    pipeline, device = _Pipeline(), torch.device("cuda:1")
    for offload in ("none", "model"):
        placement = Placement(device, torch.float16, offload)
        placement.place(pipeline)
        placement.displace(pipeline)
    assert pipeline.calls == [("to", device), ("to", "cpu"), ("model", device)]
    with pytest.raises(SettingError, match=r"'cuda:1' cannot be used .this requires .accelerate"):
        Placement(device, torch.float16, "sequential").place(pipeline)


def test_a_placement_is_told_in_words() -> None:
    assert str(Placement(torch.device("cpu"), torch.float32)) == "fp32 on the CPU"
    offloaded = Placement(torch.device("cuda:0"), torch.float16, "model")
    assert str(offloaded) == "fp16 on cuda:0, offload model"


@pytest.mark.parametrize(
    "given", [{"dtype": "fp16"}, {"device": "cpu"}, {"offload": "model"}, {"dtype": torch.float32}]
)
def test_an_object_keeps_its_own(given: dict[str, Any], sd_model: Any, sd_pipeline: Any) -> None:
    for source in (sd_model, sd_pipeline):
        with pytest.raises(SettingError, match=r"device, dtype and offload are for a model .* by its name"):
            vxa.load(source, **given)
