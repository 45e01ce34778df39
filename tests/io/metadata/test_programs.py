"""Images of SwarmUI, Fooocus, InvokeAI and NovelAI, as these programs write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vxa.io.infotext import parse_infotext, read_infotext

SWARM = {
    "sui_image_params": {
        "prompt": "a red hat, größer",
        "negativeprompt": "blurry",
        "model": "m",
        "seed": 5,
        "steps": 20,
        "cfgscale": 7.5,
        "width": 512,
        "height": 768,
        "swarm_version": "0.9.7.3",
    },
    "sui_extra_data": {"date": "2026-01-01", "original_prompt": "a <wildcard:colour> hat"},
}
FOOOCUS = {
    "adm_guidance": "(1.5, 0.8, 0.3)",
    "base_model": "juggernautXL",
    "full_negative_prompt": ["blurry"],
    "full_prompt": ["cinematic still a red hat . emotional", "a red hat, sharp"],
    "guidance_scale": 4,
    "metadata_scheme": "fooocus",
    "negative_prompt": "blurry",
    "prompt": "a red hat, größer",
    "resolution": "(1024, 1024)",
    "seed": "5",
    "steps": 30,
    "styles": "['Fooocus V2']",
    "version": "Fooocus v2.5.5",
}
FOOOCUS_WEBUI = (
    "a red hat, größer\nNegative prompt: blurry\nSteps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 5, "
    "Size: 1024x1024, CFG scale: 4, Raw prompt: a red hat, Version: Fooocus v2.5.5"
)
INVOKE = {
    "generation_mode": "txt2img",
    "positive_prompt": "a red hat, größer",
    "negative_prompt": "blurry",
    "positive_style_prompt": "",
    "seed": 5,
    "steps": 30,
    "cfg_scale": 7.5,
    "scheduler": "euler",
    "model": {"key": "1", "name": "m", "base": "sd-1"},
    "app_version": "5.0.0",
}
OLDER_INVOKE = {
    "model": "stable diffusion",
    "app_version": "2.3.5",
    "image": {
        "prompt": [{"prompt": "a red hat, größer [blurry]", "weight": 1.0}],
        "seed": 5,
        "steps": 30,
        "sampler": "k_lms",
    },
}
NOVELAI = {
    "Title": "AI generated image",
    "Description": "a red hat, größer",
    "Software": "NovelAI",
    "Comment": json.dumps({"steps": 28, "sampler": "k_euler", "seed": 5, "scale": 11.0, "uc": "blurry"}),
}
CHUNKS = {
    "swarmui": {"parameters": json.dumps(SWARM)},
    "fooocus": {"parameters": json.dumps(FOOOCUS), "fooocus_scheme": "fooocus"},
    "fooocus as the webui": {"parameters": FOOOCUS_WEBUI, "fooocus_scheme": "a1111"},
    "invokeai": {"invokeai_metadata": json.dumps(INVOKE), "invokeai_graph": "{}"},
    "invokeai 2": {"sd-metadata": json.dumps(OLDER_INVOKE), "Dream": '"wrong" -s50'},
    "invokeai 1": {"Dream": '"a red hat, größer [blurry]" -s50 -S5 -W512 -H512 -C7.5 -Ak_lms'},
    "novelai": NOVELAI,
    "novelai 4": {
        **NOVELAI,
        "Description": "",
        "Comment": json.dumps({"prompt": "a red hat, größer", "seed": 5}),
    },
}
# An EXIF directory, or the main one; and bytes, or a text as Pillow writes it.
COMMENTS = {
    "swarmui": (True, b"UNICODE\0" + json.dumps(SWARM).encode("utf-16-le")),
    "swarmui, other order": (True, b"UNICODE\0" + json.dumps(SWARM, ensure_ascii=False).encode("utf-16-be")),
    "fooocus": (False, json.dumps(FOOOCUS)),
    "fooocus as the webui": (False, FOOOCUS_WEBUI.encode()),
}


def png(folder: Path, chunks: Mapping[str, str]) -> Path:
    info = PngInfo()
    for name, text in chunks.items():
        info.add_text(name, text)
    Image.new("RGB", (6, 4)).save(folder / "image.png", pnginfo=info)
    return folder / "image.png"


@pytest.mark.parametrize("program", CHUNKS)
def test_a_png_tells_its_prompt(tmp_path: Path, program: str) -> None:
    made = read_infotext(png(tmp_path, CHUNKS[program]))
    assert made is not None
    assert (made.prompt, made.settings["Seed"]) == ("a red hat, größer", "5")
    assert not {"prompt", "uc", "Negative prompt"} & made.settings.keys()


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif"])
@pytest.mark.parametrize("program", COMMENTS)
def test_a_users_comment_tells_it_too(tmp_path: Path, program: str, suffix: str) -> None:
    inner, comment = COMMENTS[program]
    image, exif = Image.new("RGB", (16, 16)), Image.Exif()
    (exif.get_ifd(0x8769) if inner else exif)[0x9286] = comment
    image.save(tmp_path / f"image.{suffix}", exif=exif.tobytes())
    made = read_infotext(tmp_path / f"image.{suffix}")
    assert made is not None
    assert (made.prompt, made.settings["Seed"]) == ("a red hat, größer", "5")


def test_older_swarmuis_wrote_the_cameras_model(tmp_path: Path) -> None:
    image, exif = Image.new("RGB", (16, 16)), Image.Exif()
    exif[0x0110] = json.dumps(SWARM)
    image.save(tmp_path / "image.jpg", exif=exif)
    made = read_infotext(tmp_path / "image.jpg")
    assert made is not None
    assert made.prompt == "a red hat, größer"


def test_what_was_pasted_is_read_as_well() -> None:
    for pasted in (SWARM, FOOOCUS, INVOKE, OLDER_INVOKE):
        made = parse_infotext(json.dumps(pasted, indent=1))
        assert made is not None
        assert made.prompt == "a red hat, größer"


@pytest.mark.parametrize("text", ['"a red hat" -s50', "a red hat -S5", "a red hat", "{red|blue} hat", "{}"])
def test_a_typed_prompt_is_no_metadata(text: str) -> None:
    assert parse_infotext(text) is None


def test_settings_have_the_webuis_names(tmp_path: Path) -> None:
    made = read_infotext(png(tmp_path, CHUNKS["swarmui"]))
    assert made is not None
    assert made.settings == {"Steps": "20", "CFG scale": "7.5", "Seed": "5", "Model": "m"}


@pytest.mark.parametrize(
    "chunks",
    [
        {"parameters": json.dumps({"sui_image_params": {"prompt": ["a", "b"]}})},
        {"parameters": json.dumps({"sui_image_params": "a hat"})},
        {"parameters": json.dumps({"prompt": "a hat"})},
        {"parameters": json.dumps({"metadata_scheme": "fooocus", "prompt": None})},
        {"invokeai_metadata": json.dumps({"positive_prompt": None})},
        {"invokeai_metadata": json.dumps({"generation_mode": "esrgan"})},
        {"sd-metadata": json.dumps({"image": {"prompt": [{"prompt": "a"}, {"prompt": "b"}]}})},
        {"sd-metadata": json.dumps({"image": {"prompt": [5]}})},
        {"sd-metadata": json.dumps({"image": [{"prompt": "a hat"}]})},
        {"Dream": ""},
        {"Comment": json.dumps({"prompt": "a hat"})},
        {"Description": "a hat", "Software": "Adobe"},
        {"prompt": "a hat"},
    ],
)
def test_nothing_is_offered_where_the_prompt_cannot_be_told(tmp_path: Path, chunks: dict[str, str]) -> None:
    assert read_infotext(png(tmp_path, chunks)) is None


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(SWARM)[:-20],
        '{"sui_image_params": ' + "[" * 200_000,
        '{"a":' * 200_000,
        '{"sui_image_params": {"prompt": "' + "x" * 60_000 + '"}}',
        '{"sui_image_params": {"prompt": "a hat", "steps": 1' + "0" * 5000 + "}}",
        "\0\1\2\x1b{\xff",
        "[1]",
        "null",
    ],
)
@pytest.mark.parametrize(
    "name", ["parameters", "prompt", "workflow", "invokeai_metadata", "sd-metadata", "Comment"]
)
def test_bad_metadata_is_no_metadata(tmp_path: Path, name: str, text: str) -> None:
    made = read_infotext(png(tmp_path, {name: text}))
    assert made is None


def test_a_huge_text_is_not_parsed(tmp_path: Path) -> None:
    padded = {**SWARM, "padding": "x" * 50_000_000}
    assert read_infotext(png(tmp_path, {"parameters": json.dumps(padded)})) is None
    assert read_infotext(png(tmp_path, {"parameters": json.dumps({**SWARM, "padding": "x" * 500_000})}))


def test_bad_metadata_of_one_program_does_not_hide_anothers(tmp_path: Path) -> None:
    chunks = {"parameters": "{" * 1000, "workflow": "[]", **CHUNKS["invokeai"]}
    assert read_infotext(png(tmp_path, chunks)) is not None


def test_half_characters_are_replaced(tmp_path: Path) -> None:
    text = '{"sui_image_params": {"prompt": "a \\ud83d hat \\ud83d\\ude00", "model": "\\udc00"}}'
    made = read_infotext(png(tmp_path, {"parameters": text}))
    assert made is not None
    assert made.prompt == "a ? hat 😀"
    assert str(made).encode("utf-8")
