"""A fake webui for lifecycle tests: what VXA uses of its modules, over tiny models of real ldm code.

Each stand-in does what AUTOMATIC1111's 1.10.1 does for one user at a time; `events` records the order.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import re
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

WORDS = ("<start>", "<end>", "a</w>", "hat</w>", "neck</w>", "red</w>", ",</w>", "neck", "erchief</w>")


class TextModel:
    """A text encoder with the webui's chunks over a vocabulary of whole words."""

    id_start, id_end, id_pad = 0, 1, 1

    def __init__(self) -> None:
        self.tokenizer = SimpleNamespace(convert_ids_to_tokens=lambda token: WORDS[token])

    def process_texts(self, texts: list[str]) -> tuple[list[list[Any]], int]:
        return [self._chunks(text) for text in texts], 75

    def _chunks(self, text: str) -> list[Any]:
        ids, weights = [], []
        for word in re.findall(r"[^\s,]+|,", text):
            weighted = re.fullmatch(r"\((\w+):([\d.]+)\)", word)
            ids.append(WORDS.index(f"{weighted[1] if weighted else word}</w>"))
            weights.append(float(weighted[2]) if weighted else 1.0)
        starts = range(0, max(1, len(ids)), 75)
        return [_chunk(ids[start : start + 75], weights[start : start + 75]) for start in starts]


def _chunk(ids: list[int], weights: list[float]) -> Any:
    rest = 76 - len(ids)
    return SimpleNamespace(
        tokens=[0, *ids, *[1] * rest], multipliers=[1.0, *weights, *[1.0] * rest], fixes=[]
    )


