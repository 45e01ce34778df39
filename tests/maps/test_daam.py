"""daam's formula, compared with hand-computed values and with daam itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import daam_code
from support.packages import CannotInstall
from support.tiny_models import make_sd_pipeline

import vxa
from vxa.errors import SettingError, SiteError, WordError
from vxa.maps.daam import daam_heat_map

PROMPT = "red hat and neck, hat"

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.cuda.amp.autocast:FutureWarning")


@pytest.fixture(scope="module")
def four_levels(tokenizer_folder: Path) -> Any:
    """Build a tiny pipeline with attention at all four levels, made for 512 pixels: latents of 64 × 64."""
    from diffusers import UNet2DConditionModel

    pipeline = make_sd_pipeline(tokenizer_folder)
    torch.manual_seed(4)
    pipeline.unet = UNet2DConditionModel(
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=4,
        sample_size=256,
    ).eval()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def make(pipeline: Any, side: int = 128, prompt: str = PROMPT) -> None:
    generator = torch.Generator().manual_seed(1)
    pipeline(prompt, height=side, width=side, num_inference_steps=3, generator=generator, output_type="np")


@pytest.mark.network
@pytest.mark.parametrize("word", ["hat", "red hat", "neck"])
def test_it_is_what_daam_gives(
    word: str, four_levels: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    try:
        daam = daam_code.load()
    except CannotInstall as reason:
        pytest.skip(str(reason))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # daam creates a folder there
    with torch.no_grad(), daam.trace(four_levels) as theirs:
        make(four_levels)
        expected = theirs.compute_global_heat_map().compute_word_heat_map(word).heatmap
    with vxa.trace(four_levels, heads=True) as trace:
        make(four_levels)
    ours = daam_heat_map(trace.maps[0], word)
    assert ours.scale == "daam"
    assert ours.values.shape == tuple(expected.shape) == (64, 64)
    assert float(expected.max()) > 0.01
    assert np.abs(ours.values - expected.numpy()).max() < 1e-4 * float(expected.max())


def test_the_plane_of_other_sizes(four_levels: Any) -> None:
    with vxa.trace(four_levels, heads=True) as trace:
        four_levels(PROMPT, height=96, width=48, num_inference_steps=1, output_type="latent")
    assert daam_heat_map(trace.maps[0], "hat").values.shape == (96, 48)
    assert daam_heat_map(trace.maps[0], "hat", side=48).values.shape == (48, 24)


def test_what_daam_cannot_have_is_refused(four_levels: Any) -> None:
    with vxa.trace(four_levels, heads=True, sites="mid") as middle:
        make(four_levels, 32)
    with pytest.raises(SiteError, match="leaves out the middle block"):
        daam_heat_map(middle.maps[0], "hat")
    with vxa.trace(four_levels) as mean:
        make(four_levels, 32)
    with pytest.raises(SettingError, match="heads=True"):
        daam_heat_map(mean.maps[0], "hat")
    with pytest.raises(WordError):
        daam_heat_map(mean.maps[0], "cat")
