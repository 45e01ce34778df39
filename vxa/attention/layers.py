"""Attention layers as modules: which of them can be watched, and where their attention is read.

Every UNet attention layer of the Stable Diffusion family calls its own `to_q(x)` and then `to_k(context)`.
Where nothing changes queries and keys afterwards, their outputs tell the attention, together with the layer's
mask. That holds for ldm's layers and for diffusers' stock processors, whatever kernel they use. Any other
processor may edit what it computes, so its attention is read where it meets the values
(`vxa.attention.products`).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vxa.attention.calls import expand_mask
from vxa.attention.sites import Site
from vxa.errors import RecordingError

__all__ = [
    "MaskArgument",
    "fingerprint",
    "layer_of",
    "logit_scale",
    "processor_name",
    "projects_plainly",
    "refuse_compiled",
]

_STOCK = frozenset(
    (
        "AttnProcessor",
        "AttnProcessor2_0",
        "AttnProcessorNPU",
        "FusedAttnProcessor2_0",
        "IPAdapterAttnProcessor",
        "IPAdapterAttnProcessor2_0",
        "IPAdapterXFormersAttnProcessor",
        "PAGCFGIdentitySelfAttnProcessor2_0",
        "PAGIdentitySelfAttnProcessor2_0",
        "SlicedAttnProcessor",
        "XFormersAttnProcessor",
        "XLAFlashAttnProcessor2_0",
    )
)
_DIFFUSERS = "diffusers.models.attention_processor"


def refuse_compiled(network: nn.Module) -> None:
    """Raise RecordingError for a module that torch.compile wrapped or compiled in place.

    Depending on torch's version, such a module ignores new hooks or is recompiled with them.
    """
    for name, module in network.named_modules():
        if "_orig_mod" in module._modules or getattr(module, "_compiled_call_impl", None) is not None:
            raise RecordingError(
                f"the network was compiled (torch.compile, at {name or 'its top'}) and cannot be watched; "
                "give the model before compiling"
            )


def layer_of(network: nn.Module, site: Site) -> nn.Module:
    """Return the site's attention module, recognised by its attributes, not by its class.

    Raises:
        RecordingError: the network has no such module, or its keys are fused or added to.
    """
    where = f"site {site.label} ({site.name})"
    try:
        layer = network.get_submodule(site.name)
    except AttributeError:
        raise RecordingError(
            f"{where} is not in the network: it was replaced; load the model again"
        ) from None
    # diffusers' fused_projections stays true after unfusing, so it is not checked: a fused layer in use
    # shows by not calling to_k.
    if not all(isinstance(getattr(layer, part, None), nn.Module) for part in ("to_q", "to_k")):
        raise RecordingError(
            f"{where} has fused projections (no to_k of its own); call unfuse_qkv_projections"
        )
    if getattr(layer, "add_k_proj", None) is not None:
        raise RecordingError(
            f"{where} has add_k_proj: it adds keys of another sequence, which VXA cannot watch"
        )
    return layer


def projects_plainly(layer: nn.Module) -> bool:
    """Return whether the layer's attention follows from the outputs of its to_q and to_k and its mask."""
    if any(getattr(layer, part, None) is not None for part in ("norm_q", "norm_k")):
        return False
    processor = getattr(layer, "processor", None)
    return processor is None or (_is_stock(processor) and _computes_itself(layer))


def fingerprint(layer: Any) -> tuple[Any, ...]:
    """Return a value that changes when a layer's processor or its methods are replaced; cheap to compare."""
    own = layer.__dict__
    processor = own.get("processor") or own["_modules"].get("processor")
    kind = type(processor)
    scores = getattr(type(layer), "get_attention_scores", None)
    return (
        processor,
        len(getattr(processor, "__dict__", ())),
        kind.__call__,
        len(own),
        len(own["_modules"]),
        scores,
    )


def processor_name(layer: nn.Module) -> str:
    """Return the name of the class that computes the layer's attention."""
    return type(getattr(layer, "processor", layer)).__name__


def _is_stock(processor: Any) -> bool:
    """Return whether the processor is one of diffusers' own that leave the softmax as it is."""
    kind = type(processor)
    named = kind.__module__ == _DIFFUSERS and kind.__name__ in _STOCK
    return named and not {"__call__", "forward"} & set(vars(processor)) and _is_diffusers(kind.__call__)


def _computes_itself(layer: Any) -> bool:
    """Return whether nobody replaced the layer's own methods; offloading replaces `forward` by a wrapper."""
    replaced = set(vars(layer))
    offloaded = hasattr(layer, "_hf_hook") or hasattr(layer, "_diffusers_hook")
    if "get_attention_scores" in replaced or ("forward" in replaced and not offloaded):
        return False
    scores = getattr(type(layer), "get_attention_scores", None)
    return scores is None or _is_diffusers(scores)


def _is_diffusers(function: Any) -> bool:
    # A processor that is a module inherits __call__ from torch, which runs its forward.
    return str(getattr(function, "__module__", "")).startswith(("diffusers.", "torch."))


def logit_scale(layer: Any, heads: int, query: Tensor) -> float:
    """Return the factor of the layer's logits.

    Forge's layers have no `scale`, and diffusers' processors for torch 2 do not read it: both use
    channels^-1/2.
    """
    scale = getattr(layer, "scale", None)
    reads_none = processor_name(layer).endswith("2_0")
    return float((query.shape[-1] // heads) ** -0.5 if scale is None or reads_none else scale)


class MaskArgument:
    """Reader of the mask that an attention layer is called with."""

    def __init__(self, layer: nn.Module) -> None:
        names = list(inspect.signature(layer.forward).parameters)
        self._name = next((name for name in ("attention_mask", "mask") if name in names), "")
        self._place = names.index(self._name) if self._name else -1

    def bias(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], site: Site) -> Tensor | None:
        """Return the mask among the arguments of the layer's forward as a bias; None where there is none."""
        if not self._name:
            return None
        given = kwargs.get(self._name)
        if given is None and len(args) > self._place:
            given = args[self._place]
        if given is None:
            return None
        hidden = args[0] if args else next(iter(kwargs.values()))
        return expand_mask(given, len(hidden), site.heads)
