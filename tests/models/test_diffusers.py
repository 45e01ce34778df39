from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.generating import make
from support.ip_adapter import ip_adapter_weights

from vxa.attention.recording import record
from vxa.errors import ModelError, RecordingError
from vxa.models.diffusers import DiffusersModel
from vxa.tracing.attribute import attribute
from vxa.tracing.pipeline import trace
from vxa.tracing.visualize import visualize

PROMPT = "red hat, neck"


def hook_count(model: DiffusersModel) -> int:
    return sum(len(module._forward_hooks) for module in model.network.modules())


def cross_sites(model: DiffusersModel) -> tuple[Any, ...]:
    return tuple(site for site in model.sites if site.kind == "cross")


def all_maps(model: DiffusersModel, picture: Image.Image) -> np.ndarray[Any, Any]:
    """Every site's mean map of two tokens, as one vector."""
    maps = visualize(model, picture, PROMPT)
    return np.concatenate([record.tokens([1, 2]).numpy().ravel() for record in maps.records.values()])


@pytest.fixture(params=["sd", "sdxl"])
def model(request: pytest.FixtureRequest) -> DiffusersModel:
    made: DiffusersModel = request.getfixturevalue(f"{request.param}_model")
    return made


def test_output_is_bit_identical_with_and_without_a_recording(model: DiffusersModel) -> None:
    conditioning, latent = model.encode_prompt(PROMPT, (20, 12)), torch.randn(1, 4, 10, 6)
    plain = model.denoise(latent, 7, conditioning)
    with record(model.network, model.sites, latent_size=(10, 6)):
        watched = model.denoise(latent, 7, conditioning)
    assert torch.equal(plain, watched)
    assert hook_count(model) == 0


def test_maps_are_what_the_layers_own_attention_gives(model: DiffusersModel, picture: Image.Image) -> None:
    """The reference is what diffusers' eager processor computes, caught inside it."""
    from diffusers.models.attention_processor import AttnProcessor

    fused = visualize(model, picture, PROMPT, 1, "none")
    model.network.set_attn_processor(AttnProcessor())
    site = cross_sites(model)[-1]
    layer = model.network.get_submodule(site.name)
    caught: list[torch.Tensor] = []
    original = layer.get_attention_scores

    def catch(*args: Any) -> torch.Tensor:
        caught.append(original(*args))
        return caught[-1]

    layer.get_attention_scores = catch  # type: ignore[assignment]
    eager = visualize(model, picture, PROMPT, 1, "none")
    visualize_again = model.denoise(
        model.encode_image(pixels_of(picture)), 1, model.encode_prompt(PROMPT, picture.size[::-1])
    )
    assert torch.isfinite(visualize_again).all()
    expected = caught[-1].mean(0).T.reshape(77, *site.grid(eager.latent_size))
    for maps in (fused, eager):
        assert torch.allclose(maps.records[site.name].tokens(range(77)), expected, atol=1e-6)


def pixels_of(picture: Image.Image) -> torch.Tensor:
    array = np.asarray(picture, dtype=np.float32) / 127.5 - 1
    return torch.from_numpy(array).permute(2, 0, 1)[None]


def test_the_latent_is_the_scaled_mode(sd_model: DiffusersModel) -> None:
    pixels = torch.rand(1, 3, 16, 8) * 2 - 1
    with torch.no_grad():
        mean = sd_model.pipeline.vae.encode(pixels).latent_dist.mean
    assert torch.allclose(sd_model.encode_image(pixels), mean * 0.5, atol=1e-6)


def test_a_latent_with_its_own_mean_and_deviation(sd_model: DiffusersModel) -> None:
    pixels = torch.rand(1, 3, 16, 8) * 2 - 1
    plain = sd_model.encode_image(pixels)
    sd_model.pipeline.vae.register_to_config(latents_mean=[1.0, 0, 0, 0], latents_std=[2.0, 1, 1, 4])
    expected = (plain - torch.tensor([0.5, 0, 0, 0]).view(1, 4, 1, 1)) / torch.tensor([2.0, 1, 1, 4]).view(
        1, 4, 1, 1
    )
    assert torch.allclose(sd_model.encode_image(pixels), expected, atol=1e-6)


def test_a_half_precision_vae_that_overflows_runs_in_float32(sd_model: DiffusersModel) -> None:
    vae = sd_model.pipeline.vae.half()
    vae.register_to_config(force_upcast=True)
    seen: list[torch.dtype] = []
    handle = vae.encoder.conv_in.register_forward_pre_hook(lambda module, given: seen.append(given[0].dtype))
    latent = sd_model.encode_image(torch.zeros(1, 3, 16, 8))
    handle.remove()
    assert seen == [torch.float32]
    assert latent.dtype == torch.float32
    assert vae.dtype == torch.float16


