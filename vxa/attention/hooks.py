"""Hooks on attention layers (sites) that pass on each site's attention as a forward computes it.

    with watch(network, sites, receive) as watcher:
        network(…)                       # receive(site, call) for each site, in run order
        watcher.check()

Most layers are read at their own `to_q` and `to_k` (`vxa.attention.layers`), the others at their product
(`vxa.attention.products`), a steered one at what its control computes (`vxa.attention.steered`). Nothing is
replaced, so the network's output stays bit-identical. A site that did not run, or ran twice, is an error; it
never gives an empty or stale map.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

from torch import Tensor, nn

from vxa.attention.calls import AttentionCall, Product, split_heads
from vxa.attention.layers import (
    MaskArgument,
    fingerprint,
    layer_of,
    logit_scale,
    processor_name,
    projects_plainly,
    refuse_compiled,
)
from vxa.attention.products import product_hooks
from vxa.attention.sites import Site
from vxa.attention.steered import find_steered
from vxa.errors import RecordingError

__all__ = ["OnError", "Receiver", "Watch", "guarded", "heard_as", "watch"]

Receiver = Callable[[Site, Product], None]
OnError = Callable[[Exception], None]

_FORWARDS = threading.local()


class Watch:
    """Attention of every watched site, and a count of how often each site fired.

    Hooks fire in every thread; only forwards of the thread that created the Watch count.
    """

    def __init__(self, sites: Sequence[Site], receive: Receiver) -> None:
        self.sites = tuple(sites)
        self._receive = receive
        self.processors: dict[str, str] = {}  # of the sites that are read at their product, by name
        self._thread, self._listening = threading.get_ident(), True
        self._fingerprints: dict[str, tuple[Any, ...]] = {}
        self._queries: dict[str, Tensor | None] = {}
        self._masks: dict[str, Tensor | None] = {}
        self._products: dict[str, int] = {}
        self._fired: Counter[str] = Counter()

    def complete(self) -> bool:
        """Return whether every site has fired in this forward."""
        return len(self._fired) == len(self.sites)

    def reset(self, listening: bool = True) -> None:
        """Clear queries and counts for another forward, which is heard or not."""
        self._listening = listening
        for kept in (self._queries, self._masks, self._products, self._fired):
            kept.clear()

    def check(self) -> None:
        """Raise RecordingError unless every site fired exactly once. Reset in either case."""
        missing = [site for site in self.sites if not self._fired[site.name]]
        query_only = [site for site in missing if site.name in self._queries]
        count = len(self.sites)
        self.reset()
        if missing:
            raise RecordingError(_missing_message(missing, query_only, count, self.processors))

    def on_call(self, site: Site, layer: nn.Module, bias: Tensor | None) -> None:
        """Keep the mask that a site's layer is called with until its key arrives."""
        if not self._is_own():
            return
        self._check_layer(site, layer)
        self._masks[site.name] = bias

    def _check_layer(self, site: Site, layer: nn.Module) -> None:
        """Raise RecordingError if the layer was changed so that it does not project plainly any more."""
        found = fingerprint(layer)
        if found == self._fingerprints.get(site.name):
            return
        if not projects_plainly(layer):
            raise RecordingError(
                f"site {site.label} ({site.name}) was given {processor_name(layer)} while it was watched; "
                "set attention processors before the generation"
            )
        self._fingerprints[site.name] = found

    def on_query(self, site: Site, output: Tensor) -> None:
        """Keep a site's query until its key arrives."""
        if not self._is_own():
            return
        if site.name in self._queries:
            raise RecordingError(_twice(site))
        self._queries[site.name] = output

    def on_key(self, site: Site, layer: nn.Module, output: Tensor) -> None:
        """Pass a site's attention to the receiver, from its query, key and mask."""
        if not self._is_own():
            return
        query = self._queries.get(site.name)
        if query is None:
            order = "twice" if self._fired[site.name] else "before to_q"
            raise RecordingError(
                f"site {site.label} ({site.name}) called to_k {order}: "
                "an extension replaced its forward; switch it off and try again"
            )
        self._queries[site.name] = None
        scale = logit_scale(layer, site.heads, query)
        bias = self._masks.pop(site.name, None)
        query, key = split_heads(query, site.heads), split_heads(output, site.heads)
        self._pass_on(site, AttentionCall(query, key, scale, bias))

    def on_product(self, site: Site, call: Product) -> None:
        """Pass a site's product to the receiver.

        Products with another number of keys follow where the layer adds an image prompt; they are not the
        text's.
        """
        if not self._is_own():
            return
        first = self._products.setdefault(site.name, call.shape[3])
        if not self._fired[site.name]:
            self._pass_on(site, call)
        elif call.shape[3] == first:
            raise RecordingError(_twice(site))

    def _pass_on(self, site: Site, call: Product) -> None:
        if getattr(_FORWARDS, "kind", "whole") == "part":
            raise RecordingError(
                "under a control the network is given views of the picture (MultiDiffusion), which have no "
                "place in one map; make it without trace"
            )
        self._fired[site.name] += 1
        self._receive(site, call)

    def _is_own(self) -> bool:
        heard = getattr(_FORWARDS, "kind", "whole") != "unheard"
        return self._listening and threading.get_ident() == self._thread and heard


