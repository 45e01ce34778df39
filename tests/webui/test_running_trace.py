"""Traced generations of a real webui: the images stay the same, and the words' maps are added."""

from __future__ import annotations

import base64
import io
import re
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.running import FIGURE, PATIENCE, Webui, reload_ui
from support.traced_webui import BASE, Generated, encoded, generate, hooks, keep, same_pictures

SAMPLERS = (
    "Euler a",
    "Heun",
    "DPM++ 2M",
    "DPM++ SDE",
    "DPM adaptive",
    "DDIM",
    "PLMS",
    "UniPC",
    "LCM",
    "Restart",
)


def test_the_image_stays_and_each_word_joins_it(papercut: Webui, tmp_path: Path) -> None:
    plain = generate(papercut)
    before = hooks(papercut)
    made = generate(papercut, {"show": ["each word", "grid", "steps"]})
    assert hooks(papercut) == before
    keep(made, "plain", tmp_path)
    assert made.said == ""
    assert made.images[0].tobytes() == plain.images[0].tobytes()
    assert made.of == ["a", "red", "hat", "grid", "steps"]
    assert len(made.images) == len(made.info["infotexts"]) == 6
    assert "VXA trace: each word + grid + steps" in made.info["infotexts"][0]


def test_every_image_of_every_batch_has_its_own(papercut: Webui, tmp_path: Path) -> None:
    many = {"batch_size": 2, "n_iter": 2}
    plain = generate(papercut, **many)
    made = generate(papercut, {"words": "hat"}, **many)
    keep(made, "batch", tmp_path)
    assert (made.said, made.of) == ("", ["hat"] * 4)
    assert [one.tobytes() for one in made.images[:4]] == [one.tobytes() for one in plain.images]
    seeds = [re.findall(r"Seed: (\d+)", text)[0] for text in made.info["infotexts"]]
    assert seeds == ["1", "2", "3", "4"] * 2
    # The second image generated alone is another row of another batch, and has the same map.
    alone = generate(papercut, {"words": "hat"}, seed=2)
    same_pictures(alone.images[1], made.images[5])


@pytest.mark.parametrize(
    "prompts",
    [
        {"prompt": "a red hat AND a blue ball"},
        {"prompt": "a red hat", "negative_prompt": "a blue ball, " * 20},
    ],
)
def test_slices_of_the_rows_give_the_same_maps(
    papercut: Webui, tmp_path: Path, prompts: dict[str, str]
) -> None:
    asked = {"words": "hat"}
    whole = generate(papercut, asked, batch_size=2, **prompts)
    with papercut.options(batch_cond_uncond=False):
        sliced = generate(papercut, asked, batch_size=2, **prompts)
    keep(whole, "whole", tmp_path)
    assert (whole.said, sliced.said, sliced.of) == ("", "", ["hat"] * 2)
    for one, other in zip(whole.images, sliced.images, strict=True):
        same_pictures(one, other)


def test_parts_of_and_and_their_words(papercut: Webui, tmp_path: Path) -> None:
    made = generate(papercut, {}, prompt="a red hat AND a blue ball :0.7", steps=8)
    keep(made, "and", tmp_path)
    assert (made.said, made.of) == ("", ["a", "red", "hat", "blue", "ball"])


def test_hires_fix_shows_its_second_pass(papercut: Webui, tmp_path: Path) -> None:
    twice = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "denoising_strength": 0.6,
             "hr_second_pass_steps": 3}  # fmt: skip
    plain = generate(papercut, **twice)
    made = generate(papercut, {"words": "hat"}, **twice)
    keep(made, "hires", tmp_path)
    assert (made.said, made.of) == ("", ["hat"])
    assert made.images[0].size == (288, 288)
    assert made.images[0].tobytes() == plain.images[0].tobytes()


