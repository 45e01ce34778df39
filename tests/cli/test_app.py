"""`vxa app` as a process of its own, with the embedded model: how it begins, and that nothing stays of it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("gradio", reason='gradio is not installed: pip install ".[app]"')

from vxa.cli.app import _end_as_by_ctrl_c as end_as_by_ctrl_c

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(folder: Path) -> dict[str, str]:
    """The environment with `folder` for temporary files, by the names that the systems have for it."""
    return os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder)) | {"OMP_NUM_THREADS": "1"}


def start(folder: Path, host: str) -> tuple[subprocess.Popen[str], int]:
    """The app, when it has said its address; its temporary folder is below `folder`."""
    port = free_port()
    command = [sys.executable, "-m", "vxa", "app", "--port", str(port), "--host", host]
    app = subprocess.Popen(
        command, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # Whoever runs the tests in the background has the app ignore Ctrl+C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert app.stdout
    assert app.stdout.readline().startswith("VXA is at http://")
    return app, port


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process could catch")
@pytest.mark.parametrize(
    ("number", "host", "warned"), [(signal.SIGTERM, "127.0.0.1", False), (signal.SIGINT, "0.0.0.0", True)]
)
def test_the_app_serves_and_leaves_nothing_behind(tmp_path: Path, number: int, host: str, warned: bool):
    app, port = start(tmp_path, host)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
        assert page.status == 200
    assert len(list(tmp_path.glob("vxa-*"))) == 1
    app.send_signal(number)
    _, said = app.communicate(timeout=300)
    assert app.returncode == 0, said
    assert not list(tmp_path.glob("vxa-*"))
    assert (
        f"--host {host} lets everyone who can reach this machine use the page on port {port}" in said
    ) == warned


@pytest.mark.parametrize("number", [signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)])
def test_signals_that_end_a_process_interrupt_it(number: int) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, number)}
    try:
        end_as_by_ctrl_c()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_each_system_has_signals_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = {"SIGTERM": signal.SIG_DFL, "SIGBREAK": signal.SIG_DFL}
    names = {name: name for name in handlers}
    windows = SimpleNamespace(
        **names, SIG_IGN=signal.SIG_IGN, default_int_handler=signal.default_int_handler,
        getsignal=handlers.get, signal=handlers.__setitem__,
    )  # fmt: skip
    monkeypatch.setattr("vxa.cli.app.signal", windows)
    end_as_by_ctrl_c()
    assert handlers == dict.fromkeys(names, signal.default_int_handler)
    handlers["SIGTERM"] = signal.SIG_IGN  # as nohup does with SIGHUP
    end_as_by_ctrl_c()
    assert handlers["SIGTERM"] is signal.SIG_IGN


def test_an_address_that_is_taken_is_refused_in_one_line(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "vxa", "app", "--port", str(port), "--host", "0.0.0.0"]
        app = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert (app.returncode, app.stdout) == (2, "")
    assert re.fullmatch(rf"vxa: port {port} of 0.0.0.0 cannot be used; [^\n]+\n", app.stderr), app.stderr
    assert not list(tmp_path.glob("vxa-*"))
