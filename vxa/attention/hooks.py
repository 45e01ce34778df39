"""Hooks on attention layers (sites) that pass on each site's queries and keys as a forward computes them.

Every UNet attention layer of the Stable Diffusion family calls its own `to_q(x)` and then
`to_k(context)`, whatever kernel, optimisation or adapter runs in between. Forward hooks on these two
modules read their outputs and replace nothing, so the network's output stays bit-identical.

A site that did not run, or ran twice, is an error; it never gives an empty or stale map.
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
    """Pairs of query and key from every watched site, and a count of how often each site fired.

    Hooks fire in every thread; only forwards of the thread that created the Watch count.
    """

    def __init__(self, sites: Sequence[Site], receive: Receiver) -> None:
        self.sites = tuple(sites)
        self._receive = receive
        self._thread = threading.get_ident()
        self._queries: dict[str, Tensor] = {}
        self._fired: Counter[str] = Counter()

    def complete(self) -> bool:
        """Return whether every site has fired in this forward."""
        return len(self._fired) == len(self.sites)

    def reset(self) -> None:
        """Clear queries and counts for another forward, even if the last one did not finish."""
        self._queries.clear()
        self._fired.clear()

    def check(self) -> None:
        """Raise RecordingError unless every site fired exactly once. Reset in either case."""
        missing = [site for site in self.sites if not self._fired[site.name]]
        query_only = [site for site in missing if site.name in self._queries]
        count = len(self.sites)
        self.reset()
        if missing:
            raise RecordingError(_missing_message(missing, query_only, count))

    def on_query(self, site: Site, output: Tensor) -> None:
        """Keep a site's query until its key arrives."""
        if threading.get_ident() != self._thread:
            return
        if site.name in self._queries:
            raise RecordingError(
                f"site {site.label} ({site.name}) ran more than once in one forward: an extension adds "
                "passes (reference-only control, tiling); switch it off and try again"
            )
        self._queries[site.name] = output

    def on_key(self, site: Site, layer: nn.Module, output: Tensor) -> None:
        """Pass a site's query and key to the receiver."""
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


def _missing_message(missing: list[Site], query_only: list[Site], count: int) -> str:
    names = ", ".join(f"{site.label} ({site.name})" for site in missing[:3])
    if len(missing) > 3:
        names += f" and {len(missing) - 3} more"
    if query_only:
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
    """Register hooks on the sites' `to_q` and `to_k` for this block; remove them in all cases.

    `receive(site, layer, query, key)` gets the projections' own outputs, [batch, queries, channels] and
    [batch, tokens, channels]; it must copy what it keeps. It may raise to leave the forward.

    With `on_error`, an exception in a hook goes to it and the forward continues: a host's forward must not
    end because VXA watches it.

    Raises:
        RecordingError: a site's layer is missing or cannot be watched faithfully.
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
        _call(on_error, watcher.on_query, site, output)

    def on_key(module: nn.Module, inputs: Any, output: Tensor) -> None:
        _call(on_error, watcher.on_key, site, layer, output)

    return [(layer.to_q, on_query), (layer.to_k, on_key)]


def _call(on_error: OnError | None, hook: Callable[..., None], *arguments: Any) -> None:
    if on_error is None:
        hook(*arguments)
        return
    try:
        hook(*arguments)
    except Exception as error:  # the device can also run out of memory here
        on_error(error)


def _refuse_compiled(network: nn.Module) -> None:
    """Raise RecordingError for a module that torch.compile wrapped or compiled in place.

    Depending on torch's version, such a module ignores new hooks or is recompiled with them.
    """
    for name, module in network.named_modules():
        if "_orig_mod" in module._modules or getattr(module, "_compiled_call_impl", None) is not None:
            raise RecordingError(
                f"the network was compiled (torch.compile, at {name or 'its top'}) and cannot be watched; "
                "give the model before compiling"
            )


def watchable_layer(network: nn.Module, site: Site) -> nn.Module:
    """Return the site's attention module, recognised by its attributes, not by its class.

    Raises:
        RecordingError: the network has no such module, or its attention does not use the projections'
            outputs as they are: fused projections, normalised or added keys.
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
    for part in ("norm_q", "norm_k", "add_k_proj"):
        if getattr(layer, part, None) is not None:
            raise RecordingError(
                f"{where} has {part}: it changes queries or keys after projecting, which VXA cannot watch"
            )
    return layer