def _twice(site: Site) -> str:
    return (
        f"site {site.label} ({site.name}) ran more than once in one forward: a control predicts the picture "
        "several times (MultiDiffusion's regions; make it without trace), or an extension adds passes "
        "(reference-only control, tiling; switch it off)"
    )


def _missing_message(
    missing: list[Site], query_only: list[Site], count: int, processors: Mapping[str, str]
) -> str:
    names = ", ".join(f"{site.label} ({site.name})" for site in missing[:3])
    if len(missing) > 3:
        names += f" and {len(missing) - 3} more"
    opaque = next((processors[site.name] for site in missing if site.name in processors), "")
    if opaque:
        cause = f"is computed by {opaque}, which neither calls scaled_dot_product_attention nor multiplies a "
        cause += "softmax with the values; use the model's own attention processors"
    elif query_only:
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
    """Register hooks on the sites' layers for this block; remove them in all cases.

    `receive(site, call)` gets the attention of every row of the batch; it must copy what it keeps. It may
    raise to leave the forward.

    With `on_error`, an exception in a hook goes to it and the forward continues: a host's forward must not
    end because VXA watches it.

    Raises:
        RecordingError: a site's layer is missing or cannot be watched faithfully.
    """
    refuse_compiled(network)
    watcher = Watch(sites, receive)
    layers = [(site, layer_of(network, site)) for site in watcher.sites]
    with ExitStack() as handles:
        for site, layer in layers:
            _register(handles, watcher, site, layer, on_error)
        yield watcher


def _register(handles: ExitStack, watcher: Watch, site: Site, layer: Any, on_error: OnError | None) -> None:
    """Add the site's hooks to the stack."""
    found = guarded(on_error, lambda call: watcher.on_product(site, call))
    if steered := find_steered(layer):
        handles.enter_context(steered.watched_by(found))
        return
    if not projects_plainly(layer):
        watcher.processors[site.name] = processor_name(layer)
        handles.enter_context(product_hooks(layer, site, found))
        return
    mask = MaskArgument(layer)
    on_call = guarded(
        on_error, lambda _, args, kwargs: watcher.on_call(site, layer, mask.bias(args, kwargs, site))
    )
    on_query = guarded(on_error, lambda _, inputs, output: watcher.on_query(site, output))
    on_key = guarded(on_error, lambda _, inputs, output: watcher.on_key(site, layer, output))
    for handle in (
        layer.register_forward_pre_hook(on_call, with_kwargs=True),
        layer.to_q.register_forward_hook(on_query),
        layer.to_k.register_forward_hook(on_key),
    ):
        handles.callback(handle.remove)


@contextmanager
def heard_as(kind: Literal["whole", "part", "unheard"]) -> Iterator[None]:
    """Say how watches take the forwards that this thread runs in this block.

    They hear none of them ("unheard"), or raise RecordingError, as it is on a part of the picture ("part").
    """
    before, _FORWARDS.kind = getattr(_FORWARDS, "kind", "whole"), kind
    try:
        yield
    finally:
        _FORWARDS.kind = before


def guarded(on_error: OnError | None, hook: Callable[..., None]) -> Callable[..., None]:
    """Return the hook, with its exceptions sent to `on_error` where there is one."""
    if on_error is None:
        return hook

    def safe(*arguments: Any) -> None:
        try:
            hook(*arguments)
        except Exception as error:  # the device can also run out of memory here
            on_error(error)

    return safe
