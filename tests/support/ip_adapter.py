"""Weights of a small IP-Adapter."""

from __future__ import annotations

from typing import Any

import torch


def ip_adapter_weights(unet: Any) -> dict[str, Any]:
    """An IP-Adapter's state dict for this UNet, four image tokens of a five-channel image embedding."""
    weights: dict[str, torch.Tensor] = {}
    cross = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for number in range(len(cross)):
        # Keys are numbered by the position among all processors, of which every second is cross-attention.
        layer = unet.get_submodule(cross[number].removesuffix(".processor"))
        for part in ("to_k_ip", "to_v_ip"):
            weights[f"{2 * number + 1}.{part}.weight"] = torch.randn(layer.inner_dim, 16)
    projection = {
        "proj.weight": torch.randn(4 * 16, 5),
        "proj.bias": torch.randn(4 * 16),
        "norm.weight": torch.ones(16),
        "norm.bias": torch.zeros(16),
    }
    return {"image_proj": projection, "ip_adapter": weights}
