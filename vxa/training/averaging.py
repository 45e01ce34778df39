"""Initialisation of the autoencoder: three latent channels start as the mean colour of their 8×8 pixels.

From random weights, an autoencoder of this size spends its first thousands of steps on learning to carry
colour through a chain of convolutions and group norms. Here three channels carry it from the first step:
down by averaging, up by repeating. All other weights keep their random initialisation.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL

LEVEL = 4.0
"""Value of the constant channels. A group norm over a picture removes its brightness. With a constant channel
that dominates its group, the norm is nearly linear and keeps the brightness."""

SILU = 3.928, 1.053
"""silu(4) and its slope there: the last activation is nearly linear around the carried channels."""

GAIN = 1.8
"""Factor that gives latents of about unit spread for colours in [−1, 1]."""


@torch.no_grad()
def start_by_averaging(vae: AutoencoderKL) -> None:
    """Set the carried channels of a new autoencoder, whose residual branches must already be zero."""
    encoder, decoder = vae.encoder, vae.decoder
    _carry(encoder.conv_in, _carried(4), range(3))
    for block in encoder.down_blocks:
        _through_resnets(block, 4)
        for sampler in block.downsamplers or ():
            _carry(sampler.conv, _carried(4), _carried(4), box=True)
    _hold_level(encoder.mid_block.resnets[-1].conv2, encoder.conv_norm_out, 4)
    _read(encoder.conv_out, _carried(4), GAIN)
    encoder.conv_out.weight[4:] *= 0.1
    encoder.conv_out.bias[4:] = -4.0
    for conv in (vae.quant_conv, vae.post_quant_conv):
        conv.weight.copy_(torch.eye(len(conv.weight))[..., None, None])
        conv.bias.zero_()
    _carry(decoder.conv_in, _carried(2), range(3), gain=1 / GAIN)
    for block in decoder.up_blocks:
        _through_resnets(block, 2)
        for sampler in block.upsamplers or ():
            _carry(sampler.conv, _carried(2), _carried(2))
    _hold_level(decoder.up_blocks[-1].resnets[-1].conv2, decoder.conv_norm_out, 2)
    _read(decoder.conv_out, _carried(2), 1.0)


def _carried(group: int) -> list[int]:
    """Return the second channel of each of the first three groups; the first one will hold the constant."""
    return [group * i + 1 for i in range(3)]


def _reserved(group: int) -> range:
    return range(3 * group)


def _carry(conv: Any, to: list[int], source: range | list[int], box: bool = False, gain: float = 1.0) -> None:
    """Copy channels `source` to `to`, or average 2×2 cells of them. Zero all else in the groups of `to`."""
    group = to[1] - to[0]
    conv.weight[list(_reserved(group))] = 0
    conv.bias[list(_reserved(group))] = 0
    centre = conv.kernel_size[0] // 2
    for a, b in zip(to, source, strict=True):
        if box:  # diffusers and ldm pad these convolutions on the right and bottom only
            conv.weight[a, b, :2, :2] = 0.25
        else:
            conv.weight[a, b, centre, centre] = gain


def _through_resnets(block: Any, group: int) -> None:
    for resnet in block.resnets:
        if resnet.conv_shortcut is not None:
            _carry(resnet.conv_shortcut, _carried(group), _carried(group))


def _hold_level(last: Any, norm: Any, group: int) -> None:
    """Make one channel of each group the constant, and scale the norm so that it returns LEVEL + value."""
    last.bias[list(_reserved(group))[::group]] = LEVEL
    values = torch.zeros(group)
    values[0] = LEVEL
    spread, mean = values.std(unbiased=False), values.mean()
    for channel in _carried(group):
        norm.weight[channel] = spread
        norm.bias[channel] = LEVEL + mean


def _read(conv: Any, source: list[int], gain: float) -> None:
    """Make the first three outputs the carried channels, with level and slope undone."""
    value, slope = SILU
    conv.weight[:3] *= 0.1
    conv.bias[:3] = -value * gain / slope
    for a, b in enumerate(source):
        conv.weight[a, b] = 0
        conv.weight[a, b, 1, 1] = gain / slope
