from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import vxa
from vxa.errors import PromptError, SettingError, SiteError, TokenIndexError, WordError
from vxa.models.diffusers import DiffusersModel

PROMPT = "red hat, neck"


def test_it_is_the_mean_of_matched_noise_passes(sd_model: DiffusersModel, picture: Image.Image) -> None:
    told: list[tuple[int, int]] = []
    maps = vxa.attribute(
        sd_model,
        picture,
        PROMPT,
        timesteps=(200, 700),
        seeds=(3, 4),
        advance=lambda *so_far: told.append(so_far),
    )
    single = [
        vxa.visualize(sd_model, picture, PROMPT, timestep, "matched", seed)
        .heat_map("hat", sites="all")
        .values
        for timestep in (200, 700)
        for seed in (3, 4)
    ]
    assert np.allclose(maps.heat_map("hat", sites="all").values, np.mean(single, axis=0), atol=1e-6)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (maps.image_size, maps.provenance.prompt) == ((40, 24), PROMPT)
    assert (maps.provenance.noise, maps.provenance.seed, maps.provenance.level) == (
        "matched",
        3,
        "t = 700 … 200",
    )
    assert maps.provenance.notes == ("averaged over 2 seeds from 3 to 4",)


def test_maps_name_the_file_of_their_image(
    sd_model: DiffusersModel, picture: Image.Image, tmp_path: Path
) -> None:
    picture.save(tmp_path / "Größe 1.png")
    for image, name in ((tmp_path / "Größe 1.png", "Größe 1.png"), (picture, None)):
        maps = vxa.attribute(sd_model, image, PROMPT, timesteps=(200,), sites="mid")
        assert maps.provenance.image == name


def test_each_level_by_itself(sd_model: DiffusersModel, picture: Image.Image) -> None:
    maps = vxa.attribute(sd_model, picture, PROMPT, timesteps=[100, 900, 500], bins="each", sites="mid")
    assert [each.highest for each in maps.steps] == [900, 500, 100]
    alone = vxa.visualize(sd_model, picture, PROMPT, 500, "matched", sites="mid")
    assert np.allclose(maps.at_steps(1).heat_map("hat").values, alone.heat_map("hat").values, atol=1e-6)


@pytest.mark.slow
def test_inversion_reads_what_leads_back_to_the_image(sd_model: DiffusersModel, picture: Image.Image) -> None:
    """DDIM, run from the last latent down the same levels, returns to the latent where the inversion began.

    The network predicts velocities here, because a random network's ε divided by a small √ᾱ diverges. The
    formula for ε is tested in test_ddim_inversion.
    """
    sd_model.pipeline.scheduler.register_to_config(prediction_type="v_prediction")
    seen: list[tuple[int, torch.Tensor]] = []
    handle = sd_model.network.register_forward_pre_hook(
        lambda module, given: seen.append((int(given[1][0]), given[0].clone()))
    )
    maps = vxa.attribute(sd_model, picture, PROMPT, inversion="ddim", steps=60)
    handle.remove()
    assert [level for level, _ in seen] == sorted(level for level, _ in seen)
    assert len(maps.steps) == 1
    assert (maps.provenance.noise, maps.provenance.seed) == ("ddim", None)
    alphas, conditioning = sd_model.alphas_cumprod, sd_model.encode_prompt(PROMPT, (40, 24))
    level, latent = seen[-1]
    for following, _ in reversed(seen[:-1]):
        prediction = sd_model.denoise(latent, level, conditioning)
        signal, deviation = alphas[level].sqrt(), (1 - alphas[level]).sqrt()
        image, noise = signal * latent - deviation * prediction, signal * prediction + deviation * latent
        latent = alphas[following].sqrt() * image + (1 - alphas[following]).sqrt() * noise
        level = following
    start = seen[0][1]
    assert (latent - start).norm() < 0.25 * (seen[-1][1] - start).norm()


