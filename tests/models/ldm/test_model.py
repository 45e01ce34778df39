"""LdmModel on real ldm code: papercut's weights give the same results as through diffusers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.ldm_code import Modules, tiny_ldm
from torch import Tensor, nn

import vxa
from vxa.attention.recording import record
from vxa.errors import ModelError
from vxa.models.ldm.checks import PARTS
from vxa.models.ldm.model import LdmModel
from vxa.models.ldm.sites import ldm_sites
from vxa.models.protocol import Conditioning
from vxa.models.unet import unet_sites
from vxa.tokens import Token

PROMPT = "a boy wearing a red hat, and his white cat"
CLOSE = {"atol": 1e-4, "rtol": 0.0}


class Words:
    """A host's reader of prompts: one position a word, each with its own vector."""

    def __init__(self, channels: int = 16, vector: Tensor | None = None) -> None:
        self.channels, self.vector = channels, vector
        self.asked: list[tuple[str, tuple[int, int]]] = []

    def tokens(self, prompt: str) -> tuple[Token, ...]:
        return tuple(Token(i, i, word, i, None, 1.2) for i, word in enumerate(prompt.split()))

    def condition(self, prompt: str, image_size: tuple[int, int]) -> Any:
        self.asked.append((prompt, image_size))
        generator = torch.Generator().manual_seed(len(prompt))
        context = torch.randn(1, len(prompt.split()), self.channels, generator=generator)
        return context if self.vector is None else {"crossattn": context, "vector": self.vector}


def hook_count(model: LdmModel) -> int:
    return sum(len(module._forward_hooks) for module in model.model.modules())


@pytest.fixture
def through_ldm(papercut_ldm: Any) -> LdmModel:
    return LdmModel(papercut_ldm, name="papercut")


@pytest.fixture(scope="module")
def through_diffusers() -> Any:
    return vxa.load("papercut")


@pytest.fixture
def tiny(ldm: Modules) -> LdmModel:
    return LdmModel(tiny_ldm(ldm), Words())


@pytest.fixture
def figure() -> Image.Image:
    """A picture that is taller than wide."""
    return vxa.papercut.scene(83, "test").image.crop((40, 0, 168, 192))


# The same weights in ldm and in diffusers


def test_the_sites_are_called_the_same(through_ldm: LdmModel, through_diffusers: Any) -> None:
    def facts(model: Any) -> list[tuple[Any, ...]]:
        return [(s.label, s.kind, s.part, s.index, s.heads, s.factor) for s in model.sites]

    assert facts(through_ldm) == facts(through_diffusers)
    assert through_ldm.sites[-1].name == "output_blocks.5.1.transformer_blocks.0.attn2"
    assert through_ldm.multiple == through_diffusers.multiple == 32


