"""The embedded model: its size, its parts, and its accuracy on unseen scenes."""

import numpy as np
import pytest
import torch

from vxa import load, visualize
from vxa.errors import ModelError
from vxa.maps.heat_map import DEFAULT_THRESHOLD
from vxa.models import papercut
from vxa.papercut import judge, scene
from vxa.papercut.colour_reading import colour_of
from vxa.papercut.shipped import WEIGHTS
from vxa.study import segmentation as seg

pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def model():
    return load("papercut")


@pytest.fixture(scope="module")
def figure():
    return scene(83, "test")


def test_it_is_small(model):
    files = [path for path in WEIGHTS.rglob("*.safetensors") if path.name != "judge.safetensors"]
    assert sum(path.stat().st_size for path in files) <= 24e6
    assert judge.JUDGE_WEIGHTS.stat().st_size <= 4e6
    assert {path.suffix for path in WEIGHTS.rglob("*") if path.is_file()} <= {".safetensors", ".json", ".txt"}


def test_one_row_of_the_unet_is_cheap(model):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.pipeline.unet(torch.zeros(1, 4, 32, 32), torch.tensor([1]), torch.zeros(1, 77, 128))
    assert counter.get_total_flops() <= 3.0e9


def test_it_has_the_sites_of_three_levels_and_the_mid_block(model):
    cross = [site for site in model.sites if site.kind == "cross"]
    assert len(cross) == 10
    assert [site.factor for site in cross] == [1, 2, 4, 4, 4, 4, 2, 2, 1, 1]
    assert model.name == "papercut"


def test_its_autoencoder_gives_a_scene_back(model, figure):
    pixels = judge.to_tensor(figure.image)[None]
    with torch.no_grad():
        vae = model.pipeline.vae
        decoded = vae.decode(vae.encode(pixels).latent_dist.mode()).sample.clamp(-1, 1)
    assert 10 * torch.log10(4 / (decoded - pixels).pow(2).mean()) > 22


def test_the_originals_example_is_read_word_by_word(model, figure):
    maps = visualize(model, figure.image, "hat, neck")
    assert [token.text for token in maps.tokens[1:4]] == ["hat", ",", "neck"]
    hat, neck = maps.heat_map("hat"), maps.heat_map("neck")
    assert hat.upsampled().shape == (256, 256)
    assert not np.allclose(hat.values, neck.values)


@pytest.mark.slow
def test_a_words_map_finds_it_better_than_another_words(model):
    """On unseen scenes, at the shipped sites and threshold; the model card has the figures."""
    cases = list(seg.cases(model, "dev", 12, first=500))
    own = seg.score(cases, seg.site_mapper(papercut.DEFAULT_SITES), DEFAULT_THRESHOLD)
    other = seg.score(cases, seg.shuffled_mapper(papercut.DEFAULT_SITES), DEFAULT_THRESHOLD)
    assert own.miou > other.miou + 0.03
    assert own.miou > 1.5 * seg.whole_image(cases).miou


def test_the_judge_sees_a_render_and_tells_its_colours(figure):
    labels = judge.label(figure.image)
    assert labels.shape == (256, 256)
    hat = next(t for t in figure.objects if t.noun == "hat")
    found = judge.mask(labels, "hat")
    assert np.logical_and(found, hat.mask).sum() / np.logical_or(found, hat.mask).sum() > 0.6
    assert judge.present(labels, "hat")
    assert not judge.present(labels, "truck")
    assert colour_of(figure.image, hat.mask, "hat") == hat.colour
    assert judge.mask(labels, "boy").sum() > found.sum(), "a person is the whole figure"
    with pytest.raises(ValueError, match="'bicycle' is not one of"):
        judge.mask(labels, "bicycle")


def test_missing_weights_are_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr("vxa.papercut.shipped.WEIGHTS", tmp_path)
    with pytest.raises(ModelError, match="install vxa again"):
        papercut.load()


def test_every_part_computes_in_float32(model):
    parts = (model.pipeline.unet, model.pipeline.vae, model.pipeline.text_encoder)
    assert {parameter.dtype for part in parts for parameter in part.parameters()} == {torch.float32}
