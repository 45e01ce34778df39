"""Small random extra networks for papercut: those that a prompt or a setting of the webui can load."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

__all__ = ["write_control", "write_networks"]

# Layers by their names in files: two of the UNet, and one of the text encoder.
_LAYERS = (
    "diffusion_model_middle_block_1_transformer_blocks_0_attn2_to_k",
    "diffusion_model_input_blocks_1_1_transformer_blocks_0_attn2_to_k",
    "transformer_text_model_encoder_layers_1_mlp_fc1",
)


def write_networks(data: Path, checkpoint: Path) -> None:
    """Write a LoRA, a hypernetwork and a VAE called `ink`, and an embedding of two vectors, `inkvector`."""
    torch.manual_seed(0)
    weights = load_file(checkpoint)
    for folder in ("models/Lora", "models/hypernetworks", "embeddings"):
        (data / folder).mkdir(parents=True, exist_ok=True)
    save_file(_lora(weights), data / "models/Lora/ink.safetensors", {"ss_network_module": "networks.lora"})
    _write_hypernetwork(data / "models/hypernetworks/ink.pt", 128)
    _write_vae(data / "models/VAE/ink.safetensors", weights)
    save_file({"emb_params": torch.randn(2, 128)}, data / "embeddings/inkvector.safetensors")


def _lora(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    shapes = {name.replace(".", "_"): weight.shape for name, weight in weights.items()}
    made = {}
    for layer in _LAYERS:
        (found,) = (shape for name, shape in shapes.items() if name.endswith(f"{layer}_weight"))
        made[f"{layer}.lora_down.weight"] = torch.randn(4, found[1]) * 0.1
        made[f"{layer}.lora_up.weight"] = torch.randn(found[0], 4) * 0.1
        made[f"{layer}.alpha"] = torch.tensor(4.0)
    return made


def _write_vae(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """Write the checkpoint's own VAE, with latents of half the values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = {
        name.removeprefix("first_stage_model."): weight.clone()
        for name, weight in weights.items()
        if name.startswith("first_stage_model.")
    }
    for name in ("quant_conv.weight", "quant_conv.bias"):
        own[name] *= 0.5
    save_file(own, path)


def _write_hypernetwork(path: Path, channels: int) -> None:
    def layer() -> dict[str, torch.Tensor]:
        return {
            f"linear.{number}.{part}": torch.randn(*shape) * 0.05
            for number in (0, 1)
            for part, shape in (("weight", (channels, channels)), ("bias", (channels,)))
        }

    settings = {"layer_structure": [1, 1, 1], "activation_func": "linear", "name": "ink", "step": 1}
    # Hypernetworks must be .pt files, and the webui's safe unpickler refuses torch's new zip format.
    torch.save({**settings, channels: (layer(), layer())}, path, _use_new_zipfile_serialization=False)


def write_control(path: Path, channels: int = 128) -> None:
    """Write a ControlNet-LLLite (kohya-ss) of one layer: an image changes the middle block's queries."""
    torch.manual_seed(0)
    shapes = {
        "conditioning1.0": (8, 3, 4, 4), "conditioning1.2": (16, 8, 4, 4),
        "down.0": (8, channels), "mid.0": (8, 8 + 16), "up.0": (channels, 8),
    }  # fmt: skip
    layer = "lllite_unet_middle_block_1_transformer_blocks_0_attn2_to_q"
    made = {f"{layer}.{name}.weight": torch.randn(*shape) * 0.5 for name, shape in shapes.items()}
    made |= {f"{layer}.{name}.bias": torch.zeros(shape[0]) for name, shape in shapes.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(made, path)
