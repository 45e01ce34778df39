from typing import Any

import torch

from vxa.attention.recording import record
from vxa.models.unet import unet_sites


def cross_labels(model: Any) -> list[str]:
    return [site.label for site in model.sites if site.kind == "cross"]


def test_sd1_sites_have_the_names_webui_users_know(sd_model: Any) -> None:
    assert cross_labels(sd_model) == [
        "IN01",
        "IN02",
        "IN04",
        "IN05",
        "M00",
        "OUT03",
        "OUT04",
        "OUT05",
        "OUT06",
        "OUT07",
        "OUT08",
    ]
    cross = {site.label: site for site in sd_model.sites if site.kind == "cross"}
    assert cross["OUT03"].name == "up_blocks.1.attentions.0.transformer_blocks.0.attn2"
    assert [cross[label].factor for label in ("IN02", "IN04", "M00", "OUT05", "OUT06")] == [1, 2, 4, 2, 1]
    assert [site.index for site in cross.values()] == list(range(11))
    assert {site.heads for site in sd_model.sites} == {2}


def test_full_sd1_numbering() -> None:
    """The real block structure of SD1, on the meta device."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
    sites = [site for site in unet_sites(unet) if site.kind == "cross"]
    assert [site.label for site in sites] == (
        [
            "IN01",
            "IN02",
            "IN04",
            "IN05",
            "IN07",
            "IN08",
            "M00",
            "OUT03",
            "OUT04",
            "OUT05",
            "OUT06",
            "OUT07",
            "OUT08",
            "OUT09",
            "OUT10",
            "OUT11",
        ]
    )
    assert [site.factor for site in sites] == [1, 1, 2, 2, 4, 4, 8, 4, 4, 4, 2, 2, 2, 1, 1, 1]


def test_full_sdxl_numbering() -> None:
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            use_linear_projection=True,
        )
    sites = [site for site in unet_sites(unet) if site.kind == "cross"]
    assert len(sites) == 70
    assert [site.label for site in sites[:5]] == ["IN04.0", "IN04.1", "IN05.0", "IN05.1", "IN07.0"]
    assert sites[24].label == "M00.0"
    assert sites[-1].label == "OUT05.1"
    assert [(site.factor, site.heads) for site in (sites[0], sites[10], sites[24], sites[-1])] == [
        (2, 10),
        (4, 20),
        (4, 20),
        (2, 10),
    ]


def test_the_order_is_the_run_order_and_every_site_is_listed(sd_model: Any, sdxl_model: Any) -> None:
    for model in (sd_model, sdxl_model):
        conditioning = model.encode_prompt("hat", (16, 8))
        latent = torch.randn(1, 4, 8, 4)
        with record(model.network, model.sites, latent_size=(8, 4)) as recording:
            model.denoise(latent, 1, conditioning)
        assert list(recording.records()) == [site.name for site in model.sites]
        attentions = [name for name, module in model.network.named_modules() if hasattr(module, "to_q")]
        assert sorted(attentions) == sorted(site.name for site in model.sites)
