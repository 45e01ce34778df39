"""An existing webui, started with its own folder and Python and a data folder of the tests.

    pytest -m webui tests/webui --webui ~/stable-diffusion-webui

Nothing is written to the installation: checkpoints, settings, outputs and the extensions (a link to this
checkout, and the tests' own probe) are in the data folder.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import random
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support import ROOT
from support.networks import write_networks
from vxa import AttentionMaps, read_maps

PROJECT = ROOT
FIGURE = PROJECT / "examples" / "figure.png"
PROMPT = "a boy wearing a red hat and his white cat"
CLOSE = {"atol": 1e-3, "rtol": 0.0}
PATIENCE = 1800  # seconds: the tests measure no times, and machines may be busy
FLAGS = (
    "--skip-prepare-environment", "--skip-install", "--skip-python-version-check", "--skip-version-check",
    "--skip-torch-cuda-test", "--no-half", "--use-cpu", "all", "--no-download-sd-model", "--api",
)  # fmt: skip


@dataclass(frozen=True)
class Webui:
    """A running webui: its address, data folder, process id, and its user and password."""

    address: str
    data: Path
    process: int = 0
    user: str = "tester:secret"

    @property
    def outputs(self) -> Path:
        """Its outputs folder, which 1.8.0 calls output."""
        newer = self.data / "outputs"
        return newer if newer.is_dir() else self.data / "output"

    def ask(self, path: str, body: Any = None, user: str | None = user) -> Any:
        """Send a request and return the JSON answer. Raises urllib.error.HTTPError if it is refused."""
        request = urllib.request.Request(
            f"{self.address}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        if user is not None:
            request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def choose(self, checkpoint: str) -> None:
        """Choose a checkpoint, as the list at the top of the page does."""
        self.ask("sdapi/v1/options", {"sd_model_checkpoint": checkpoint})

    @contextmanager
    def options(self, **chosen: Any) -> Iterator[None]:
        """Set options of the webui for a block."""
        before = {name: self.ask("sdapi/v1/options")[name] for name in chosen}
        self.ask("sdapi/v1/options", chosen)
        try:
            yield
        finally:
            self.ask("sdapi/v1/options", before)

    def look(self, image: Path, prompt: str, **settings: Any) -> AttentionMaps:
        """Return the maps of VXA's own API."""
        given = base64.b64encode(image.read_bytes()).decode()
        answer = self.ask("vxa/v1/visualize", {"image": given, "prompt": prompt, "npz": True, **settings})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "maps.npz")
            path.write_bytes(base64.b64decode(answer["npz"]))
            path.with_suffix(".json").write_text(answer["json"], "utf-8")
            return read_maps(path)

    def txt2img(self, **settings: Any) -> Image.Image:
        """Generate a small image."""
        wanted = {"prompt": "a red hat", "seed": 1, "steps": 4, "width": 192, "height": 192, **settings}
        made = self.ask("sdapi/v1/txt2img", wanted)
        return Image.open(io.BytesIO(base64.b64decode(made["images"][0])))

    def keys(self) -> dict[str, np.ndarray]:
        """Return each cross-attention layer's keys [tokens, channels] in the last generation's last step."""
        with np.load(io.BytesIO(base64.b64decode(self.ask("probe/keys", {})["npz"]))) as kept:
            return dict(kept)


@contextmanager
def started(
    folder: Path,
    python: Path,
    data: Path,
    flags: Sequence[str] = (),
    python_path: str = "",
    half: bool = False,
) -> Iterator[Webui]:
    """Run the webui of `folder` for a block, in `half` or single precision; its log is in `data`."""
    port = _free_port()
    place = ["--data-dir", str(data), "--port", str(port), "--api-auth", Webui.user]
    usual = [flag for flag in FLAGS if not (half and flag == "--no-half")]
    command = [str(python), "launch.py", *usual, *place, *flags]
    (data / "tmp").mkdir(exist_ok=True)
    own = {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": python_path,
        "TMPDIR": str(data / "tmp"),
    }
    environment = {**os.environ, **own}
    log = data / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            webui = Webui(f"http://127.0.0.1:{port}/", data, process.pid)
            _wait_until_answering(webui, process, log)
            yield webui
        finally:
            process.terminate()
            process.wait(60)


