"""Graphs of ComfyUI: the prompt is what reaches the sampler, not the first text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vxa.io.infotext import Infotext, parse_infotext, read_infotext
from vxa.io.metadata import comfyui
from vxa.io.metadata.chunks import TextChunks

Graph = dict[str, Any]
HAT = "a red hat, größer"


def node(kind: str, **inputs: Any) -> Graph:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


def text(words: Any) -> Graph:
    return node("CLIPTextEncode", text=words, clip=["4", 1])


def sampler(positive: Any, negative: Any, latent: str = "5", kind: str = "KSampler", **more: Any) -> Graph:
    return node(
        kind, seed=7, steps=20, cfg=8.0, sampler_name="euler", model=["4", 0],
        positive=positive, negative=negative, latent_image=[latent, 0], **more,
    )  # fmt: skip


def graph(**changed: Graph | None) -> Graph:
    """Return the graph that ComfyUI opens with, negative prompt first; changed nodes are called n3, n6 …"""
    base = {
        "7": text("blurry"),
        "6": text(HAT),
        "3": sampler(["6", 0], ["7", 0]),
        "4": node("CheckpointLoaderSimple", ckpt_name="m.safetensors"),
        "5": node("EmptyLatentImage", width=512, height=512, batch_size=1),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", filename_prefix="ComfyUI", images=["8", 0]),
    }
    merged = base | {name.removeprefix("n"): value for name, value in changed.items()}
    return {name: value for name, value in merged.items() if value is not None}


def told(run: Graph | None = None, drawn: Graph | None = None) -> str | None:
    made = comfyui.read(
        TextChunks({name: json.dumps(each) for name, each in (("prompt", run), ("workflow", drawn)) if each})
    )
    return made.prompt if made else None


BOTH = node(
    "ControlNetApplyAdvanced", positive=["6", 0], negative=["7", 0], control_net=["30", 0], image=["31", 0]
)
SECOND = sampler(["6", 0], ["7", 0], latent="3")


@pytest.mark.parametrize(
    "run",
    [
        graph(),
        graph(n3=sampler(["6", 0], ["7", 0], kind="KSamplerAdvanced", noise_seed=7)),
        graph(n6=text("blurry"), n7=text(HAT), n3=sampler(["7", 0], ["6", 0])),
        # through nodes that pass a conditioning on
        graph(n20=BOTH, n3=sampler(["20", 0], ["20", 1])),
        graph(n20=node("FluxGuidance", guidance=3.5, conditioning=["6", 0]), n3=sampler(["20", 0], ["7", 0])),
        graph(n20=node("Reroute", **{"": ["6", 0]}), n3=sampler(["20", 0], ["7", 0])),
        graph(
            n20=node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["21", 0]),
            n21=node("ConditioningSetArea", conditioning=["6", 0], width=64),
            n3=sampler(["20", 0], ["7", 0]),
        ),
        graph(
            n20=node("GLIGENTextBoxApply", conditioning_to=["6", 0], clip=["4", 1], text="a blue ball", x=0),
            n3=sampler(["20", 0], ["7", 0]),
        ),
        # a guider in place of two conditionings
        graph(
            n20=node("CFGGuider", model=["4", 0], positive=["6", 0], negative=["7", 0], cfg=8.0),
            n3=node("SamplerCustomAdvanced", noise=["21", 0], guider=["20", 0], latent_image=["5", 0]),
        ),
        graph(
            n20=node("BasicGuider", model=["4", 0], conditioning=["6", 0]),
            n3=node("SamplerCustomAdvanced", guider=["20", 0], latent_image=["5", 0]),
        ),
        # several samplers of one prompt, and others that led to no image
        graph(n10=SECOND, n8=node("VAEDecode", samples=["10", 0])),
        graph(
            n40=text("a blue cat"), n41=sampler(["40", 0], ["7", 0]), n42=node("VAEDecode", samples=["41", 0])
        ),
        # a detailer's own prompt is of a part of the image
        graph(
            n40=text("a face"),
            n41=node("FaceDetailer", image=["8", 0], positive=["40", 0], negative=["7", 0], seed=1),
            n9=node("SaveImage", images=["41", 0]),
        ),
        # texts from elsewhere, and encoders of several texts
        graph(n6=text(["20", 0]), n20=node("PrimitiveStringMultiline", value=HAT)),
        graph(n6=text(["20", 0]), n20=node("Reroute", any=["21", 0]), n21=node("CR Text", text=HAT)),
        graph(n6=node("CLIPTextEncodeSDXL", clip=["4", 1], text_g=HAT, text_l=HAT)),
        graph(n6=node("CLIPTextEncodeFlux", clip=["4", 1], clip_l="", t5xxl=HAT, guidance=3.5)),
        graph(n6=node("smZ CLIPTextEncode", clip=["4", 1], text=HAT, text_g="", text_l="")),
        graph(
            n6=node("Efficient Loader", ckpt_name="m", positive=HAT, negative="blurry"),
            n3=sampler(["6", 1], ["6", 2], kind="KSampler (Efficient)"),
        ),
        # without a node that saves
        graph(n9=None),
        # beside what is no node
        {**graph(), "extra": 5, "list": [], "broken": {"class_type": 5}},
    ],
)
def test_the_text_that_reaches_the_sampler_is_the_prompt(run: Graph) -> None:
    assert told(run) == HAT


@pytest.mark.parametrize(
    "run",
    [
        # several texts reach the sampler, or the image
        graph(
            n20=node("ConditioningConcat", conditioning_to=["6", 0], conditioning_from=["7", 0]),
            n3=sampler(["20", 0], ["7", 0]),
        ),
        graph(n10=sampler(["7", 0], ["6", 0], latent="3"), n8=node("VAEDecode", samples=["10", 0])),
        graph(n6=node("CLIPTextEncodeSDXL", clip=["4", 1], text_g="a red hat", text_l="in the style of x")),
        # a node computes the text, or is not known
        graph(n6=text(["20", 0]), n20=node("WildcardProcessor", text="a __colour__ hat", seed=1)),
        graph(n6=text(["20", 0]), n20=node("StringConcatenate", string_a="a", string_b="hat", delimiter=" ")),
        graph(n6=node("WildcardEncode", clip=["4", 1], wildcard_text="a {red|blue} hat", populated_text="x")),
        graph(n6=node("LoadConditioning", name="a red hat")),
        graph(n20=node("ConditioningZeroOut", conditioning=["6", 0]), n3=sampler(["20", 0], ["7", 0])),
        graph(
            n20=node("DualCFGGuider", cond1=["6", 0], cond2=["7", 0], negative=["7", 0]),
            n3=node("SamplerCustomAdvanced", guider=["20", 0], latent_image=["5", 0]),
        ),
        # links that lead nowhere, and in a circle
        graph(n6=None),
        graph(n6=text(["60", 0])),
        graph(
            n3=sampler(["20", 0], ["7", 0]),
            n20=node("Reroute", a=["21", 0]),
            n21=node("Reroute", a=["20", 0]),
        ),
        graph(n6=text(["20", 0]), n20=node("Reroute", a=["21", 0]), n21=node("Reroute", a=["20", 0])),
        graph(n20=BOTH, n3=sampler(["20", 5], ["20", 1])),
        # no sampler at all
        graph(n3=None),
        {"6": text(HAT)},
        {"3": {"class_type": "KSampler", "inputs": None}},
        {"a": 1},
    ],
)
def test_nothing_is_offered_where_the_text_cannot_be_told(run: Graph) -> None:
    assert told(run) is None


def test_settings_are_those_of_the_one_sampler() -> None:
    made = comfyui.read(TextChunks({"prompt": json.dumps(graph())}))
    settings = {"Steps": "20", "Sampler": "euler", "CFG scale": "8.0", "Seed": "7"}
    assert made == Infotext(HAT, settings)
    several = graph(n10=SECOND, n8=node("VAEDecode", samples=["10", 0]))
    assert comfyui.read(TextChunks({"prompt": json.dumps(several)})) == Infotext(HAT, {})


def test_ways_that_part_and_meet_again_are_followed_once() -> None:
    chain = {
        str(n): node("ConditioningCombine", conditioning_1=[str(n + 1), 0], conditioning_2=[str(n + 1), 0])
        for n in range(100, 160)
    }
    run = {**graph(), **chain, "160": text("a long way"), "3": sampler(["100", 0], ["7", 0])}
    assert told(run) == "a long way"


def drawn(**modes: int) -> Graph:
    """Return the same graph as the page of ComfyUI draws it, with nodes n6 … in these modes."""
    nodes = [
        {"id": 7, "type": "CLIPTextEncode", "inputs": [{"name": "clip", "link": 5}],
         "widgets_values": ["blurry"]},
        {"id": 6, "type": "CLIPTextEncode", "inputs": [{"name": "clip", "link": 3}],
         "widgets_values": [HAT]},
        {"id": 3, "type": "KSampler", "widgets_values": [7, "randomize", 20, 8, "euler", "normal", 1],
         "inputs": [{"name": "model", "link": 1}, {"name": "positive", "link": 4},
                    {"name": "negative", "link": 6}, {"name": "latent_image", "link": 2}]},
        {"id": 8, "type": "VAEDecode", "inputs": [{"name": "samples", "link": 7}]},
        {"id": 9, "type": "SaveImage", "inputs": [{"name": "images", "link": 9}], "widgets_values": ["a"]},
        {"id": 10, "type": "Note", "widgets_values": ["a note, not a prompt"]},
    ]  # fmt: skip
    for each in nodes:
        each["mode"] = modes.get(f"n{each['id']}", 0)
    links = [
        [1, 4, 0, 3, 0, "MODEL"], [2, 5, 0, 3, 3, "LATENT"], [3, 4, 1, 6, 0, "CLIP"],
        [4, 6, 0, 3, 1, "CONDITIONING"], [5, 4, 1, 7, 0, "CLIP"], [6, 7, 0, 3, 2, "CONDITIONING"],
        [7, 3, 0, 8, 0, "LATENT"], [9, 8, 0, 9, 0, "IMAGE"],
    ]  # fmt: skip
    return {"last_node_id": 10, "nodes": nodes, "links": links, "version": 0.4}


def test_a_drawn_graph_tells_the_prompt_where_none_ran() -> None:
    assert told(drawn=drawn()) == HAT
    assert told(run=graph(n6=text("a hat that ran")), drawn=drawn()) == "a hat that ran"
    assert told(run=graph(n6=None), drawn=drawn()) is None


def test_a_drawn_text_may_come_from_another_node() -> None:
    made = drawn()
    made["nodes"][1]["inputs"].append({"name": "text", "link": 20, "widget": {"name": "text"}})
    made["nodes"].append({"id": 12, "type": "PrimitiveNode", "widgets_values": ["a blue hat", "fixed"]})
    made["links"].append([20, 12, 0, 6, 1, "STRING"])
    assert told(drawn=made) == "a blue hat"


@pytest.mark.parametrize("mode", [2, 4])
def test_what_was_switched_off_is_not_followed(mode: int) -> None:
    assert told(drawn=drawn(n6=mode)) is None
    assert told(drawn=drawn(n3=mode)) is None


def test_a_choice_that_was_drawn_by_the_page_is_not_known() -> None:
    made = drawn()
    made["nodes"][1]["widgets_values"] = ["a {red|blue} hat"]
    assert told(drawn=made) is None


@pytest.mark.parametrize(
    "made",
    [
        {"nodes": [], "links": []},
        {"nodes": [{"id": 1, "type": "KSampler"}], "links": None},
        {"nodes": {"1": 2}, "links": {"1": 2}},
        {"nodes": [5], "links": [5, [], [[1], 2, 3, 4, 5, 6]]},
        {"links": [[1, 2, 3, 4, 5]]},
    ],
)
def test_graphs_of_other_shapes_tell_nothing(tmp_path: Path, made: Any) -> None:
    assert read_infotext(saved(tmp_path / "a.png", {"workflow": made})) is None


def saved(path: Path, chunks: dict[str, Any]) -> Path:
    info = PngInfo()
    for name, each in chunks.items():
        info.add_text(name, each if isinstance(each, str) else json.dumps(each))
    Image.new("RGB", (6, 4)).save(path, pnginfo=info)
    return path


def test_a_png_of_comfyui(tmp_path: Path) -> None:
    made = read_infotext(saved(tmp_path / "a.png", {"prompt": graph(), "workflow": drawn()}))
    assert made is not None
    assert made.prompt == HAT
    with_nan = json.dumps({**graph(), "50": node("Any", is_changed=[float("nan")])})
    assert read_infotext(saved(tmp_path / "b.png", {"prompt": with_nan}))


def test_a_pasted_graph_is_read_as_well() -> None:
    for pasted in (graph(), drawn()):
        made = parse_infotext(json.dumps(pasted))
        assert made is not None
        assert made.prompt == HAT


def test_a_webp_of_comfyui(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + json.dumps(graph())
    exif[0x010F] = "workflow:" + json.dumps(drawn())
    Image.new("RGB", (6, 4)).save(tmp_path / "a.webp", exif=exif)
    made = read_infotext(tmp_path / "a.webp")
    assert made is not None
    assert made.prompt == HAT


def test_an_infotext_beside_the_graph_is_what_its_saver_means(tmp_path: Path) -> None:
    chunks = {"prompt": graph(), "parameters": "a blue hat\nSteps: 4, Seed: 1, Size: 6x4"}
    made = read_infotext(saved(tmp_path / "a.png", chunks))
    assert made == parse_infotext(chunks["parameters"])


def test_a_graph_too_deep_to_follow_tells_nothing(tmp_path: Path) -> None:
    endless = {str(n): node("Reroute", a=[str(n + 1), 0]) for n in range(100, 30_000)}
    run = {**graph(), **endless, "3": sampler(["100", 0], ["7", 0])}
    assert read_infotext(saved(tmp_path / "a.png", {"prompt": run})) is None