def test_half_precision_keeps_half_precision(sd_pipeline: Any, picture: Image.Image) -> None:
    maps = visualize(DiffusersModel(sd_pipeline.to(torch.bfloat16)), picture, PROMPT)
    first = next(iter(maps.records.values()))
    assert first.query.dtype == torch.float32  # type: ignore[attr-defined]
    sd_pipeline.unet.half()
    conditioning = DiffusersModel(sd_pipeline).encode_prompt("hat", (16, 8))
    assert conditioning.context.dtype == torch.bfloat16


def test_short_prompts_are_encoded_as_the_pipeline_does(model: DiffusersModel) -> None:
    context = model.encode_prompt(PROMPT, (20, 12)).context
    encoded = model.pipeline.encode_prompt(
        PROMPT, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False
    )
    assert torch.allclose(context, encoded[0], atol=1e-6)
    if len(encoded) == 4:
        extra = model.encode_prompt(PROMPT, (20, 12)).extra
        assert torch.allclose(extra["text_embeds"], encoded[2], atol=1e-6)
        assert extra["time_ids"].tolist() == [[20, 12, 0, 0, 20, 12]]


def test_chunks_are_encoded_each_by_itself_and_joined(model: DiffusersModel) -> None:
    first, second = " ".join(["hat"] * 75), "red neck"
    whole = model.encode_prompt(f"{first} {second}", (20, 12))
    assert len(whole.tokens) == whole.context.shape[1] == 154
    parts = [model.encode_prompt(part, (20, 12)) for part in (first, second)]
    assert torch.allclose(whole.context, torch.cat([part.context for part in parts], 1), atol=1e-5)
    if "text_embeds" in whole.extra:
        assert torch.allclose(whole.extra["text_embeds"], parts[0].extra["text_embeds"], atol=1e-5)
    assert whole.tokens[78].text == "red"


def test_ten_thousand_words(model: DiffusersModel) -> None:
    picture = Image.new("RGB", (8, 16))
    maps = visualize(model, picture, "red " * 9_999 + "neck")
    assert len(maps.tokens) == 77 * 134
    assert len(maps.words) == 10_000
    (word,) = maps.find_words("neck")
    assert word.tokens == (133 * 77 + 25,)
    assert 0 < maps.heat_map("neck").values.max() < 0.01


@pytest.mark.parametrize(
    "prompt",
    ["😀👩🏽‍🚀 hat", "שלום hat עולם", "مرحبا hat", "日本 hat", "\u202ehat\u202c", "<|endoftext|> hat"],
)
def test_prompts_in_any_script(prompt: str, sd_model: DiffusersModel) -> None:
    maps = visualize(sd_model, Image.new("RGB", (8, 16)), prompt)
    assert "hat" in [word.text for word in maps.words]
    joined = "".join(word.text for word in maps.words)
    assert joined == "".join(prompt.split())
    for word in maps.words:
        assert word in maps.find_words([word.text])


def test_padding_is_each_tokenizers_own(sdxl_model: DiffusersModel) -> None:
    seen: list[torch.Tensor] = []
    for encoder in (sdxl_model.pipeline.text_encoder, sdxl_model.pipeline.text_encoder_2):
        encoder.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    sdxl_model.encode_prompt("hat", (16, 8))
    pads = [int(ids[0, -1]) for ids in seen]
    assert pads == [t.pad_token_id for t in (sdxl_model.pipeline.tokenizer, sdxl_model.pipeline.tokenizer_2)]
    assert pads[0] != pads[1]


def test_a_concept_of_several_vectors_is_one_word(sd_model: DiffusersModel, picture: Image.Image) -> None:
    pipeline = sd_model.pipeline
    pipeline.load_textual_inversion({"<thing>": torch.randn(2, 16)}, token="<thing>")
    tokens = [token for token in sd_model.tokenize("a <thing> hat") if token.special is None]
    assert [token.text for token in tokens] == ["a", "<thing>", "", "hat"]
    assert [token.word for token in tokens] == [0, 1, 1, 2]
    for maps in (
        visualize(sd_model, picture, "a <thing> hat"),
        attribute(sd_model, picture, "a <thing> hat", timesteps=[100], words="<thing>"),
    ):
        assert [word.text for word in maps.words] == ["a", "<thing>", "hat"]
        assert maps.heat_map("<thing>").tokens == (2, 3)