def _free_port() -> int:
    """Find a free port outside the system's ephemeral range: a webui binds its port minutes later."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def _wait_until_answering(webui: Webui, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for its log to say that it has started: a request while it builds its API would crash it."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        if process.poll() is not None:
            pytest.fail(f"the webui ended with {process.returncode}: {log.read_text('utf-8')[-2000:]}")
        if "Startup time: " in log.read_text("utf-8"):
            webui.ask("sdapi/v1/sd-models")
            return
        time.sleep(1)
    pytest.fail(f"the webui does not answer: {log.read_text('utf-8')[-2000:]}")


def data_folder(folder: Path) -> Path:
    """Make a data folder with papercut, a second checkpoint of uniform attention, and the extension."""
    from vxa.models.ldm.checkpoint import write_checkpoint

    models = models_folder(folder)
    models.mkdir(parents=True)
    checkpoint = write_checkpoint(models)
    _write_blind(checkpoint)
    write_networks(folder, checkpoint)
    add_probe(folder)
    (folder / "extensions" / "vxa").symlink_to(PROJECT, target_is_directory=True)
    return folder


def add_probe(data: Path) -> None:
    """Install the tests' own extension, which also lets the server start on a busy machine."""
    (data / "extensions").mkdir(exist_ok=True)
    probe = Path(__file__).with_name("probe")
    (data / "extensions" / "probe").symlink_to(probe, target_is_directory=True)


def models_folder(data: Path) -> Path:
    """Return the checkpoints' folder of a data folder."""
    return data / "models" / "Stable-diffusion"


def _write_blind(checkpoint: Path) -> None:
    """Write papercut with keys of zero: each place attends equally to all 77 tokens."""
    from safetensors.torch import load_file, save_file

    weights = load_file(checkpoint)
    for name, weight in weights.items():
        if name.endswith("attn2.to_k.weight"):
            weight.zero_()
    save_file(weights, checkpoint.with_name("blind.safetensors"))
    checkpoint.with_name("blind.yaml").write_text(checkpoint.with_suffix(".yaml").read_text("utf-8"), "utf-8")


def open_tab(page: Any) -> None:
    """Go to the VXA tab of the webui's page."""
    page.click("#tabs > .tab-nav button:has-text('VXA')")
    page.wait_for_selector("#vxa_prompt textarea", state="visible")


def reload_ui(page: Any, webui: Webui) -> None:
    """Reload UI. The page is blank meanwhile: its requests would crash the webui while it builds its API."""
    log = webui.data / "log.txt"

    def wait_for(said: str, count: int) -> None:
        give_up = time.monotonic() + PATIENCE
        while log.read_text("utf-8").count(said) <= count:
            assert time.monotonic() < give_up, said
            time.sleep(0.2)

    before = [log.read_text("utf-8").count(said) for said in ("Restarting UI", "Startup time: ")]
    page.click("#footer a:has-text('Reload UI')")
    wait_for("Restarting UI", before[0])
    page.goto("about:blank")
    wait_for("Startup time: ", before[1])
    page.goto(webui.address, wait_until="domcontentloaded")
    page.wait_for_selector("#txt2img_prompt textarea", state="visible")


def values(maps: AttentionMaps, word: str = "hat") -> dict[str, np.ndarray]:
    """Return the map of a word at every site, by the site's label."""
    return {site.label: maps.heat_map(word, sites=site.label).values for site in maps.sites}


def assert_the_same(found: AttentionMaps, wanted: AttentionMaps, word: str = "hat") -> None:
    """Assert that both have the same sites, and at each of them the same map of the word."""
    expected = values(wanted, word)
    assert [site.label for site in found.sites] == list(expected)
    for label, one in values(found, word).items():
        np.testing.assert_allclose(one, expected[label], err_msg=label, **CLOSE)
    assert max(float(np.ptp(one)) for one in expected.values()) > 0.01  # a flat map would be no test


def refusal(work: Any) -> tuple[int, str]:
    """Return the status and the message with which the webui refuses a request."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        work()
    with refused.value as answer:
        return answer.code, json.load(answer)["detail"]


def value(page: Any, name: str) -> str:
    """Return the value of a box of the page."""
    found: str = page.input_value(f"#{name} textarea, #{name} input")
    return found


def wait_for_value(page: Any, name: str, wanted: str) -> None:
    """Wait until a box has this value."""
    page.wait_for_function(
        "([name, wanted]) => document.querySelector(`#${name} textarea, #${name} input`).value === wanted",
        arg=[name, wanted],
    )


def look(page: Any, image: Path = FIGURE, prompt: str = PROMPT) -> str:
    """Enter image and prompt, press the button, wait for the picture's summary and return it."""
    give(page, image)
    page.fill("#vxa_prompt textarea", prompt)
    page.wait_for_selector("#vxa_tokens .vxa-chip-word")
    return press(page)


def give(page: Any, image: Path) -> None:
    if page.locator("#vxa_image button[aria-label='Clear']").count():
        page.click("#vxa_image button[aria-label='Clear']")
    page.set_input_files("#vxa_image input[type=file]", image)
    page.wait_for_selector("#vxa_image img")


def press(page: Any) -> str:
    before = page.inner_text("#vxa_summary")
    page.click("#vxa_press")
    page.wait_for_function(
        "said => document.querySelector('#vxa_summary').innerText !== said"
        " || document.querySelector('#vxa_message [role=alert]')",
        arg=before,
    )
    return str(page.inner_text("#vxa_summary"))
