"""Prompts in a real webui act as in a generation: each layer's keys equal those of its own txt2img."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from support.running import FIGURE, PROMPT, Webui, assert_the_same

import vxa

KEYS = {"rtol": 1e-4, "atol": 1e-4}
LONG = "a red hat and a white cat, " * 12


def keys(maps: vxa.AttentionMaps) -> dict[str, np.ndarray]:
    """The key of every site, by its layer's name."""
    return {name: record.key.float().numpy() for name, record in maps.records.items()}


def assert_as_in_a_generation(webui: Webui, prompt: str) -> dict[str, np.ndarray]:
    """Check that a pass has the keys of a generation with the prompt; return them."""
    webui.keys()  # empties the probe's record of earlier generations
    webui.txt2img(prompt=prompt, steps=2, width=64, height=64)
    wanted, found = webui.keys(), keys(webui.look(FIGURE, prompt))
    assert list(found) == list(wanted)
    for name, one in found.items():
        np.testing.assert_allclose(one, wanted[name], err_msg=name, **KEYS)
    return found


def changed(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> set[str]:
    """The layers whose keys differ."""
    return {name for name, key in one.items() if not np.allclose(key, other[name], atol=1e-2)}


@pytest.fixture
def plain(papercut: Webui) -> Iterator[dict[str, np.ndarray]]:
    """The keys of the plain prompt; checks afterwards that they are the same again."""
    before = keys(papercut.look(FIGURE, PROMPT))
    yield before
    after = keys(papercut.look(FIGURE, PROMPT))
    assert all(np.array_equal(after[name], key) for name, key in before.items())


@pytest.mark.parametrize(
    "prompt",
    [
        PROMPT.replace("red", "(red:1.7)"),
        PROMPT.replace("hat", "[[hat]] ((cat))"),
        PROMPT.replace("hat", "inkvector"),
        PROMPT + " <hypernet:ink:1>",
    ],
    ids=["weights", "brackets", "textual inversion", "hypernetwork"],
)
def test_at_every_layer(papercut: Webui, plain: dict[str, np.ndarray], prompt: str) -> None:
    assert changed(assert_as_in_a_generation(papercut, prompt), plain) == set(plain)


def test_a_lora_at_its_layers(papercut: Webui, plain: dict[str, np.ndarray]) -> None:
    found = assert_as_in_a_generation(papercut, PROMPT + " <lora:ink:1:0>")  # the UNet's part is off
    text = changed(found, plain)
    both = assert_as_in_a_generation(papercut, PROMPT + " <lora:ink:1>")
    assert text == set(plain)
    assert changed(both, found) == {
        "middle_block.1.transformer_blocks.0.attn2", "input_blocks.1.1.transformer_blocks.0.attn2"
    }  # fmt: skip


@pytest.mark.parametrize("prompt", ["a red hat BREAK a white cat", LONG], ids=["BREAK", "long"])
def test_several_chunks(papercut: Webui, prompt: str) -> None:
    found = assert_as_in_a_generation(papercut, prompt)
    assert {key.shape[0] for key in found.values()} >= {2 * 77}


def test_clip_skip(papercut: Webui, plain: dict[str, np.ndarray]) -> None:
    with papercut.options(CLIP_stop_at_last_layers=2):
        assert changed(assert_as_in_a_generation(papercut, PROMPT), plain) == set(plain)


def test_a_hypernetwork_chosen_in_the_settings(papercut: Webui, plain: dict[str, np.ndarray]) -> None:
    with papercut.options(sd_hypernetwork="ink"):
        assert changed(assert_as_in_a_generation(papercut, PROMPT), plain) == set(plain)


def test_an_embeddings_vectors_are_one_word(papercut: Webui) -> None:
    maps = papercut.look(FIGURE, "a inkvector hat")
    assert [(word.text, word.tokens) for word in maps.words] == [
        ("a", (1,)), ("inkvector", (2, 3)), ("hat", (4,))
    ]  # fmt: skip


# Checkpoints of other shapes


@pytest.mark.parametrize("name", ["v-prediction", "inpainting"])
def test_papercut_in_another_shape_looks_as_it_does(
    shapes: Webui, standalone: vxa.AttentionMaps, name: str
) -> None:
    shapes.choose(f"{name}.safetensors")
    maps = shapes.look(FIGURE, PROMPT)
    assert maps.provenance.model == name
    assert any("inpainting" in note for note in maps.provenance.notes) is (name == "inpainting")
    assert_the_same(maps, standalone)


@pytest.mark.parametrize(("name", "cross"), [("sd2-v", 16), ("sdxl", 70), ("refiner", 44)])
def test_a_random_network_of_its_topology(shapes: Webui, name: str, cross: int) -> None:
    shapes.choose(f"{name}.safetensors")
    sites = shapes.ask("vxa/v1/sites")
    assert (sites["model"], sites["default_sites"]) == (name, "f4")
    assert [site["kind"] for site in sites["sites"]].count("cross") == cross
    found = assert_as_in_a_generation(shapes, "a (red:1.3) hat")
    assert len(found) == cross
    maps = shapes.look(FIGURE, "a (red:1.3) hat")
    assert [(word.text, word.tokens) for word in maps.words] == [("a", (1,)), ("red", (2,)), ("hat", (3,))]
    for site in maps.sites:
        every = maps.heat_map(tokens="all", sites=site.label).values
        assert np.isfinite(every).all()
    assert max(float(np.ptp(maps.heat_map("hat", sites=site.label).values)) for site in maps.sites) > 1e-6


def test_after_a_refiner_the_chosen_checkpoint_is_looked_at(shapes: Webui) -> None:
    shapes.choose("sdxl.safetensors")
    before = keys(shapes.look(FIGURE, "a red hat"))
    shapes.txt2img(refiner_checkpoint="refiner", refiner_switch_at=0.5, width=64, height=64)
    maps = shapes.look(FIGURE, "a red hat")
    assert maps.provenance.model == "sdxl"
    assert all(np.array_equal(key, before[name]) for name, key in keys(maps).items())
