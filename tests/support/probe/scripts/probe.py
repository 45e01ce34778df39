"""Extension with which the tests read and steer a running webui's process; no part of VXA.

POST /probe/keys      the keys of every cross-attention layer in the last step of a generation, as npz
GET  /probe/state     hooks, threads, files in the temporary folder, bytes of memory
POST /probe/hold      let passes wait before the network's middle block from now on
GET  /probe/held      answer as soon as a pass waits
POST /probe/release   let the pass go on, and no longer wait
GET  /probe/went_on   whether a block after the middle one has run
POST /probe/fail      let the next pass fail in the network's middle block
POST /probe/nest      generate each image of the next generation once more, as detailers do
"""

import base64
import gc
import io
import os
import tempfile
import threading
import time
from pathlib import Path

import gradio.networking
import numpy as np
import open_clip
import psutil
import torch
from modules import processing, script_callbacks, scripts, shared

KEYS = {}
SEEN = set()
# A text encoder of OpenCLIP's kind, small enough for a test.
open_clip.add_model_config(Path(__file__).parents[1] / "clips")


def run_in_thread(server):
    """Start the server, and wait as long as it takes; gradio gives up after five seconds."""
    server.thread = threading.Thread(target=server.run, daemon=True)
    server.thread.start()
    while not server.started and server.thread.is_alive():
        time.sleep(0.01)


gradio.networking.Server.run_in_thread = run_in_thread


def watch(params):
    """Note the conditional row's keys in the coming step: row 0 of its first batch."""
    SEEN.clear()
    network = shared.sd_model.model.diffusion_model
    for name, module in network.named_modules():
        if name.endswith("attn2.to_k") and not hasattr(module, "probed"):
            module.probed = module.register_forward_hook(noting(name.removesuffix(".to_k")))


def noting(name):
    def note(module, given, output):
        if shared.state.job != "vxa" and name not in SEEN:
            SEEN.add(name)
            KEYS[name] = output[0].detach().float().cpu().numpy()

    return note


def state():
    gc.collect()
    layers = torch.nn.modules.module
    everywhere = (layers._global_forward_hooks, layers._global_forward_pre_hooks)
    modules = list(shared.sd_model.modules())
    return {
        "dtype": str(next(shared.sd_model.model.diffusion_model.parameters()).dtype),
        "hooks": sum(
            len(module._forward_hooks) + len(module._forward_pre_hooks) - hasattr(module, "probed")
            for module in modules
        ),
        "everywhere": sum(map(len, everywhere)),
        "threads": threading.active_count(),
        "files": sum(len(files) for _, _, files in os.walk(tempfile.gettempdir())),
        "memory": psutil.Process().memory_info().rss,
    }


class NestedGeneration(scripts.Script):
    """Script that generates within a generation, with the same scripts and arguments: the worst case."""

    wanted = False

    def title(self):
        return "Nested"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def postprocess_image(self, p, pp):
        if not NestedGeneration.wanted or isinstance(p, processing.StableDiffusionProcessingImg2Img):
            return
        inner = processing.StableDiffusionProcessingImg2Img(
            sd_model=p.sd_model,
            prompt="a blue ball",
            init_images=[pp.image],
            denoising_strength=0.5,
            steps=4,
            width=128,
            height=128,
            seed=1,
            sampler_name="Euler",
            do_not_save_samples=True,
            do_not_save_grid=True,
            batch_size=2,
        )
        inner.is_api, inner.scripts, inner.script_args = True, p.scripts, p.script_args
        processing.process_images(inner)
        inner.close()
        NestedGeneration.wanted = p.batch_index + 1 < p.batch_size


class Gate:
    """Gate at the network's middle block, so that a test can act while a pass waits there."""

    def close(self):
        network = shared.sd_model.model.diffusion_model
        self.reached, self.opened, self.ran = threading.Event(), threading.Event(), False
        blocks = {network.middle_block: self.wait, network.output_blocks[0]: self.go_on}
        self.handles = [block.register_forward_pre_hook(hook) for block, hook in blocks.items()]

    def wait(self, module, given):
        if shared.state.job == "vxa":
            self.reached.set()
            assert self.opened.wait(1800)

    def go_on(self, module, given):
        self.ran = self.ran or shared.state.job == "vxa"

    def went_on(self):
        for handle in self.handles:
            handle.remove()
        return self.ran


GATE = Gate()


def add_routes(demo, app):
    @app.get("/probe/state")
    def probe_state():
        return state()

    @app.post("/probe/hold")
    def probe_hold():
        GATE.close()

    @app.get("/probe/held")
    def probe_held():
        return GATE.reached.wait(1800)

    @app.post("/probe/release")
    def probe_release():
        GATE.opened.set()

    @app.get("/probe/went_on")
    def probe_went_on():
        return GATE.went_on()

    @app.post("/probe/fail")
    def probe_fail():
        def fail(module, given):
            handle.remove()
            raise RuntimeError("out of memory, says the test")

        handle = shared.sd_model.model.diffusion_model.middle_block.register_forward_pre_hook(fail)

    @app.post("/probe/nest")
    def probe_nest():
        NestedGeneration.wanted = True

    @app.post("/probe/keys")
    def probe_keys():
        written = io.BytesIO()
        np.savez(written, **KEYS)
        KEYS.clear()
        return {"npz": base64.b64encode(written.getvalue()).decode()}


script_callbacks.on_cfg_denoiser(watch)
script_callbacks.on_app_started(add_routes)
