"""Which variant of a model's weights to load, by the names of its files alone."""

from __future__ import annotations

import pytest

from vxa.errors import ModelError
from vxa.models.weight_files import find_variant

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler", "safety_checker")
PLAIN = [
    "unet/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/model.safetensors",
    "unet/config.json",
    "tokenizer/vocab.json",
    "README.md",
]


def of_variant(variant: str) -> list[str]:
    return [name.replace(".safetensors", f".{variant}.safetensors") for name in PLAIN]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (PLAIN, None),
        (PLAIN + of_variant("fp16"), None),
        (of_variant("fp16"), "fp16"),
        (of_variant("bf16"), "bf16"),
        ([*of_variant("fp16")[:1], *PLAIN[1:]], "fp16"),
        ([*of_variant("non_ema")[:1], *of_variant("ema")[:1], *PLAIN[1:]], "ema"),
        ([*of_variant("non_ema")[:1], *PLAIN[1:]], "non_ema"),
        ([*of_variant("fp16"), *of_variant("bf16")[:2]], "fp16"),
        (["unet/diffusion_pytorch_model.fp16-00001-of-00002.safetensors", *of_variant("fp16")[1:]], "fp16"),
        (["unet/diffusion_pytorch_model-00001-of-00002.safetensors", *of_variant("fp16")], "fp16"),
        (["unet/diffusion_pytorch_model-00001-of-00002.safetensors", *PLAIN[1:]], None),
        ([*PLAIN, "unet/diffusion_pytorch_model.bin", "safety_checker/config.json"], None),
        ([*PLAIN, "unet_old/diffusion_pytorch_model.bin", "v1.ckpt"], None),
        ([*PLAIN, "tokenizer/training_args.bin"], None),
    ],
)
def test_the_variant_that_all_parts_have(files: list[str], expected: str | None) -> None:
    assert find_variant("m", files, PARTS) == expected


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            [*PLAIN[:2], "text_encoder/pytorch_model.bin"],
            r"the text_encoder of m has only pickled weights \(text_enc",
        ),
        (["unet/diffusion_pytorch_model.bin", *PLAIN[1:]], "the unet of m has only pickled .* run any code"),
        (
            ["unet/diffusion_pytorch_model.fp16.bin", "vae/diffusion_pytorch_model.bin", PLAIN[2]],
            r"the unet and vae of m have only pickled weights .*save_pretrained",
        ),
        ([*PLAIN, "safety_checker/pytorch_model.bin"], "the safety_checker of m has only pickled"),
        ([*of_variant("fp16")[:1], *of_variant("bf16")[1:]], r"no variant of m .*unet: fp16; vae: bf16"),
    ],
)
def test_pickles_and_mixed_variants_are_named(files: list[str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        find_variant("m", files, PARTS)
