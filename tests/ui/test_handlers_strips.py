"""Passes at several timesteps, shown as one strip."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.replayed import PASS, PROMPT, same_pixels, saved_maps

from vxa import SettingError
from vxa.maps.heat_map import REFINED_THRESHOLD
from vxa.pictures.render import render
from vxa.ui.asked import Asked
from vxa.ui.handlers import Handlers
from vxa.ui.pages import maps_bytes
from vxa.ui.stopping import Stopped


def at_timesteps(handlers: Handlers, image: Path, timesteps: str, prompt: str = PROMPT, **settings: Any):
    return handlers.run_timesteps("mine", str(image), prompt, *PASS, timesteps, **settings)


def test_a_strip_is_one_pass_a_timestep_and_the_librarys_picture(
    handlers: Handlers, page_id: str, passes: list[int], image_file: Path
):
    told: list[tuple[float, str]] = []
    looked = at_timesteps(
        handlers, image_file, "300, 50, 7", progress=lambda fraction, what: told.append((fraction, what))
    )
    assert passes == [300, 7]
    assert told == [(0.25, "replaying, 1 of 2"), (0.75, "replaying, 2 of 2")]
    assert "3 passes at timesteps 300, 50, 7, noise matched" in looked.summary
    for place in ({}, {"sites": "IN01", "heads": "1"}):
        asked = Asked("3", mode="timesteps", **place)
        wanted = render(
            [saved_maps(PROMPT, t) for t in (300, 50, 7)], image_file, tokens="3", mode="timesteps", **place
        )
        assert same_pixels(handlers.picture(page_id, asked), wanted)
    at_timesteps(handlers, image_file, "7, 8")
    assert passes == [300, 7, 8]
    assert [maps.provenance.timestep for maps in handlers.pages.get(page_id).passes] == [7, 8]


def test_a_strip_without_a_pass_or_of_something_else_begins_anew(
    handlers: Handlers, passes: list[int], image_file: Path
):
    at_timesteps(handlers, image_file, "5, 6")
    assert passes == [50, 5, 6]
    at_timesteps(handlers, image_file, "5, 6", "other words")
    assert passes == [50, 5, 6] * 2
    assert handlers.pages.get("mine").wanted.prompt == "other words"


def test_a_stopped_strip_keeps_what_is_made(
    handlers: Handlers, page_id: str, passes: list[int], image_file: Path
):
    def progress(fraction: float, what: str) -> None:
        if "2 of 3" in what:
            handlers.stop(page_id)

    run = handlers.backend.run

    def twice(image, prompt, timestep, noise, seed, told, refine=False):  # type: ignore[no-untyped-def]
        told(0.1, "begun")
        return run(image, prompt, timestep, noise, seed, told, refine=refine)

    object.__setattr__(handlers.backend, "run", twice)
    with pytest.raises(Stopped):
        at_timesteps(handlers, image_file, "5, 6, 7", progress=progress)
    kept = handlers.pages.get(page_id)
    assert [maps.provenance.timestep for maps in kept.passes] == [5]
    at_timesteps(handlers, image_file, "5, 6, 7")
    assert [maps.provenance.timestep for maps in handlers.pages.get(page_id).passes] == [5, 6, 7]


def test_a_strip_does_not_replace_a_pass_made_meanwhile(handlers: Handlers, page_id: str, image_file: Path):
    run = handlers.backend.run

    def interrupted(image, prompt, timestep, noise, seed, told, refine=False):  # type: ignore[no-untyped-def]
        object.__setattr__(handlers.backend, "run", run)
        handlers.run(page_id, str(image_file), "newer", *PASS)
        return run(image, prompt, timestep, noise, seed, told, refine=refine)

    object.__setattr__(handlers.backend, "run", interrupted)
    with pytest.raises(Stopped, match="another pass"):
        at_timesteps(handlers, image_file, "5")
    assert handlers.pages.get(page_id).wanted.prompt == "newer"


def test_more_timesteps_than_the_server_keeps_are_refused(handlers: Handlers, page_id: str, image_file: Path):
    handlers.pages.most_bytes = 3 * maps_bytes(handlers.pages.get(page_id).maps)
    at_timesteps(handlers, image_file, "1, 2, 3")
    with pytest.raises(SettingError, match=r"maps of 4 timesteps take .* give fewer"):
        at_timesteps(handlers, image_file, "1, 2, 3, 4")
    with pytest.raises(SettingError, match="'x'"):
        at_timesteps(handlers, image_file, "1, x")


def test_a_strip_is_taken_away_whole(handlers: Handlers, page_id: str, image_file: Path, monkeypatch: Any):
    at_timesteps(handlers, image_file, "50, 300")
    asked = Asked("3", mode="timesteps", normalize="absolute", resample="nearest")
    command, python = handlers.command(page_id, asked)
    assert shlex.split(command)[4:] == [
        "--model", "replayed", "--timesteps", "50, 300", "--mode", "timesteps", "--tokens", "3",
        "--normalize", "absolute", "--resample", "nearest", "-o", "my-cat-timesteps.png",
    ]  # fmt: skip
    monkeypatch.chdir(image_file.parent)
    monkeypatch.setattr("vxa.load", lambda name: name)
    monkeypatch.setattr("vxa.visualize", lambda model, image, prompt, timestep: saved_maps(prompt, timestep))
    exec(python, {})
    assert same_pixels(Image.open("my-cat-timesteps.png"), handlers.picture(page_id, asked))
    names = [Path(path).name for path in handlers.files(page_id, asked)]
    assert names == [
        "my-cat-timesteps.png", "my-cat-mask.png", "my-cat-t50.npz", "my-cat-t50.json", "my-cat-t300.npz",
        "my-cat-t300.json",
    ]  # fmt: skip


def test_a_refined_strip_is_of_refined_passes(
    handlers: Handlers, page_id: str, image_file: Path, passes: list[int]
):
    at_timesteps(handlers, image_file, "50, 300", refine=True)
    assert passes == [50, 300]
    asked = Asked("3", mode="timesteps", refine=True, threshold=REFINED_THRESHOLD)
    wanted = [saved_maps(PROMPT, timestep, refine=True) for timestep in (50, 300)]
    drawn = render(wanted, image_file, "timesteps", tokens="3", refine=True)
    assert same_pixels(handlers.picture(page_id, asked), drawn)
    at_timesteps(handlers, image_file, "50, 300, 7")
    assert passes == [50, 300, 7]
    assert all(maps.self_sites for maps in handlers.pages.get(page_id).passes)