class Lock:
    """The queue's lock: not re-entrant; `held` tells whether it is locked, `taken` counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.taken = 0

    @property
    def held(self) -> bool:
        return self._lock.locked()

    def __enter__(self) -> None:
        assert self._lock.acquire(timeout=60), "the queue's lock was never released"
        self.taken += 1

    def __exit__(self, *error: object) -> None:
        self._lock.release()


@dataclass
class State:
    """modules.shared.state: the job that the user sees, and Interrupt."""

    events: list[str]
    interrupted: bool = False
    skipped: bool = False
    stopping_generation: bool = False
    job_count: int = 0
    job: str = ""
    sampling_steps: int = 20
    sampling_step: int = 0
    textinfo: str | None = None
    current_latent: Any = None
    current_image: Any = None
    current_image_sampling_step: int = 0

    def assign_current_image(self, image: Image.Image) -> None:
        self.current_image = image

    def begin(self, job: str) -> None:
        self.interrupted = self.skipped = False
        self.job = job
        self.job_count = -1
        self.sampling_step = 0
        self.textinfo = None
        self.events.append(f"begin {job}")

    def end(self) -> None:
        self.job = ""
        self.job_count = 0
        self.events.append("end")


@dataclass
class Tasks:
    """modules.progress: waiting, current and finished tasks."""

    pending_tasks: dict[str, float] = field(default_factory=dict)
    current_task: str | None = None
    finished_tasks: list[str] = field(default_factory=list)

    def add_task_to_queue(self, task: str) -> None:
        self.pending_tasks[task] = 0.0

    def start_task(self, task: str) -> None:
        self.current_task = task
        self.pending_tasks.pop(task, None)

    def finish_task(self, task: str) -> None:
        if self.current_task == task:
            self.current_task = None
        self.finished_tasks.append(task)


@dataclass
class FakeHost:
    """One webui. `model` is the loaded model; `chosen` loads the dropdown's choice for the next job."""

    model: Any = None
    chosen: Callable[[], Any] | None = None
    events: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    tasks: Tasks = field(default_factory=Tasks)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    folder: Path = Path("/nonexistent")

    def __post_init__(self) -> None:
        self.state = State(self.events)
        self.opts = SimpleNamespace(
            use_old_emphasis_implementation=False, tiling=False, hidden_tabs=[], send_seed=True,
            samples_format="png", use_old_scheduling=False, overlay_inpaint=True, enable_pnginfo=True,
            live_previews_enable=True, show_progress_every_n_steps=2,
        )  # fmt: skip
        self.comments: list[str] = []
        self.flags = SimpleNamespace(
            embeddings_dir="/nonexistent", api=True, nowebui=False, api_auth=None, hide_ui_dir_config=False
        )
        self.pasting = Pasting(self)
        self.checkpoints: dict[str, Any] = {}
        self.scripts: list[Any] = []

    def reload_model_weights(self) -> Any:
        assert self.lock.held, "a model was loaded without the queue's lock"
        if self.chosen is not None:
            self.events.append("load")
            chosen, self.chosen = self.chosen, None
            self.model = None
            self.model = chosen()
        return self.model

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        self.events.append("autocast")
        yield

    def activate(self, generation: Any, named: dict[str, Any]) -> None:
        assert self.lock.held
        self.events.append(f"networks {','.join(named) or 'none'}")

    def save_image(
        self, image: Image.Image, path: str, basename: str, seed: int | None = None,
        prompt: str | None = None, extension: str = "png", info: str = "", p: Any = None,
        forced_filename: str | None = None, suffix: str = "", save_to_dirs: bool | None = None,
    ) -> tuple[str, None]:  # fmt: skip
        """Save as [seed]-[prompt_spaces] in a folder of the day, by way of a temporary file."""
        if forced_filename is not None:
            assert save_to_dirs is False
            full = Path(path, f"{forced_filename}.{extension}")
        else:
            folder = Path(path, "2026-01-31")
            folder.mkdir(parents=True, exist_ok=True)
            words = re.sub(r'[#<>:"/\\|?*\n\r\t]', "_", str(prompt))[:128]
            number = len(list(folder.iterdir()))
            full = folder / f"{basename}{number:05}-{seed}-{words}{suffix}.{extension}"
        told = PngInfo()
        told.add_text("parameters", info)
        image.save(full.with_suffix(".tmp"), format="PNG", pnginfo=told)
        os.replace(full.with_suffix(".tmp"), full)
        image.already_saved_as = str(full)
        return str(full), None

    def modules(self) -> dict[str, ModuleType]:
        """The entries that sys.modules must hold."""
        host = self
        parts: dict[str, dict[str, Any]] = {
            "call_queue": {"queue_lock": self.lock},
            "devices": {
                "device": self.device, "unet_needs_upcast": False, "autocast": self.autocast,
                "without_autocast": contextlib.nullcontext,
            },
            "extra_networks": {
                "parse_prompt": parse_prompt, "activate": self.activate,
                "deactivate": lambda generation, named: self.events.append("no networks"),
            },
            "images": {
                "save_image": self.save_image, "read_info_from_image": read_info_from_image,
            },
            "infotext_utils": {
                "ParamBinding": binding, "add_paste_fields": self.pasting.add_paste_fields,
                "register_paste_params_button": self.pasting.bindings.append,
                "image_from_url_text": image_from_url_text, "quote": json.dumps,
            },
            "lowvram": {"send_everything_to_cpu": lambda: self.events.append("to cpu")},
            "paths_internal": {"default_output_dir": str(self.folder / "outputs")},
            "processing": {"StableDiffusionProcessingTxt2Img": SimpleNamespace},
            "progress": {
                name: getattr(self.tasks, name) for name in ("add_task_to_queue", "start_task", "finish_task")
            },
            "prompt_parser": {
                "SdConditioning": conditioning_list, "get_multicond_prompt_list": split_and,
                "get_learned_conditioning_prompt_schedules": schedules,
            },
            "scripts": {"Script": Script, "AlwaysVisible": object(), "scripts_data": self.scripts},
            "sd_samplers": {"find_sampler_config": lambda name: None, "sample_to_image": first_of_batch},
            "script_callbacks": {
                name: lambda build, name=name: self.events.append(name)
                for name in (
                    "on_ui_settings", "on_after_component", "on_infotext_pasted", "on_ui_tabs",
                    "on_app_started",
                )
            },
            "sd_hijack": {"model_hijack": SimpleNamespace(
                comments=self.comments, clear_comments=self.comments.clear, apply_circular=lambda on: None,
            )},
            "sd_models": {
                "reload_model_weights": self.reload_model_weights, "model_data": Peek(self),
                "checkpoints_list": self.checkpoints,
            },
            "shared": {
                "OptionInfo": lambda *given, **named: SimpleNamespace(given=given, **named),
                "state": self.state, "opts": self.opts,
                "cmd_opts": self.flags,
            },
            "ui_components": {"ToolButton": tool_button},
            "util": {"truncate_path": lambda path: path},
        }  # fmt: skip
        made = {"modules": ModuleType("modules")}
        for name, content in parts.items():
            made[f"modules.{name}"] = ModuleType(f"modules.{name}")
            vars(made[f"modules.{name}"]).update(content)
            setattr(made["modules"], name, made[f"modules.{name}"])
        # shared.sd_model is a property, as in the webui.
        made["modules.shared"].__class__ = type(
            "Shared", (ModuleType,), {"sd_model": property(lambda module: host.model)}
        )
        return made


class Script:
    """modules.scripts.Script."""

    filename = ""
    infotext_fields: Any = None

    def elem_id(self, name: str) -> str:
        return f"script_txt2img_vxa_{name}"


@dataclass
class Peek:
    """modules.sd_models.model_data."""

    host: FakeHost

    @property
    def sd_model(self) -> Any:
        return self.host.model


def first_of_batch(latents: torch.Tensor) -> Image.Image:
    """The live preview of the batch's first latent."""
    grey = (latents[0].mean(0).clamp(-1, 1) * 127 + 128).byte().numpy()
    return Image.fromarray(grey).convert("RGB")


