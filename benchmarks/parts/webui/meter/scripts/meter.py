"""Measures inside a running webui's process, in CPU time, the sides in turns; installed by the bench.

POST /meter/look      a visualization by VXA and by the original extension, where that is installed
POST /meter/further   another word, site and mode of a pass that is there
POST /meter/tab       building the tab
POST /meter/calls     what the webui's calls of VXA took since the last question; the first begins it
"""

import functools
import itertools
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from modules import call_queue, script_callbacks, script_loading, scripts, sd_models
from PIL import Image
from pydantic import BaseModel

PROMPT = "hat, neck"
LAYER = "model.diffusion_model.middle_block.1.transformer_blocks.0.attn2"


class Asked(BaseModel):
    image: str
    size: int = 512
    rounds: int = 5


def cpu_milliseconds(task):
    start = time.process_time()
    task()
    return 1e3 * (time.process_time() - start)


def in_turns(tasks, rounds):
    samples = {f"{name} CPU ms": [] for name in tasks}
    for task in tasks.values():  # once before, so that nobody pays for what is loaded the first time
        task()
    for _ in range(rounds):
        for name, task in tasks.items():
            samples[f"{name} CPU ms"].append(cpu_milliseconds(task))
    return samples


def picture(asked):
    return Image.open(asked.image).convert("RGB").resize((asked.size, asked.size))


def pictures(image):
    """The image again and again, always with another pixel of its own: one that nobody has encoded."""
    image = image.copy()
    for number in itertools.count():
        image.putpixel((number % image.width, number // image.width), (number % 251, 7, 9))
        yield image.copy()


def original():
    """The module of the original extension; None where it is not installed."""
    scripts = script_loading.loaded_scripts.values()
    return next((script for script in scripts if hasattr(script, "generate_vxa")), None)


def silent(fraction, what):
    """The progress of a pass that nobody watches."""


def look(asked):
    from vxa.pictures.render import render
    from vxa.webui.backend import webui_backend

    backend, image, other = webui_backend(), picture(asked), original()
    pixels, unseen = np.asarray(image), pictures(image)

    def ours(image, sites, prompt=PROMPT):
        maps = backend.run(image, prompt, 1, "none", 0, silent, sites=sites)
        return render(maps, image, "masked", tokens="1", sites="M00")

    def theirs():
        with call_queue.queue_lock:
            return other.generate_vxa(pixels, PROMPT, "1", "1.0", LAYER, "masked")

    tasks = {
        "one site": lambda: ours(next(unseen), "M00"),
        "every site": lambda: ours(next(unseen), None),
        "another prompt": lambda: ours(image, "M00", "neck, hat"),
    }
    if other is not None:
        assert theirs().shape == pixels.shape
        tasks["the original"] = theirs
    return in_turns(tasks, asked.rounds)


def further(asked):
    from vxa.ui.asked import Asked as Question
    from vxa.ui.downloads import Downloads
    from vxa.ui.handlers import Handlers
    from vxa.webui.backend import webui_backend

    folder = Path(mkdtemp())
    path = folder / "image.png"
    picture(asked).save(path)
    handlers = Handlers(webui_backend(), Downloads(folder))
    handlers.run("page", str(path), PROMPT, 1, "none")
    ran = []
    handle = sd_models.model_data.sd_model.model.register_forward_pre_hook(lambda *given: ran.append(1))
    before = Question("1")
    changes = {
        "word": replace(before, selection="3"), "site": replace(before, sites="M00"),
        "grey": replace(before, mode="grey"), "masked": replace(before, mode="masked"),
        "contour": replace(before, mode="contour"), "words": replace(before, mode="words"),
        "sites": replace(before, mode="sites"), "matrix": replace(before, mode="matrix"),
    }  # fmt: skip
    tasks = {name: lambda one=one: handlers.picture_file("page", one) for name, one in changes.items()}
    samples = in_turns(tasks, asked.rounds)
    handle.remove()
    return {**samples, "model calls": [len(ran)]}


def tab(asked):
    from vxa.webui.host.send_to import sending_of
    from vxa.webui.tab import tabs

    script = sys.modules["vxa"].__path__[0] + "/../scripts/vxa_tab.py"
    asks, kind = [], type(sd_models.model_data)

    class Asking(kind):
        """The webui's model, which notes who asks for it."""

        def __getattribute__(self, name):
            if name in ("sd_model", "get_sd_model"):
                asks.append(name)
            return super().__getattribute__(name)

    def build():
        tabs(script, sending_of(script))()

    sd_models.model_data.__class__ = Asking
    try:
        samples = in_turns({"the tab": build}, asked.rounds)
    finally:
        sd_models.model_data.__class__ = kind
    return {**samples, "model asked for": [len(asks)]}


SPENT = []


def calls(asked):
    if not SPENT:
        for callbacks in script_callbacks.callback_map.values():
            for one in callbacks:
                if one.callback.__module__.startswith("vxa."):
                    one.callback = timed(one.callback)
        for runner in (scripts.scripts_txt2img, scripts.scripts_img2img):
            for script in runner.alwayson_scripts:
                if type(script).__module__.startswith("vxa."):
                    for name in dir(scripts.Script):
                        if name in vars(type(script)):
                            setattr(script, name, timed(getattr(script, name)))
    taken = [1e3 * spent for spent in SPENT]
    SPENT[:] = [0.0]
    return {"calls CPU ms": taken}


def timed(function):
    @functools.wraps(function)
    def measured(*given, **named):
        start = time.thread_time()
        try:
            return function(*given, **named)
        finally:
            SPENT.append(time.thread_time() - start)

    return measured


def add_routes(demo, app):
    for name, measure in {"look": look, "further": further, "tab": tab, "calls": calls}.items():
        app.add_api_route(f"/meter/{name}", _route(measure), methods=["POST"])


def _route(measure):
    def answer(asked: Asked):
        return measure(asked)

    return answer


script_callbacks.on_app_started(add_routes)
