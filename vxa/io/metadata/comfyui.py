"""ComfyUI: "prompt" holds the graph of nodes that ran, "workflow" the graph as it was drawn.

The prompt is the text that reaches the sampler's positive input: the links are followed backwards, from what
shows or saves images to the samplers, and from these to the text encoders. Where several texts reach it, or a
node on the way computes the text, no prompt can be told, and none is offered.
"""

from __future__ import annotations

from collections.abc import Iterable

from vxa.io.metadata.chunks import TextChunks
from vxa.io.metadata.comfyui_graph import Graph, Link, Node, drawn_graph, run_graph
from vxa.io.metadata.webui import Infotext, named_settings

__all__ = ["read"]

# Inputs that hold an encoder's text; where there are several, each is for another network.
_TEXTS = ("text", "prompt", "text_g", "text_l", "clip_g", "clip_l", "t5xxl")
# Nodes that hold a text as it is, and the input that does.
_LITERALS = {
    "PrimitiveNode": "value",
    "PrimitiveString": "value",
    "PrimitiveStringMultiline": "value",
    "String Literal": "string",
    "Text Multiline": "text",
    "CR Prompt Text": "prompt",
    "CR Text": "text",
}
_CONDITIONING = ("conditioning", "positive")  # inputs that a node passes on begin so
_ERASING = "ConditioningZeroOut"
_NAMES = {"Steps": "steps", "Sampler": "sampler_name", "CFG scale": "cfg"}


def read(chunks: TextChunks) -> Infotext | None:
    """Read what ComfyUI wrote; None if it did not write the image, or the prompt cannot be told."""
    graph = run_graph(chunks.json("prompt")) or drawn_graph(chunks.json("workflow"))
    samplers = _samplers(graph)
    told = {_Texts(graph).of_sampler(sampler) for sampler in samplers}
    prompt = told.pop() if len(told) == 1 else None
    if prompt is None:
        return None
    seeds = {"Seed": "noise_seed" if "noise_seed" in samplers[0].inputs else "seed"}
    return Infotext(prompt, named_settings(samplers[0].inputs, _NAMES | seeds) if len(samplers) == 1 else {})


def _samplers(graph: Graph) -> list[Node]:
    """Return the samplers that lead to an image; all of them if no node shows or saves images."""
    linked = {link.node for node in graph.values() for link in node.links.values()}
    ends = [name for name in graph if name not in linked and {"images", "image"} & graph[name].links.keys()]
    reached = _upstream(graph, ends) if ends else graph.keys()
    return [node for name, node in graph.items() if name in reached and _is_sampler(node)]


def _is_sampler(node: Node) -> bool:
    return "latent_image" in node.links and bool({"positive", "guider"} & node.links.keys())


def _upstream(graph: Graph, ends: Iterable[str]) -> set[str]:
    reached: set[str] = set()
    waiting = [*ends]
    while waiting:
        name = waiting.pop()
        if name in graph and name not in reached:
            reached.add(name)
            waiting += [link.node for link in graph[name].links.values()]
    return reached


class _Texts:
    """Texts that arrive at places of a graph; None where that cannot be told."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[Link, str | None] = {}

    def of_sampler(self, sampler: Node) -> str | None:
        """Return the text that the sampler's positive conditioning was made of."""
        return self._conditioning(sampler.links.get("positive") or sampler.links["guider"])

    def _conditioning(self, link: Link) -> str | None:
        if link not in self._known:
            self._known[link] = None  # a graph with a loop is no graph of ComfyUI's
            self._known[link] = self._made_by(self._graph.get(link.node), link.output)
        return self._known[link]

    def _made_by(self, node: Node | None, output: int) -> str | None:
        if node is None or node.kind == _ERASING:
            return None
        passed = _passed_conditioning(node, output)
        if passed:
            return _one([self._conditioning(link) for link in passed])
        if isinstance(node.inputs.get("positive"), str):  # loads a model, and encodes both prompts
            return str(node.inputs["positive"])
        return self._encoded(node) if "clip" in node.links else None

    def _encoded(self, node: Node) -> str | None:
        texts = [self._string(node.inputs[name]) for name in _TEXTS if name in node.inputs]
        return _one([text for text in texts if text != ""] or texts)

    def _string(self, value: object) -> str | None:
        for _ in self._graph:  # as many steps as there are nodes end every chain
            if not isinstance(value, Link):
                break
            value = _passed_on(self._graph.get(value.node))
        return value if isinstance(value, str) else None


def _passed_conditioning(node: Node, output: int) -> list[Link]:
    """Return the conditionings that a node makes this output of; none if it encodes a text."""
    links = node.links
    if {"positive", "negative"} <= links.keys():  # it passes both on, in this order
        return [links["positive"], links["negative"]][output : output + 1]
    if node.is_reroute:
        return [*links.values()]
    return [link for name, link in links.items() if name.startswith(_CONDITIONING)]


def _passed_on(node: Node | None) -> object:
    """Return the text that a node holds, or the link that it passes on; None if it does neither."""
    if node is None:
        return None
    if node.is_reroute:
        return next(iter(node.links.values()), None)
    return node.inputs.get(_LITERALS.get(node.kind, ""))


def _one(texts: list[str | None]) -> str | None:
    """Return the one text that all of them are; None if one cannot be told, or they differ."""
    return texts[0] if len(set(texts)) == 1 else None
