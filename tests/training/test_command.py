"""The command `python -m vxa.training`: which step takes which option, and what is refused."""

from __future__ import annotations

import inspect

import pytest

pytest.importorskip("tqdm")
pytest.importorskip("diffusers")

from vxa.training import steps
from vxa.training.__main__ import _option, _parser, main
from vxa.training.steps import STEPS
from vxa.training.stream import UNET_SIZES


def test_every_option_that_a_step_takes_can_be_given():
    options = {action.dest for action in _parser()._actions} - {"help", "what", "stream"}
    taken = {name for step in STEPS.values() for name in inspect.signature(step).parameters}
    assert taken == options


def test_options_reach_their_step_and_defaults_are_its_own(monkeypatch, tmp_path):
    given = []
    monkeypatch.setitem(
        STEPS, "unet --stream", lambda folder, steps=5, batch=None: given.append((steps, batch))
    )
    main(["unet", "--stream", "--folder", str(tmp_path / "new"), "--batch", "4"])
    assert given == [(5, 4)]
    assert (tmp_path / "new").is_dir()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("judge --stream", "there is no judge --stream; unet and decoder can be trained on a stream"),
        ("unet --batch 4", "unet does not take --batch; it takes --crops, --device"),
        ("unet --stream --crops 0.5", "unet --stream does not take --crops; it takes --batch, --device"),
        ("unet --stream --device cuda:1", "a stream trains on cpu or cuda, not on 'cuda:1'"),
        ("decoder --stream --device cuda", "torch sees no CUDA GPU; give --device cpu"),
        ("unet --stream --workers 0", "0 is not a positive whole number"),
    ],
)
def test_what_a_step_does_not_take_is_refused(monkeypatch, tmp_path, capsys, arguments, told):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="2"):
        main([*arguments.split(), "--folder", str(tmp_path)])
    assert told in capsys.readouterr().err


def test_a_stream_is_refused_under_torchrun(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(steps.SettingError, match="without torchrun"):
        steps._stream_sizes(UNET_SIZES, "cpu", None, None)


def test_sizes_that_are_given_replace_those_of_the_device():
    sizes = steps._stream_sizes(UNET_SIZES, "cpu", 3, None)
    assert (sizes.batch, sizes.workers) == (3, UNET_SIZES["cpu"].workers)
    assert _option("from_shipped") == "--from-shipped"