@pytest.mark.parametrize("timestep", [1, 500, 999])
def test_latent_prompt_and_prediction_are_the_same(
    through_ldm: LdmModel, through_diffusers: Any, timestep: int
) -> None:
    pixels = torch.rand(1, 3, 96, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = [model.encode_image(pixels) for model in (through_ldm, through_diffusers)]
    assert torch.allclose(*latents, **CLOSE)
    asked = [model.encode_prompt(PROMPT, (96, 64)) for model in (through_ldm, through_diffusers)]
    assert asked[0].tokens == asked[1].tokens
    assert torch.allclose(asked[0].context, asked[1].context, **CLOSE)
    said = [
        model.denoise(latents[0], timestep, words)
        for model, words in zip((through_ldm, through_diffusers), asked, strict=True)
    ]
    assert torch.allclose(*said, **CLOSE)
    assert said[0].std() > 0.1


def test_the_noise_schedule_is_the_same(through_ldm: LdmModel, through_diffusers: Any) -> None:
    assert through_ldm.num_timesteps == through_diffusers.num_timesteps
    assert torch.allclose(through_ldm.alphas_cumprod, through_diffusers.alphas_cumprod, atol=1e-6)


@pytest.mark.parametrize(("timestep", "noise"), [(1, "none"), (400, "matched")])
def test_every_cross_site_gives_the_same_maps(
    through_ldm: LdmModel, through_diffusers: Any, figure: Image.Image, timestep: int, noise: Any
) -> None:
    maps, expected = (
        vxa.visualize(model, figure, PROMPT, timestep, noise, seed=3)
        for model in (through_ldm, through_diffusers)
    )
    assert len(maps.sites) == 10
    everything = range(len(maps.tokens))
    for site, other in zip(maps.sites, expected.sites, strict=True):
        one, two = maps.records[site.name].tokens(everything), expected.records[other.name].tokens(everything)
        assert torch.allclose(one, two, **CLOSE), site.label
    hat = maps.heat_map("hat", sites="all")
    assert hat.values.shape == (24, 16)
    assert np.ptp(hat.values) > 1e-3


def test_every_self_site_gives_the_same_maps(through_ldm: LdmModel, through_diffusers: Any) -> None:
    found = []
    for model in (through_ldm, through_diffusers):
        own = [site for site in model.sites if site.kind == "self"]
        words, latent = model.encode_prompt(PROMPT, (96, 64)), torch.ones(1, 4, 12, 8)
        with record(model.network, own, latent_size=(12, 8)) as recording:
            model.denoise(latent, 7, words)
        found.append([kept.tokens(range(kept.token_count)) for kept in recording.records().values()])
    assert len(found[0]) == 10
    for one, two in zip(*found, strict=True):
        assert torch.allclose(one, two, **CLOSE)


def test_prompts_are_encoded_as_ldm_does_and_never_cut(through_ldm: LdmModel, through_diffusers: Any) -> None:
    own = through_ldm.model.get_learned_conditioning([PROMPT])
    assert torch.allclose(through_ldm.encode_prompt(PROMPT, (8, 8)).context, own, atol=1e-6)
    long = ", ".join([PROMPT] * 10)
    contexts = [model.encode_prompt(long, (8, 8)).context for model in (through_ldm, through_diffusers)]
    assert contexts[0].shape[1] == 154
    assert torch.allclose(*contexts, **CLOSE)


def test_the_object_itself_can_be_loaded(papercut_ldm: Any) -> None:
    assert vxa.load(papercut_ldm).name == "LatentDiffusion"


# Watching changes nothing


def test_output_is_bit_identical_with_and_without_a_recording(through_ldm: LdmModel) -> None:
    words, latent = through_ldm.encode_prompt(PROMPT, (64, 32)), torch.randn(1, 4, 8, 4)
    plain = through_ldm.denoise(latent, 7, words)
    with record(through_ldm.network, through_ldm.sites, latent_size=(8, 4)) as recording:
        watched = through_ldm.denoise(latent, 7, words)
    assert torch.equal(plain, watched)
    assert list(recording.records()) == [site.name for site in through_ldm.sites], (
        "the order is the run order"
    )
    assert hook_count(through_ldm) == 0


def test_a_pass_is_left_after_the_last_wanted_site(through_ldm: LdmModel, figure: Image.Image) -> None:
    later: list[str] = []
    handle = through_ldm.network.out.register_forward_hook(lambda *_: later.append("out"))
    whole = vxa.visualize(through_ldm, figure, PROMPT)
    part = vxa.visualize(through_ldm, figure, PROMPT, sites="mid")
    handle.remove()
    assert not later
    assert [site.label for site in part.sites] == ["M00"]
    assert np.array_equal(part.heat_map("cat").values, whole.heat_map("cat", sites="mid").values)
    assert hook_count(through_ldm) == 0


def test_no_hook_is_left_after_an_exception(tiny: LdmModel, picture: Image.Image) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("a defect")

    for part in (tiny.model.first_stage_model.quant_conv, tiny.network.middle_block):
        handle = part.register_forward_hook(fail)
        with pytest.raises(ZeroDivisionError):
            vxa.visualize(tiny, picture, PROMPT)
        handle.remove()
        assert hook_count(tiny) == 0


@pytest.mark.filterwarnings("ignore:torch.get_autocast_gpu_dtype:DeprecationWarning")
def test_checkpointed_blocks(ldm: Modules, picture: Image.Image) -> None:
    """The webui's older YAMLs enable checkpointing: the layers then run inside an autograd function."""
    plain, checkpointed = (LdmModel(tiny_ldm(ldm, use_checkpoint=use), Words()) for use in (False, True))
    checkpointed.model.load_state_dict(plain.model.state_dict())
    maps, expected = (vxa.visualize(model, picture, PROMPT) for model in (checkpointed, plain))
    for name, kept in maps.records.items():
        assert torch.equal(kept.query, expected.records[name].query)  # type: ignore[attr-defined]
    early = vxa.visualize(checkpointed, picture, PROMPT, sites="M00")
    assert np.array_equal(early.heat_map("cat").values, maps.heat_map("cat", sites="M00").values)
    assert hook_count(checkpointed) == 0


def test_another_kernel_gives_the_same_maps(
    ldm: Modules, through_ldm: LdmModel, figure: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The webui's optimisations replace what an attention layer does after its projections."""
    expected = vxa.visualize(through_ldm, figure, PROMPT)

    def fused(layer: Any, x: Tensor, context: Tensor | None = None, mask: None = None) -> Tensor:
        context = x if context is None else context
        projected = (layer.to_q(x), layer.to_k(context), layer.to_v(context))
        query, key, value = (part.unflatten(-1, (layer.heads, -1)).transpose(1, 2) for part in projected)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        said: Tensor = layer.to_out(mixed.transpose(1, 2).flatten(2))
        return said

    layer = through_ldm.network.get_submodule(through_ldm.sites[0].name)
    monkeypatch.setattr(type(layer), "forward", fused)
    maps = vxa.visualize(through_ldm, figure, PROMPT)
    for name, kept in maps.records.items():
        assert torch.allclose(kept.tokens(range(77)), expected.records[name].tokens(range(77)), **CLOSE)


# The host's prompts, names and contexts


def test_the_hosts_words_are_the_maps_words(tiny: LdmModel, picture: Image.Image) -> None:
    model = LdmModel(tiny.model, words := Words(), name="sd.safetensors", notes=("LoRA: cat",))
    maps = vxa.visualize(model, picture, "red hat")
    assert [token.text for token in maps.tokens] == ["red", "hat"]
    assert maps.tokens[0].weight == 1.2
    assert (maps.provenance.model, maps.provenance.notes) == ("sd.safetensors", ("LoRA: cat",))
    assert words.asked == [("red hat", (40, 24))]


def test_every_call_is_made_within_what_the_host_gives(tiny: LdmModel, picture: Image.Image) -> None:
    depth, inside = 0, []

    @contextmanager
    def within() -> Iterator[None]:
        nonlocal depth
        depth += 1
        try:
            yield
        finally:
            depth -= 1

    handles = [
        part.register_forward_hook(lambda *_: inside.append(depth))
        for part in (tiny.network.input_blocks[0], tiny.model.first_stage_model.quant_conv)
    ]
    vxa.visualize(LdmModel(tiny.model, Words(), within=within), picture, "hat", sites="mid")
    for handle in handles:
        handle.remove()
    assert inside == [1, 1]
    assert depth == 0, "left although the pass was not finished"


def test_a_half_precision_model_under_autocast(tiny: LdmModel, picture: Image.Image) -> None:
    full = vxa.visualize(tiny, picture, "red hat").heat_map("hat", sites="all")
    for module in tiny.model.modules():  # norms stay as they are, as in ldm's own convert_to_fp16
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(torch.bfloat16)
    half = LdmModel(tiny.model, Words(), within=lambda: torch.autocast("cpu", torch.bfloat16))
    heat = vxa.visualize(half, picture, "red hat").heat_map("hat", sites="all")
    assert np.abs(heat.values - full.values).max() < 0.05
    assert half.encode_image(torch.zeros(1, 3, 8, 4)).dtype == torch.float32


def test_the_schedule_is_the_one_the_host_has_now(tiny: LdmModel) -> None:
    tiny.model.alphas_cumprod = tiny.model.alphas_cumprod.half() * 0.5
    assert tiny.alphas_cumprod.dtype == torch.float32
    assert tiny.alphas_cumprod[0] < 0.5


def test_matched_noise_is_ldms_own_and_a_v_model_gets_the_same(ldm: Modules) -> None:
    """ε- and v-prediction differ in the network's output, not in its input."""
    from vxa.tracing.visualize import add_noise

    latent = torch.randn(1, 4, 6, 4, generator=torch.Generator().manual_seed(1))
    epsilon = torch.randn(latent.shape, generator=torch.Generator().manual_seed(5))
    for kind in ("eps", "v"):
        raw = tiny_ldm(ldm)
        raw.parameterization = kind
        model, step = LdmModel(raw, Words()), torch.tensor([700])
        shown = add_noise(latent, float(model.alphas_cumprod[700]), seed=5)
        assert torch.allclose(shown, raw.q_sample(latent, step, epsilon), atol=1e-6)
        words = model.encode_prompt("red hat", (12, 8))
        said = model.denoise(shown, 700, words)
        assert torch.equal(said, raw.apply_model(shown, step, words.context)), "the raw prediction"


# Inpainting


@pytest.fixture
def inpainting(ldm: Modules) -> LdmModel:
    return LdmModel(tiny_ldm(ldm, "hybrid", in_channels=9), Words())


def test_an_inpainting_model_is_told_that_all_is_masked(inpainting: LdmModel, picture: Image.Image) -> None:
    given: list[Tensor] = []
    first = inpainting.network.input_blocks[0]
    handle = first.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    maps = vxa.visualize(inpainting, picture, "red hat")
    handle.remove()
    (seen,) = given
    assert seen.shape == (1, 9, 20, 12)
    assert torch.equal(seen[:, 4], torch.ones(1, 20, 12))
    grey = inpainting.encode_image(torch.zeros(1, 3, 40, 24))
    assert torch.equal(seen[:, 5:], grey)
    assert "inpainting" in maps.provenance.notes[0]
    again = vxa.visualize(inpainting, picture, "red hat")
    assert np.array_equal(maps.heat_map("hat").values, again.heat_map("hat").values)


def test_a_host_may_write_into_what_it_is_given(inpainting: LdmModel) -> None:
    """The webui's apply_model puts other tensors into the lists of its argument."""
    words = inpainting.encode_prompt("red hat", (16, 8))
    apply = inpainting.model.apply_model

    def rewrite(noised: Tensor, timestep: Tensor, condition: dict[str, list[Tensor]]) -> Tensor:
        said: Tensor = apply(noised, timestep, condition)
        for name in condition:
            condition[name][0] = torch.full_like(condition[name][0], torch.nan)
        return said

    inpainting.model.apply_model = rewrite
    first, second = (inpainting.denoise(torch.ones(1, 4, 8, 4), 7, words) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.isfinite(second).all()


# Engines of sgm


class Engine(nn.Module):
    """A DiffusionEngine as in the webui, with ldm's networks.

    `encode_first_stage` gives a scaled sample of the posterior; the network takes a dict.
    """

    class Wrapper(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.diffusion_model = network

        def forward(self, x: Tensor, t: Tensor, c: dict[str, Tensor]) -> Tensor:
            said: Tensor = self.diffusion_model(x, timesteps=t, context=c["crossattn"], y=c["vector"])
            return said

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = self.Wrapper(model.model.diffusion_model)
        self.first_stage_model = model.first_stage_model
        self.conditioner = nn.Module()
        self.scale_factor, self.alphas_cumprod = 0.5, model.alphas_cumprod

    def encode_first_stage(self, pixels: Tensor) -> Tensor:
        sample: Tensor = self.first_stage_model.encode(pixels).sample()
        return self.scale_factor * sample

    def apply_model(self, x: Tensor, t: Tensor, cond: dict[str, Tensor]) -> Tensor:
        said: Tensor = self.model(x, t, cond)
        return said


@pytest.fixture
def engine(ldm: Modules) -> LdmModel:
    raw = Engine(tiny_ldm(ldm, num_classes="continuous"))
    return LdmModel(raw, Words(vector=torch.full((1, 1), 0.7)))


def test_an_engine_is_served_with_its_vector(engine: LdmModel, picture: Image.Image) -> None:
    maps = vxa.visualize(engine, picture, "red hat")
    words = engine.encode_prompt("red hat", (40, 24))
    assert words.extra["vector"].item() == pytest.approx(0.7)
    latent = engine.encode_image(torch.zeros(1, 3, 40, 24))
    expected = engine.network(latent, torch.tensor([3]), words.context, torch.full((1, 1), 0.7))
    assert torch.equal(engine.denoise(latent, 3, words), expected)
    other = Conditioning(words.tokens, words.context, {"vector": torch.zeros(1, 1)})
    assert not torch.equal(engine.denoise(latent, 3, other), expected)
    assert len(maps.sites) == 7


def test_an_engine_that_inpaints(ldm: Modules, picture: Image.Image) -> None:
    class Inpainting(Engine):
        def apply_model(self, x: Tensor, t: Tensor, cond: dict[str, Any]) -> Tensor:
            return super().apply_model(torch.cat([x, *cond["c_concat"]], 1), t, cond)

    raw = Inpainting(tiny_ldm(ldm, num_classes="continuous", in_channels=9))
    model = LdmModel(raw, Words(vector=torch.ones(1, 1)))
    maps = vxa.visualize(model, picture, "red hat")
    assert "inpainting" in maps.provenance.notes[0]
    assert np.ptp(maps.heat_map("hat", sites="all").values) > 0


def test_an_engines_latent_is_the_mode_though_it_samples(engine: LdmModel) -> None:
    pixels = torch.rand(1, 3, 16, 8) * 2 - 1
    sampled = [engine.model.encode_first_stage(pixels) for _ in range(2)]
    assert not torch.equal(*sampled)
    with torch.no_grad():
        mean = engine.model.first_stage_model.encode(pixels).mean
    assert torch.allclose(engine.encode_image(pixels), mean * 0.5, atol=1e-6)
    assert hook_count(engine) == 0


def test_a_neighbours_image_is_not_taken_for_ours(engine: LdmModel) -> None:
    pixels, encode = torch.rand(1, 3, 16, 8), engine.model.encode_first_stage
    with torch.no_grad():
        alone = engine.model.first_stage_model.encode(pixels).mean * 0.5

    def beside(given: Tensor) -> Tensor:
        neighbour = threading.Thread(target=encode, args=(torch.zeros(1, 3, 16, 8),))
        neighbour.start()
        neighbour.join()
        return encode(given)

    engine.model.encode_first_stage = beside
    assert torch.allclose(engine.encode_image(pixels), alone, atol=1e-6)


# Names


@pytest.mark.parametrize(
    "kind", [{"num_heads": 8}, {"num_head_channels": 64, "use_linear_in_transformer": True}]
)
def test_full_size_numbering_is_that_of_diffusers(ldm: Modules, kind: dict[str, Any]) -> None:
    """SD1's and SD2's own blocks, on the meta device."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        network = ldm["openaimodel"].UNetModel(
            image_size=32, in_channels=4, out_channels=4, model_channels=320, channel_mult=[1, 2, 4, 4],
            attention_resolutions=[4, 2, 1], num_res_blocks=2, use_spatial_transformer=True, context_dim=768,
            legacy=False, **kind,
        )  # fmt: skip
        unet = UNet2DConditionModel(
            cross_attention_dim=768,
            attention_head_dim=8 if "num_heads" in kind else (5, 10, 20, 20),
            use_linear_projection="num_heads" not in kind,
        )
    ours, theirs = ldm_sites(network), unet_sites(unet)
    assert len(ours) == 32
    for one, other in zip(ours, theirs, strict=True):
        assert (one.label, one.kind, one.part, one.index, one.heads, one.factor) == (
            (other.label, other.kind, other.part, other.index, other.heads, other.factor)
        )
    assert {site.name: site.label for site in ours}["output_blocks.5.1.transformer_blocks.0.attn2"] == "OUT05"


def test_pooled_levels_and_deeper_transformers(ldm: Modules) -> None:
    network = tiny_ldm(ldm, conv_resample=False).model.diffusion_model
    network.middle_block[1].transformer_blocks.append(network.middle_block[1].transformer_blocks[0])
    cross = [site for site in ldm_sites(network) if site.kind == "cross"]
    assert [(site.label, site.factor) for site in cross] == [
        ("IN01", 1), ("IN03", 2), ("M00.0", 2), ("M00.1", 2), ("OUT00", 2), ("OUT01", 2), ("OUT02", 1),
        ("OUT03", 1),
    ]  # fmt: skip


# Refused models


def test_objects_that_are_no_such_model(ldm: Modules) -> None:
    with pytest.raises(ModelError, match="it has no encode_first_stage, apply_model"):
        LdmModel(nn.Linear(1, 1))
    raw = tiny_ldm(ldm)
    with pytest.raises(ModelError, match="give a reader of its prompts"):
        LdmModel(raw)
    with pytest.raises(ModelError, match="no UNet of input, middle and output blocks"):
        LdmModel(_altered(raw, model=SimpleNamespace(diffusion_model=nn.Linear(1, 1))), Words())
    with pytest.raises(ModelError, match="the VAE is a Identity"):
        LdmModel(_altered(raw, first_stage_model=nn.Identity()), Words())
    flat = tiny_ldm(ldm, use_spatial_transformer=False, context_dim=None)
    with pytest.raises(ModelError, match="has no cross-attention"):
        LdmModel(flat, Words())


@pytest.mark.parametrize(("key", "channels"), [("hybrid", 8), ("hybrid", 5), ("crossattn-adm", 4)])
def test_edit_depth_and_variation_models(ldm: Modules, key: str, channels: int) -> None:
    with pytest.raises(ModelError, match=f"{key}, {channels - 4} channels.*cannot read yet"):
        LdmModel(tiny_ldm(ldm, key, in_channels=channels), Words())


def test_a_vae_without_a_posterior(tiny: LdmModel) -> None:
    tiny.model.encode_first_stage = lambda pixels: torch.zeros(1, 4, 8, 4)
    with pytest.raises(ModelError, match="no mean and variance"):
        tiny.encode_image(torch.zeros(1, 3, 16, 8))


def _altered(raw: Any, **parts: Any) -> Any:
    """The members that LdmModel needs of an object, some of them replaced."""
    return SimpleNamespace(**{name: getattr(raw, name) for name in PARTS} | parts)
