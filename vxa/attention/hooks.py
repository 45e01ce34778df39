"""Hooks on attention layers: each wanted site's queries and keys, handed on as a forward makes them.

Every UNet attention layer of the Stable Diffusion family calls its own `to_q(x)` and then
`to_k(context)`, whatever kernel, optimisation or adapter runs in between. Forward hooks on these two see
their outputs and replace nothing, so the network's output is the same bit for bit.

What a hook cannot see is an error, never an empty or stale map: a site that did not run, or ran twice.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from vxa.attention.sites import Site
from vxa.errors import RecordingError

Receiver = Callable[[Site, nn.Module, Tensor, Tensor], None]
OnError = Callable[[Exception], None]


class Watch:
    """Pairs the query and key of every watched site and counts how often each came.

    Only forwards of the thread that made it are heard: hooks fire in everyone's.
    """

    def __init__(self, sites: Sequence[Site], receive: Receiver) -> None:
        self.sites = tuple(sites)
        self._receive = receive
        self._thread = threading.get_ident()
        self._queries: dict[str, Tensor] = {}
        self._fired: Counter[str] = Counter()

    def complete(self) -> bool:
        """Whether every site has fired in this forward."""
        return len(self._fired) == len(self.sites)

    def reset(self) -> None:
        """Be ready for another forward, whatever became of the last one."""
        self._queries.clear()
        self._fired.clear()

    def check(self) -> None:
        """Raise RecordingError unless every site fired exactly once; then be ready for another forward."""
        missing = [site for site in self.sites if not self._fired[site.name]]
        half = [site for site in missing if site.name in self._queries]
        count = len(self.sites)
        self.reset()
        if missing:
            raise RecordingError(_missing(missing, half, count))

    def on_query(self, site: Site, output: Tensor) -> None:
        """Keep a site's query until its key comes."""
        if threading.get_ident() != self._thread:
            return
        if site.name in self._queries:
            raise RecordingError(
                f"site {site.label} ({site.name}) ran more than once in one forward: an extension adds "
                "passes (reference-only control, tiling); switch it off and try again"
            )
        self._queries[site.name] = output

    def on_key(self, site: Site, layer: nn.Module, output: Tensor) -> None:
        """Hand a site's query and key on."""
        if threading.get_ident() != self._thread:
            return
        if site.name not in self._queries or self._fired[site.name]:
            order = "twice" if self._fired[site.name] else "before to_q"
            raise RecordingError(
                f"site {site.label} ({site.name}) called to_k {order}: "
                "an extension replaced its forward; switch it off and try again"
            )
        query, self._queries[site.name] = self._queries[site.name], output.new_empty(0)
        self._fired[site.name] += 1
        self._receive(site, layer, query, output)


def _missing(missing: list[Site], half: list[Site], count: int) -> str:
    names = ", ".join(f"{site.label} ({site.name})" for site in missing[:3])
    if len(missing) > 3:
        names += f" and {len(missing) - 3} more"
    if half:
        cause = "called to_q but not to_k: its projections are fused (call unfuse_qkv_projections)"
        cause += " or an extension replaced its forward; undo it and try again"
    elif len(missing) == count:
        cause = "did not run, nor did any other wanted site: the network was compiled (torch.compile) or "
        cause += "replaced (TensorRT), or its projections are fused; use the plain network"
    else:
        cause = "did not run although others did: an extension replaced or skips the layer; switch it off"
    return f"nothing was recorded at {names}: it {cause}"


@contextmanager
def watch(
    network: nn.Module, sites: Sequence[Site], receive: Receiver, on_error: OnError | None = None
) -> Iterator[Watch]:
    """Hooks on the sites' `to_q` and `to_k` for as long as the block lasts, removed in all cases.

    `receive(site, layer, query, key)` gets the projections' own outputs, [batch, queries, channels] and
    [batch, tokens, channels]: it must copy what it keeps. It may raise to leave the forward.

    Where the forward is somebody else's, who did not ask to be watched, it must not end: then `on_error` is
    given, and gets what a hook would have raised.

    Raises:
        RecordingError: a site's layer is not there or cannot be watched faithfully.
    """
    _refuse_compiled(network)
    watcher = Watch(sites, receive)
    layers = [(site, watchable_layer(network, site)) for site in watcher.sites]
    with ExitStack() as handles:
        for site, layer in layers:
            for projection, hook in _hooks(watcher, site, layer, on_error):
                handle = projection.register_forward_hook(hook)
                handles.callback(handle.remove)
        yield watcher


def _hooks(
    watcher: Watch, site: Site, layer: Any, on_error: OnError | None
) -> list[tuple[nn.Module, Callable[..., None]]]:
    def on_query(module: nn.Module, inputs: Any, output: Tensor) -> None:
        _guarded(on_error, watcher.on_query, site, output)

    def on_key(module: nn.Module, inputs: Any, output: Tensor) -> None:
        _guarded(on_error, watcher.on_key, site, layer, output)

    return [(layer.to_q, on_query), (layer.to_k, on_key)]


def _guarded(on_error: OnError | None, receive_output: Callable[..., None], *given: Any) -> None:
    if on_error is None:
        receive_output(*given)
        return
    try:
        receive_output(*given)
    except Exception as error:  # a device's memory may run out here, too
        on_error(error)


def _refuse_compiled(network: nn.Module) -> None:
    """Raise RecordingError for a module that torch.compile wrapped, or compiled in place.

    Depending on torch's version such a module ignores new hooks, or is compiled anew around them.
    """
    for name, module in network.named_modules():
        if "_orig_mod" in module._modules or getattr(module, "_compiled_call_impl", None) is not None:
            raise RecordingError(
                f"the network was compiled (torch.compile, at {name or 'its top'}) and cannot be watched; "
                "give the model before compiling"
            )


def watchable_layer(network: nn.Module, site: Site) -> nn.Module:
    """The site's attention module, known by its shape and not by its class.

    Raises:
        RecordingError: the network has no such module, or what its projections give is not what its
            attention uses: fused projections, normalised or added keys.
    """
    where = f"site {site.label} ({site.name})"
    try:
        layer = network.get_submodule(site.name)
    except AttributeError:
        raise RecordingError(
            f"{where} is not in the network: it was replaced; load the model again"
        ) from None
    # Not by diffusers' fused_projections: it stays true after unfusing, and in use it is seen by firing.
    if not all(isinstance(getattr(layer, part, None), nn.Module) for part in ("to_q", "to_k")):
        raise RecordingError(
            f"{where} has fused projections (no to_k of its own); call unfuse_qkv_projections"
        )
    for part in ("norm_q", "norm_k", "add_k_proj"):
        if getattr(layer, part, None) is not None:
            raise RecordingError(
                f"{where} has {part}: it changes queries or keys after projecting, which VXA cannot watch"
            )
    return layer