def test_inversion_reads_the_levels_nearest_to_those_asked_for(
    sd_model: DiffusersModel, picture: Image.Image
) -> None:
    maps = vxa.attribute(
        sd_model, picture, PROMPT, timesteps=(310, 690), inversion="ddim", steps=10, bins="each"
    )
    assert [each.highest for each in maps.steps] == [699, 300]
    every = vxa.attribute(sd_model, picture, PROMPT, inversion="ddim", steps=10, bins="each")
    assert len(every.steps) == 10
    together = every.at_steps("2, 6").heat_map("hat").values
    assert [every.steps[2].highest, every.steps[6].highest] == [699, 300]
    assert np.allclose(together, maps.heat_map("hat").values, atol=1e-6)


@pytest.mark.parametrize("kept", [{"words": "neck, red hat"}, {"tokens": "4, 1-2"}])
def test_chosen_words_alone(kept: dict[str, Any], sd_model: DiffusersModel, picture: Image.Image) -> None:
    """Kept words have the same maps as in a full recording; other words raise an error."""
    every = vxa.attribute(sd_model, picture, PROMPT, timesteps=300, sites="mid")
    maps = vxa.attribute(sd_model, picture, PROMPT, timesteps=300, sites="mid", **kept)
    assert np.array_equal(maps.heat_map("red hat").values, every.heat_map("red hat").values)
    assert {record.kept for record in maps.records.values()} == {(1, 2, 4)}
    with pytest.raises(TokenIndexError, match="kept"):
        maps.heat_map(",")


def test_a_word_that_is_not_there_is_told_before_the_image_is_encoded(
    sd_model: DiffusersModel, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[torch.Tensor] = []
    monkeypatch.setattr(sd_model, "encode_image", encoded.append)
    with pytest.raises(WordError, match="'hut'"):
        vxa.attribute(sd_model, picture, PROMPT, words="hut")
    assert not encoded


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {"timesteps": (1000,)},
            SettingError,
            "timestep 1000 is not allowed; give a whole number from 0 to 999",
        ),
        ({"timesteps": ()}, SettingError, "no timesteps were given"),
        ({"seeds": ()}, SettingError, "no seeds were given"),
        ({"seeds": (-1,)}, SettingError, "seed -1 is not allowed"),
        ({"inversion": "null"}, SettingError, "inversion 'null' is unknown; use None or one of: ddim"),
        ({"inversion": "ddim", "steps": 0}, SettingError, "steps 0 is not allowed"),
        ({"seeds": range(335)}, SettingError, "1005 passes are too many"),
        ({"sites": "OUT99"}, SiteError, "no site here is called 'OUT99'"),
        ({"bins": 0}, SettingError, "bins 0"),
        ({"words": "hut"}, WordError, "'hut'.*hat"),
        ({"tokens": 77}, TokenIndexError, "77 is out of range"),
    ],
)
def test_bad_arguments(
    given: dict[str, Any],
    error: type[Exception],
    message: str,
    sd_model: DiffusersModel,
    picture: Image.Image,
) -> None:
    with pytest.raises(error, match=message):
        vxa.attribute(sd_model, picture, PROMPT, **given)


def test_a_prompt_without_words(sd_model: DiffusersModel, picture: Image.Image) -> None:
    with pytest.raises(PromptError):
        vxa.attribute(sd_model, picture, " ")


def test_it_can_be_refined(sd_model: DiffusersModel, picture: Image.Image) -> None:
    maps = vxa.attribute(sd_model, picture, PROMPT, timesteps=(200, 700), self_attention=True)
    passes = [
        vxa.visualize(sd_model, picture, PROMPT, timestep, "matched", self_attention=True)
        for timestep in (200, 700)
    ]
    assert maps.self_sites == passes[0].self_sites
    own = maps.self_sites[0].name
    mean = torch.stack([each.records[own].tokens(range(6)) for each in passes]).mean(0)
    assert torch.allclose(maps.records[own].tokens(range(6)), mean, atol=1e-6)
    assert maps.heat_map("hat", refine=True).refined
