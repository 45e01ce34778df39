"""Extension that measures CPU time inside a webui's process, with the sides in turns; webui.py installs it.

POST /meter/look      a visualization by VXA, and by the original extension if it is installed
POST /meter/further   another word, site and mode of a pass that has been made
POST /meter/tab       building the tab
POST /meter/calls     time of the webui's calls of VXA since the last request; the first starts the clock
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


class Settings(BaseModel):
    image: str
    size: int = 512
    rounds: int = 5


def cpu_milliseconds(task):
    start = time.process_time()
    task()
    return 1e3 * (time.process_time() - start)


def in_turns(tasks, rounds):
    samples = {f"{name} CPU ms": [] for name in tasks}
    for task in tasks.values():  # the first run loads what all need
        task()
    for _ in range(rounds):
        for name, task in tasks.items():
            samples[f"{name} CPU ms"].append(cpu_milliseconds(task))
    return samples


def picture(settings):
    return Image.open(settings.image).convert("RGB").resize((settings.size, settings.size))


def pictures(image):
    """Yield copies of the image, each with one pixel changed, so that its latent is not in the cache."""
    image = image.copy()
    for number in itertools.count():
        image.putpixel((number % image.width, number // image.width), (number % 251, 7, 9))
        yield image.copy()


def original():
    """Return the module of the original extension; None if it is not installed."""
    scripts = script_loading.loaded_scripts.values()
    return next((script for script in scripts if hasattr(script, "generate_vxa")), None)


def silent(fraction, what):
    """Ignore the progress of a pass."""


def look(settings):
    from vxa.pictures.render import render
    from vxa.webui.backend import webui_backend

    backend, image, other = webui_backend(), picture(settings), original()
    pixels, new_pictures = np.asarray(image), pictures(image)

    def ours(image, sites, prompt=PROMPT):
        maps = backend.run(image, prompt, 1, "none", 0, silent, sites=sites)
        return render(maps, image, "masked", tokens="1", sites="M00")

    def theirs():
        with call_queue.queue_lock:
            return other.generate_vxa(pixels, PROMPT, "1", "1.0", LAYER, "masked")

    tasks = {
        "one site": lambda: ours(next(new_pictures), "M00"),
        "every site": lambda: ours(next(new_pictures), None),
        "another prompt": lambda: ours(image, "M00", "neck, hat"),
    }
    if other is not None:
        assert theirs().shape == pixels.shape
        tasks["the original"] = theirs
    return in_turns(tasks, settings.rounds)


def further(settings):
    from vxa.ui.asked import Asked
    from vxa.ui.downloads import Downloads
    from vxa.ui.handlers import Handlers
    from vxa.webui.backend import webui_backend

    folder = Path(mkdtemp())
    path = folder / "image.png"
    picture(settings).save(path)
    handlers = Handlers(webui_backend(), Downloads(folder))
    handlers.run("page", str(path), PROMPT, 1, "none")
    forwards = []
    handle = sd_models.model_data.sd_model.model.register_forward_pre_hook(lambda *inputs: forwards.append(1))
    before = Asked("1")
    changes = {
        "word": replace(before, selection="3"), "site": replace(before, sites="M00"),
        "grey": replace(before, mode="grey"), "masked": replace(before, mode="masked"),
        "contour": replace(before, mode="contour"), "words": replace(before, mode="words"),
        "sites": replace(before, mode="sites"), "matrix": replace(before, mode="matrix"),
    }  # fmt: skip
    tasks = {name: lambda one=one: handlers.picture_file("page", one) for name, one in changes.items()}
    samples = in_turns(tasks, settings.rounds)
    handle.remove()
    return {**samples, "model calls": [len(forwards)]}


def tab(settings):
    from vxa.webui.host.send_to import sending_of
    from vxa.webui.tab import tabs

    script = sys.modules["vxa"].__path__[0] + "/../scripts/vxa_tab.py"
    accesses, kind = [], type(sd_models.model_data)

    class CountingModelData(kind):
        """The webui's holder of its model, which counts accesses to the model."""

        def __getattribute__(self, name):
            if name in ("sd_model", "get_sd_model"):
                accesses.append(name)
            return super().__getattribute__(name)

    def build():
        tabs(script, sending_of(script))()

    sd_models.model_data.__class__ = CountingModelData
    try:
        samples = in_turns({"the tab": build}, settings.rounds)
    finally:
        sd_models.model_data.__class__ = kind
    return {**samples, "model asked for": [len(accesses)]}


SPENT = []


def calls(settings):
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
    milliseconds = [1e3 * seconds for seconds in SPENT]
    SPENT[:] = [0.0]
    return {"calls CPU ms": milliseconds}


def timed(function):
    @functools.wraps(function)
    def wrapper(*arguments, **named):
        start = time.thread_time()
        try:
            return function(*arguments, **named)
        finally:
            SPENT.append(time.thread_time() - start)

    return wrapper


def add_routes(demo, app):
    for name, measure in {"look": look, "further": further, "tab": tab, "calls": calls}.items():
        app.add_api_route(f"/meter/{name}", _route(measure), methods=["POST"])


def _route(measure):
    def answer(settings: Settings):
        return measure(settings)

    return answer


script_callbacks.on_app_started(add_routes)
