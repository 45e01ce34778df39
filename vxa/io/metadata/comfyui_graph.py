"""Graphs of ComfyUI: nodes by their id, with the inputs that each has.

A graph as it ran names every input. A graph as it was drawn has links by number, and its widgets' values
without names, which are known here for the nodes that hold prompts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Graph", "Link", "Node", "drawn_graph", "run_graph"]

_SIZES = ("width", "height", "crop_w", "crop_h", "target_width", "target_height")
# The widgets of a drawn node, in order.
_WIDGETS = {
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeSDXL": (*_SIZES, "text_g", "text_l"),
    "CLIPTextEncodeSDXLRefiner": ("ascore", "width", "height", "text"),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl"),
    "PrimitiveNode": ("value",),
    "PrimitiveString": ("value",),
    "PrimitiveStringMultiline": ("value",),
}
_MUTED, _BYPASSED = 2, 4
# A choice that ComfyUI draws when it runs; the drawn graph keeps the choices.
_CHOICE = re.compile(r"\{[^{}]*\|[^{}]*\}")


class Link(NamedTuple):
    """An output of a node, by the node's id and the output's place."""

    node: str
    output: int


@dataclass(frozen=True)
class Node:
    """A node: its kind, and its inputs by name, each a value or a link."""

    kind: str
    inputs: dict[str, Any]

    @property
    def links(self) -> dict[str, Link]:
        """Inputs that another node gives."""
        return {name: value for name, value in self.inputs.items() if isinstance(value, Link)}

    @property
    def is_reroute(self) -> bool:
        """Whether the node passes its one input on."""
        return self.kind.startswith("Reroute")


Graph = dict[str, Node]


def run_graph(data: dict[str, Any]) -> Graph:
    """Return the graph in the JSON of "prompt"; an empty one if it holds no nodes."""
    return {
        name: Node(node["class_type"], {key: _linked(value) for key, value in node["inputs"].items()})
        for name, node in data.items()
        if isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
    }


def _linked(value: Any) -> Any:
    is_link = isinstance(value, list) and len(value) == 2 and type(value[1]) is int
    return Link(str(value[0]), value[1]) if is_link else value


def drawn_graph(data: dict[str, Any]) -> Graph:
    """Return the graph in the JSON of "workflow", without nodes that were switched off.

    Texts with choices are left out: the one that was drawn is not in it.
    """
    links = {link[0]: Link(str(link[1]), link[2]) for link in data.get("links", ()) if _is_drawn_link(link)}
    graph = {}
    for node in data.get("nodes", ()):
        if node.get("mode") in (_MUTED, _BYPASSED):
            continue
        names, values = _WIDGETS.get(node["type"], ()), node.get("widgets_values") or ()
        texts = dict(zip(names, values if isinstance(values, list) else (), strict=False))
        inputs = {name: value for name, value in texts.items() if not _has_choice(value)}
        for each in node.get("inputs") or ():
            if each.get("link") in links:
                inputs[each["name"]] = links[each["link"]]
        graph[str(node["id"])] = Node(node["type"], inputs)
    return graph


def _is_drawn_link(link: Any) -> bool:
    return isinstance(link, list) and len(link) >= 5 and type(link[0]) is int and type(link[2]) is int


def _has_choice(value: Any) -> bool:
    return isinstance(value, str) and len(value) < 50_000 and _CHOICE.search(value) is not None