def test_attention_slicing_gives_the_same_maps(model: DiffusersModel, picture: Image.Image) -> None:
    before = all_maps(model, picture)
    model.pipeline.enable_attention_slicing(1)
    assert np.allclose(all_maps(model, picture), before, atol=1e-6)


def test_lora_changes_maps_while_it_is_on(sd_model: DiffusersModel, picture: Image.Image) -> None:
    from peft import LoraConfig

    plain = all_maps(sd_model, picture)
    config = LoraConfig(r=2, init_lora_weights=False, target_modules=["to_q", "to_k"])
    sd_model.network.add_adapter(config, "style")  # type: ignore[operator]
    with_lora = all_maps(sd_model, picture)
    assert np.abs(with_lora - plain).max() > 1e-4
    assert sd_model.notes == ("LoRA active: style",)
    sd_model.pipeline.disable_lora()
    assert np.array_equal(all_maps(sd_model, picture), plain)
    sd_model.pipeline.enable_lora()
    assert np.array_equal(all_maps(sd_model, picture), with_lora)


def test_sequential_offload_survives_leaving_early(
    model: DiffusersModel, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import cpu_offload

    conditioning, latent = model.encode_prompt(PROMPT, (20, 12)), torch.randn(1, 4, 10, 6)
    before, output = all_maps(model, picture), model.denoise(latent, 3, conditioning)
    # As enable_sequential_cpu_offload does to each part, without its check for an accelerator.
    for part in model.pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            cpu_offload(part, torch.device("cpu"), offload_buffers=len(part._parameters) > 0)
    assert model.pipeline.unet.device.type == "meta"
    mid = visualize(model, picture, PROMPT, sites="mid")
    assert len(mid.records) < len(cross_sites(model))
    assert np.array_equal(all_maps(model, picture), before)
    assert torch.equal(model.denoise(latent, 3, conditioning), output)
    assert all(parameter.device.type == "meta" for parameter in model.network.parameters())


def test_model_offload_sends_weights_back_after_leaving_early(
    sd_model: DiffusersModel, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed: list[int] = []
    monkeypatch.setattr(sd_model.pipeline, "maybe_free_model_hooks", lambda: freed.append(1))
    visualize(sd_model, picture, PROMPT, sites="mid")
    assert len(freed) == 3  # after the image, the prompt, and the pass


def test_an_ip_adapter_shows_its_text_part_and_says_so(
    sd_model: DiffusersModel, picture: Image.Image
) -> None:
    plain = visualize(sd_model, picture, PROMPT)
    sd_model.network._load_ip_adapter_weights([ip_adapter_weights(sd_model.network)])  # type: ignore[operator]
    maps = visualize(sd_model, picture, PROMPT)
    assert "only the text part" in maps.provenance.notes[0]
    assert maps.provenance.notes[1] == "the IP-Adapter's image prompt is empty"
    with trace(sd_model) as traced:  # with the pipeline's own image prompt
        make(sd_model.pipeline, ip_adapter_image_embeds=[torch.randn(2, 1, 5)])
    assert traced.maps[0].provenance.notes == maps.provenance.notes[:1]
    names = [site.name for site in maps.sites]
    assert all(maps.records[name].token_count == 77 for name in names)
    # The first site runs before any image token has an effect, the last after.
    assert torch.equal(maps.records[names[0]].tokens([2]), plain.records[names[0]].tokens([2]))
    assert not torch.equal(maps.records[names[-1]].tokens([2]), plain.records[names[-1]].tokens([2]))


def test_fused_projections_are_named(model: DiffusersModel, picture: Image.Image) -> None:
    model.pipeline.fuse_qkv_projections(vae=False)
    with pytest.raises(RecordingError, match="called to_q but not to_k: its projections are fused"):
        visualize(model, picture, PROMPT)
    model.pipeline.unfuse_qkv_projections(vae=False)
    visualize(model, picture, PROMPT)


def test_a_replaced_network_is_named(sd_model: DiffusersModel, picture: Image.Image) -> None:
    unet = sd_model.network
    unet.forward = lambda sample, *args, **kwargs: (sample,)  # type: ignore[method-assign]
    with pytest.raises(RecordingError, match=r"compiled .* or replaced"):
        visualize(sd_model, picture, PROMPT)
    assert hook_count(sd_model) == 0


def test_an_error_inside_the_forward_leaves_no_hook(sd_model: DiffusersModel, picture: Image.Image) -> None:
    def fail(*args: Any) -> None:
        raise ZeroDivisionError

    handle = sd_model.network.mid_block.register_forward_pre_hook(fail)  # type: ignore[union-attr]
    with pytest.raises(ZeroDivisionError):
        visualize(sd_model, picture, PROMPT)
    handle.remove()
    assert hook_count(sd_model) == 0


def test_guided_rows_are_the_conditional_ones(sd_model: DiffusersModel) -> None:
    """The pipeline's guided forward gives the same keys as one conditional pass on the same latent."""
    site = cross_sites(sd_model)[0]
    seen: list[torch.Tensor] = []
    handle = sd_model.network.register_forward_pre_hook(lambda module, given: seen.append(given[0][:1]))
    with record(sd_model.network, [site], latent_size=(8, 4), rows=(1,)) as guided:
        sd_model.pipeline(
            PROMPT, height=16, width=8, num_inference_steps=1, guidance_scale=5.0, output_type="latent"
        )
    handle.remove()
    with record(sd_model.network, [site], latent_size=(8, 4), stop_early=True) as single:
        sd_model.denoise(seen[0], 1, sd_model.encode_prompt(PROMPT, (16, 8)))
    assert torch.allclose(guided.records()[site.name].key, single.records()[site.name].key, atol=1e-5)


def test_defaults(sd_model: DiffusersModel, sdxl_model: DiffusersModel, sd_pipeline: Any) -> None:
    assert (sd_model.default_sites, sd_model.multiple, sd_model.num_timesteps) == ("f4", 8, 1000)
    assert (sdxl_model.default_sites, sdxl_model.multiple) == ("all", 4)
    assert DiffusersModel(sd_pipeline, default_sites="OUT05").default_sites == "OUT05"
    assert sd_model.alphas_cumprod[0] == pytest.approx(1 - 0.00085)


def test_the_schedule_is_that_of_the_scheduler_in_use(sd_model: DiffusersModel) -> None:
    """All three of its numbers are read when they are used."""
    from diffusers import DDPMScheduler

    pipeline = sd_model.pipeline
    pipeline.scheduler = DDPMScheduler(num_train_timesteps=50, prediction_type="v_prediction")
    assert torch.equal(sd_model.alphas_cumprod, pipeline.scheduler.alphas_cumprod)
    assert (sd_model.num_timesteps, sd_model.prediction_type) == (50, "v_prediction")
    pipeline.scheduler.register_to_config(prediction_type="sample")
    assert sd_model.prediction_type == "sample"
    pipeline.scheduler.alphas_cumprod[-1] = 0.5
    assert sd_model.alphas_cumprod[-1] == 0.5


def test_the_sizes_are_those_of_the_vae_in_use(sd_model: DiffusersModel) -> None:
    assert (sd_model.pixels_per_latent, sd_model.multiple) == (2, 8)
    sd_model.pipeline.vae = taesd(3)
    assert (sd_model.pixels_per_latent, sd_model.multiple) == (4, 16)
    sd_model.pipeline.vae = None
    assert sd_model.pixels_per_latent == 2  # the pipeline's own
    sd_model.pipeline.vae_scale_factor = None
    with pytest.raises(ModelError, match="neither a VAE nor a vae_scale_factor"):
        _ = sd_model.multiple


def taesd(levels: int = 2) -> Any:
    from diffusers import AutoencoderTiny

    torch.manual_seed(0)
    return AutoencoderTiny(
        encoder_block_out_channels=(8,) * levels,
        decoder_block_out_channels=(8,) * levels,
        num_encoder_blocks=(1,) * levels,
        num_decoder_blocks=(1,) * levels,
        scaling_factor=0.25,
    ).eval()


def test_an_autoencoder_without_a_posterior(model: DiffusersModel, picture: Image.Image) -> None:
    """TAESD: its output is the latent, scaled as its configuration says."""
    model.pipeline.vae = taesd()
    pixels = torch.rand(1, 3, 16, 8) * 2 - 1
    with torch.no_grad():
        latents = model.pipeline.vae.encode(pixels).latents
    assert torch.allclose(model.encode_image(pixels), latents * 0.25, atol=1e-6)
    assert visualize(model, picture, PROMPT, noise="matched").heat_map("hat").values.max() > 0


def widened(pipeline: Any, channels: int) -> None:
    """Give the UNet more input channels, which it ignores."""
    first = pipeline.unet.conv_in
    wider = torch.nn.Conv2d(channels, first.out_channels, 3, padding=1)
    padding = (0, 0, 0, 0, 0, channels - first.in_channels)
    wider.weight.data = torch.nn.functional.pad(first.weight.data, padding)
    wider.bias = first.bias
    pipeline.unet.conv_in = wider
    pipeline.unet.register_to_config(in_channels=channels)


def test_an_inpainting_unet_is_told_that_all_is_masked(
    sd_model: DiffusersModel, picture: Image.Image
) -> None:
    plain = all_maps(sd_model, picture)
    widened(sd_model.pipeline, 9)
    seen: list[torch.Tensor] = []
    sd_model.network.conv_in.register_forward_pre_hook(lambda module, given: seen.append(given[0]))  # type: ignore[union-attr]
    assert np.allclose(all_maps(sd_model, picture), plain, atol=1e-6)
    mask, masked = seen[0][:, 4:5], seen[0][:, 5:]
    assert torch.equal(mask, torch.ones_like(mask))
    assert torch.equal(masked, sd_model.encode_image(torch.zeros(1, 3, 40, 24)))
    assert sd_model.notes == ("an inpainting model: it is told that the whole image is masked",)
    assert sd_model.pipeline_notes == ()


def test_an_inpainting_generation_can_be_traced(sd_pipeline: Any) -> None:
    from diffusers import StableDiffusionInpaintPipeline

    widened(sd_pipeline, 9)
    pipeline = StableDiffusionInpaintPipeline(**sd_pipeline.components, requires_safety_checker=False)
    grey = Image.new("RGB", (8, 16), "grey")
    with trace(pipeline) as found:
        pipeline(
            PROMPT, image=grey, mask_image=Image.new("L", (8, 16), 255), height=16, width=8,
            num_inference_steps=2, output_type="latent",
        )  # fmt: skip
    assert found.maps[0].heat_map("hat").values.max() > 0


def test_a_distilled_unet_is_told_a_guidance_of_one(sd_pipeline: Any, picture: Image.Image) -> None:
    from diffusers import UNet2DConditionModel

    config = {name: value for name, value in sd_pipeline.unet.config.items() if not name.startswith("_")}
    sd_pipeline.unet = UNet2DConditionModel(**{**config, "time_cond_proj_dim": 6}).eval()
    model = DiffusersModel(sd_pipeline)
    seen: list[torch.Tensor] = []
    model.network.time_embedding.cond_proj.register_forward_pre_hook(lambda _, given: seen.append(given[0]))  # type: ignore[union-attr]
    maps = visualize(model, picture, PROMPT)
    assert torch.equal(seen[0], sd_pipeline.get_guidance_scale_embedding(torch.zeros(1), 6))
    assert maps.provenance.notes == ("a network distilled with guidance: it is told that there is none",)


def edm() -> Any:
    from diffusers import EDMEulerScheduler

    return EDMEulerScheduler(sigma_data=0.5)


def flow() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler()


def test_edm_tells_the_network_its_own_terms(sd_model: DiffusersModel, picture: Image.Image) -> None:
    """A clean latent at the lowest level, as the scheduler itself would give it to the network."""
    sd_model.pipeline.scheduler = edm()
    sd_model.pipeline.scheduler.set_timesteps(3)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    sd_model.network.register_forward_pre_hook(lambda module, given: seen.append(given[:2]))
    visualize(sd_model, picture, PROMPT, timestep=0, noise="none")
    latent = sd_model.encode_image(pixels_of(picture))
    sigma = 0.002
    assert torch.allclose(seen[0][0], latent / (sigma**2 + 0.5**2) ** 0.5, rtol=1e-4)
    assert seen[0][1].item() == pytest.approx(np.log(sigma) / 4, rel=1e-4)


@pytest.mark.parametrize("scheduler", [edm, flow])
def test_without_alphas_only_what_needs_them_is_refused(
    scheduler: Any, sd_model: DiffusersModel, picture: Image.Image
) -> None:
    sd_model.pipeline.scheduler = scheduler()
    assert sd_model.num_timesteps == 1000
    assert visualize(sd_model, picture, PROMPT, noise="none").heat_map("hat").values.max() > 0
    for needing in (
        lambda: visualize(sd_model, picture, PROMPT),
        lambda: attribute(sd_model, picture, PROMPT),
    ):
        with pytest.raises(ModelError, match=r'follows no alphas_cumprod.* noise="none", or trace'):
            needing()


def test_an_edm_generation_is_traced(sd_pipeline: Any) -> None:
    sd_pipeline.scheduler = edm()
    with trace(sd_pipeline) as found:
        sd_pipeline(PROMPT, height=16, width=8, num_inference_steps=3, output_type="latent")
    assert found.calls[0].passes == 3
    assert found.maps[0].heat_map("hat").values.max() > 0


def test_without_a_vae_an_image_cannot_be_read(sd_pipeline: Any, picture: Image.Image) -> None:
    sd_pipeline.vae = None
    for needing in (visualize, attribute):
        with pytest.raises(ModelError, match=r"has no VAE.*; set pipeline.vae, or trace a generation"):
            needing(sd_pipeline, picture, PROMPT)