def read_info_from_image(image: Image.Image) -> tuple[str | None, dict[str, Any]]:
    rest = dict(image.info)
    return rest.pop("parameters", None), rest


def image_from_url_text(given: Any) -> Image.Image | None:
    """The image of a gallery's item: a file that gradio serves, or base64."""
    item = given[0] if isinstance(given, list) else given
    if isinstance(item, dict):
        assert Path(tempfile.gettempdir()) in Path(item["name"]).resolve().parents, "outside of the folders"
        with Image.open(item["name"].partition("?")[0]) as image:
            image.load()
        return image
    return Image.open(io.BytesIO(base64.b64decode(item.partition(",")[2])))


def tool_button(symbol: str, **settings: Any) -> Any:
    import gradio as gr

    return gr.Button(symbol, elem_classes=["tool"], **_without_tooltip(settings))


def _without_tooltip(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that gradio itself knows: `tooltip` is the webui's own, handled by its patch of gradio."""
    return {name: value for name, value in settings.items() if name != "tooltip"}


def binding(**named: Any) -> Any:
    return SimpleNamespace(**named)


class Pasting:
    """modules.infotext_utils: the paste fields of each tab, and the buttons that paste into them."""

    def __init__(self, host: FakeHost) -> None:
        self.host = host
        self.fields: dict[str, dict[str, Any]] = {}
        self.bindings: list[Any] = []
        self.callbacks: list[Callable[[str, dict[str, Any]], None]] = []

    def add_paste_fields(self, tab: str, init_img: Any, fields: list[Any]) -> None:
        self.fields[tab] = {"init_img": init_img, "fields": fields}

    def parsed(self, text: str) -> dict[str, Any]:
        """The entries of a pasted text: with defaults of a generation, and without saved styles."""
        *lines, last = text.strip().split("\n")
        told = dict(re.findall(r'(\w[\w ]+): ("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)', last))
        told = {name: json.loads(value) if value[:1] == '"' else value for name, value in told.items()}
        told.update({"Prompt": "\n".join(lines).replace(", in a saved style", ""), "Clip skip": "1"})
        for callback in self.callbacks:
            callback(text, told)
        return told

    def pasted(self, tab: str, text: str) -> dict[str, Any]:
        """The new value of each of the tab's fields, by elem_id; unchanged fields are left out."""
        if not text:
            text = "the last generation\nSteps: 1, Sampler: Euler, Seed: 99"  # params.txt
        told = self.parsed(text)
        got = {one.elem_id: key(told) for one, key in self.fields[tab]["fields"]}
        return {name: value for name, value in got.items() if value is not None}


def parse_prompt(prompt: str) -> tuple[str, dict[str, list[Any]]]:
    named: dict[str, list[Any]] = defaultdict(list)
    for kind, given in re.findall(r"<(\w+):([^>]+)>", prompt):
        named[kind].append(SimpleNamespace(items=given.split(":")))
    return re.sub(r"<(\w+):([^>]+)>", "", prompt), named


def split_and(prompts: list[str]) -> tuple[list[list[tuple[int, float]]], list[str], None]:
    flat: list[str] = []
    indices = []
    for prompt in prompts:
        parts = prompt.split(" AND ")
        flat += [part for part in dict.fromkeys(parts) if part not in flat]
        indices.append([(flat.index(part), 1.0) for part in parts])
    return indices, flat, None


def schedules(
    prompts: list[str], steps: int, hires_steps: int | None = None, old: bool = False
) -> list[list[tuple[int, str]]]:
    return [_schedule(prompt, steps if hires_steps is None else hires_steps) for prompt in prompts]


def _schedule(prompt: str, steps: int) -> list[tuple[int, str]]:
    edit = re.search(r"\[(\w+):(\w+):[\d.]+\]", prompt)
    if edit is None:
        return [(steps, prompt)]
    return [(steps // 2, prompt.replace(edit[0], edit[1])), (steps, prompt.replace(edit[0], edit[2]))]


def conditioning_list(prompts: list[str], width: int, height: int) -> Any:
    return SimpleNamespace(prompts=prompts, width=width, height=height)


def as_the_webui_has_it(model: Any, name: str, channels: int = 16) -> Any:
    """A model of ldm code with the webui's additions: text encoder, checkpoint info, conditioning."""

    def learned(asked: Any) -> torch.Tensor:
        (text,) = asked.prompts
        generator = torch.Generator().manual_seed(sum(map(ord, text)))
        chunks = len(model.cond_stage_model.process_texts([text])[0][0])
        return torch.randn(1, 77 * chunks, channels, generator=generator)

    model.__dict__["cond_stage_model"] = TextModel()
    model.__dict__["get_learned_conditioning"] = learned
    model.sd_checkpoint_info = SimpleNamespace(name_for_extra=name, metadata={})
    model.lowvram = False
    return model