def test_another_prompt_of_the_second_pass_is_the_one_that_is_read(papercut: Webui) -> None:
    twice = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "denoising_strength": 0.6}
    made = generate(papercut, {}, hr_prompt="a blue ball", **twice)
    assert (made.said, made.of) == ("", ["a", "blue", "ball"])
    edited = generate(papercut, {}, prompt="a [red:blue:0.5] [hat:ball:1.5]", **twice)
    assert (edited.said, edited.of) == ("", ["a", "blue", "hat", "ball"])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers(papercut: Webui, sampler: str) -> None:
    plain = generate(papercut, sampler_name=sampler)
    made = generate(papercut, {"words": "hat", "show": ["each word", "steps"]}, sampler_name=sampler)
    assert (made.said, made.of) == ("", ["hat", "steps"])
    assert made.images[0].tobytes() == plain.images[0].tobytes()


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a (red:1.3) [hat]", ["a", "red", "hat"]),
        ("a red hat BREAK a ball", ["a#1", "red", "hat", "a#2", "ball"]),
        ("hat " + "a, " * 60 + "ball", ["hat", "ball"]),
        ("a [red:blue:0.5] hat", ["a", "red", "hat", "blue"]),
        ("a [red|blue] hat", ["a", "red", "hat", "blue"]),
        ("a red hat <lora:ink:1>", ["a", "red", "hat"]),
        ("a inkvector hat <hypernet:ink:1>", ["a", "inkvector", "hat"]),
    ],
)
def test_prompts_are_read_as_the_webui_reads_them(papercut: Webui, prompt: str, words: list[str]) -> None:
    asked = {"words": "hat, ball"} if len(prompt) > 80 else {}
    plain = generate(papercut, prompt=prompt)
    made = generate(papercut, asked, prompt=prompt)
    assert (made.said, made.of) == ("", words)
    assert made.images[0].tobytes() == plain.images[0].tobytes()


def test_skipped_unconditional_rows_and_negative_words(papercut: Webui, tmp_path: Path) -> None:
    asked = {"show": ["each word", "negative words"], "words": "hat"}
    given = {"negative_prompt": "a blue ball", "s_min_uncond": 20.0, "steps": 6}
    plain = generate(papercut, **given)
    made = generate(papercut, asked, **given)
    keep(made, "negative", tmp_path)
    assert (made.said, made.of) == ("", ["hat", "negative words"])
    assert made.images[0].tobytes() == plain.images[0].tobytes()
    without = generate(papercut, asked)
    assert without.of == ["hat"]
    assert "no map of the negative prompt" in without.said


def test_a_refiner_takes_over(papercut: Webui) -> None:
    switched = {"refiner_checkpoint": "blind.safetensors", "refiner_switch_at": 0.5, "steps": 6}
    plain = generate(papercut, **switched)
    papercut.choose("papercut.safetensors")
    made = generate(papercut, {"words": "hat"}, **switched)
    papercut.choose("papercut.safetensors")
    assert (made.said, made.of) == ("", ["hat"])
    assert made.images[0].tobytes() == plain.images[0].tobytes()


def test_img2img_and_what_is_masked_alone(papercut: Webui, tmp_path: Path) -> None:
    figure = Image.open(FIGURE).convert("RGB")
    mask = Image.new("L", figure.size)
    mask.paste(255, (figure.width // 2, figure.height // 2, figure.width * 7 // 8, figure.height * 7 // 8))
    given = {"init_images": [encoded(figure)], "denoising_strength": 0.7, "prompt": "a red hat", "steps": 6}
    # The webui draws the image's latent at random; a txt2img before it sets the generator to one state.
    generate(papercut)
    plain = generate(papercut, kind="img2img", **given)
    generate(papercut)
    made = generate(papercut, {"words": "hat"}, kind="img2img", **given)
    assert (made.said, made.of) == ("", ["hat"])
    assert made.images[0].tobytes() == plain.images[0].tobytes()
    masked = {**given, "mask": encoded(mask), "inpaint_full_res": True, "inpaint_full_res_padding": 8}
    part = generate(papercut, {"words": "hat"}, kind="img2img", **masked)
    keep(part, "masked", tmp_path)
    assert (part.said, part.of) == ("", ["hat"])
    # Above and left of the crop the picture is the image itself, enlarged.
    picture, image = np.asarray(part.images[1].convert("RGB")), part.images[0].convert("RGB")
    window = np.asarray(image.resize((512, 512), Image.Resampling.LANCZOS))[:200, :200]
    top = next(y for y in range(60) if np.abs(picture[y : y + 200, 18:218].astype(int) - window).mean() < 2)
    assert 18 < top < 60


def test_an_interrupted_generation_shows_the_steps_that_ran(papercut: Webui, tmp_path: Path) -> None:
    before = hooks(papercut)
    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(generate, papercut, {"words": "hat"}, steps=120)
        while papercut.ask("sdapi/v1/progress?skip_current_image=true")["state"]["sampling_step"] < 2:
            time.sleep(0.05)
        papercut.ask("sdapi/v1/interrupt", {})
        made = going.result()
    keep(made, "interrupted", tmp_path)
    assert made.of == ["hat"]
    assert re.search(r"are of the first \d+ of 120 steps: the generation was interrupted", made.said)
    assert hooks(papercut) == before


def test_a_generation_that_fails_leaves_no_hook(papercut: Webui) -> None:
    before = hooks(papercut)
    papercut.ask("probe/fail", {})
    with pytest.raises(urllib.error.HTTPError):
        generate(papercut, {"words": "hat"})
    assert hooks(papercut) == before
    assert generate(papercut, {"words": "hat"}).of == ["hat"]


def test_a_generation_within_a_generation_is_not_mixed_in(papercut: Webui) -> None:
    before, many = hooks(papercut), {"batch_size": 2}
    plain = generate(papercut, {"words": "hat"}, **many)
    papercut.ask("probe/nest", {})
    made = generate(papercut, {"words": "hat"}, **many)
    assert made.of == ["hat", "hat"]
    assert [one.tobytes() for one in made.images] == [one.tobytes() for one in plain.images]
    assert hooks(papercut) == before


def test_what_is_asked_is_in_the_infotext_and_read_back(papercut: Webui) -> None:
    asked = {"words": "hat, red", "show": ["each word", "grid"], "colormap": "magma", "opacity": 0.5,
             "sites": "mid"}  # fmt: skip
    made = generate(papercut, asked)
    again = Generated(papercut.ask("sdapi/v1/txt2img", {"infotext": made.info["infotexts"][0]}))
    assert again.of == made.of == ["hat", "red", "grid"]
    assert [one.tobytes() for one in again.images] == [one.tobytes() for one in made.images]


def test_arguments_by_place_and_what_cannot_be_shown(papercut: Webui) -> None:
    by_place = {"VXA": {"args": [True, "hta", ["each word"], "magma", 0.5, "mid", False, False]}}
    made = Generated(papercut.ask("sdapi/v1/txt2img", {**BASE, "alwayson_scripts": by_place}))
    assert made.of == []
    assert "did you mean hat?" in made.said
    assert "no site here is called 'OUT99'" in generate(papercut, {"sites": "OUT99"}).said
    assert generate(papercut, {"enabled": False}).of == []


def test_maps_are_saved_beside_their_image(papercut: Webui) -> None:
    generate(papercut, {"words": "hat", "save": True}, save_images=True, seed=77)
    outputs = papercut.outputs / "txt2img-images"  # exists only now
    (image,) = [path for path in outputs.rglob("*-77*.png") if "vxa" not in path.name]
    assert image.with_name(f"{image.stem}-vxa-hat.png").is_file()
    assert generate(papercut, {"words": "hat"}).of == ["hat"]
    assert len(list(outputs.rglob("*-vxa-*.png"))) == 1


def test_the_live_preview_shows_the_maps_so_far(papercut: Webui, tmp_path: Path) -> None:
    def shown() -> Image.Image | None:
        current = papercut.ask("sdapi/v1/progress")["current_image"]
        return Image.open(io.BytesIO(base64.b64decode(current))) if current else None

    with papercut.options(show_progress_every_n_steps=3), ThreadPoolExecutor(1) as pool:
        going = pool.submit(generate, papercut, {"words": "hat", "live": True}, steps=60)
        seen = None
        while not going.done():
            seen = shown() or seen
        made = going.result()
    assert seen is not None
    seen.save(tmp_path / "live.png")
    assert min(seen.size) > 250  # a figure, not a preview of 24 × 24 latents
    assert made.images[0].tobytes() == generate(papercut, steps=60).images[0].tobytes()


def test_the_plot_has_axes_of_ours(papercut: Webui, tmp_path: Path) -> None:
    listed = papercut.ask("sdapi/v1/script-info")
    (plot,) = (one for one in listed if one["name"] == "x/y/z plot" and not one["is_img2img"])
    axes = next(arg["choices"] for arg in plot["args"] if arg["label"] == "X type")
    values = [arg["value"] for arg in plot["args"]]
    labels = [arg["label"] for arg in plot["args"]]  # each "values" label occurs twice; the first is the box
    for axis, name, given in (("X", "[VXA] Words", "red, hta, hat"), ("Y", "[VXA] Sites", "mid, OUT03")):
        values[labels.index(f"{axis} type")] = axes.index(name)
        values[labels.index(f"{axis} values")] = given
    values[labels.index("Z type")] = axes.index("Nothing")
    made = generate(papercut, script_name="x/y/z plot", script_args=values)
    keep(made, "plot", tmp_path)
    assert made.images[0].width > 3 * 500
    assert made.images[0].height > 2 * 500


def test_what_the_page_shows(papercut: Webui, browser: Any, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 1500})
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    page.goto(papercut.address, wait_until="domcontentloaded")
    page.wait_for_selector("#txt2img_prompt textarea", state="visible")
    page.fill("#txt2img_prompt textarea", "a red hat")
    for name, value in (("width", 192), ("height", 192), ("steps", 6)):
        page.fill(f"#txt2img_{name} input[type=number]", str(value))
    page.click("#script_txt2img_vxa_enabled > .label-wrap")
    page.fill("#script_txt2img_vxa_words textarea", "hat, hta")
    page.click("#script_txt2img_vxa_show label:has-text('grid')")
    page.click("#txt2img_generate")
    page.wait_for_selector("#txt2img_gallery button.thumbnail-item >> nth=2")
    said = page.wait_for_selector("#html_log_txt2img .comments").inner_text()
    page.screenshot(path=str(tmp_path / "page.png"), full_page=True)
    context.close()
    assert (
        said.strip() == "VXA: word 'hta' is not in the prompt; did you mean hat? its words are: a, red, hat"
    )


@pytest.mark.parametrize("name", ["v-prediction", "inpainting", "sd2-v", "sdxl"])
def test_checkpoints_of_other_shapes(shapes: Webui, name: str) -> None:
    shapes.choose(f"{name}.safetensors")
    small = {"width": 64, "height": 64, "batch_size": 2, "steps": 3}
    plain = generate(shapes, **small)
    made = generate(shapes, {"show": ["each word", "steps"]}, **small)
    assert (made.said, made.of) == ("", ["a", "red", "hat", "steps"] * 2)
    assert made.images[0].tobytes() == plain.images[0].tobytes()


def test_another_shape_of_network_takes_over(shapes: Webui) -> None:
    shapes.choose("sdxl.safetensors")
    switched = {
        "refiner_checkpoint": "refiner",
        "refiner_switch_at": 0.5,
        "steps": 6,
        "width": 64,
        "height": 64,
    }
    made = generate(shapes, {"words": "hat"}, **switched)
    assert (made.said, made.of) == ("", ["hat"])


def test_after_reload_ui(papercut: Webui, browser: Any) -> None:
    plain = generate(papercut)
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    page.goto(papercut.address, wait_until="domcontentloaded")
    page.wait_for_selector("#txt2img_prompt textarea", state="visible")
    reload_ui(page, papercut)
    context.close()
    made = generate(papercut, {"words": "hat"})
    assert (made.said, made.of) == ("", ["hat"])
    assert made.images[0].tobytes() == plain.images[0].tobytes()
