"""Server of the panel over saved maps, under the gradio of the Python that runs this file.

    python serve.py FOLDER

FOLDER holds maps (NAME.npz with NAME.json), and an image (NAME.png) beside those that are examples. The first
line printed is the address; the server stops when its standard input ends. Under gradio 6 it serves the app,
under an older one a page like a webui's: the panel in a tab, and its script and style inserted into the page
as webuis insert those of their extensions.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image

from vxa import AttentionMaps, Token, read_maps
from vxa.errors import PromptError
from vxa.ui.app import app_folder, start
from vxa.ui.assets import asset
from vxa.ui.backend import Backend, Example, Progress, site_labels

# Webuis define this function for their extensions' scripts.
_GRADIO_APP = """
function gradioApp() {
  const app = document.querySelector("gradio-app");
  return app === null ? document : app.shadowRoot || app;
}
"""


def replay(folder: Path) -> Backend:
    """Return a backend that answers each prompt with the maps saved for it."""
    saved = {maps.provenance.prompt: maps for maps in map(read_maps, sorted(folder.glob("*.npz")))}
    images = {path: read_maps(path.with_suffix(".npz")) for path in sorted(folder.glob("*.png"))}

    def of(prompt: str) -> AttentionMaps:
        if prompt not in saved:
            raise PromptError(f"there are no saved maps of {prompt!r}; there are: {'; '.join(saved)}")
        return saved[prompt]

    def tokenize(prompt: str) -> Sequence[Token]:
        return of(prompt).tokens

    def run(
        image: Image.Image,
        prompt: str,
        timestep: int,
        noise: str,
        seed: int,
        progress: Progress,
        refine: bool = False,
    ) -> AttentionMaps:
        progress(0.5, "replaying")
        return of(prompt)

    one = next(iter(saved.values()))
    return Backend(
        model=one.provenance.model,
        source=lambda name: "papercut",
        tokenize=tokenize,
        run=run,
        sites=site_labels(one.sites, one.default_sites, one.latent_size),
        examples=tuple(Example(path, maps.provenance.prompt) for path, maps in images.items()),
    )


def serve(folder: Path) -> Any:
    """Start the app that serves the panel, at its `local_url`."""
    if int(version("gradio").partition(".")[0]) >= 6:
        return start(lambda _: replay(folder), port=free_port())
    written = app_folder()  # before gradio is imported
    import gradio as gr

    from vxa.ui.panel import panel

    put_into_the_page(asset("javascript/vxa.js").read_text("utf-8"), asset("style.css").read_text("utf-8"))
    tab = panel(replay(folder), written)
    with gr.Blocks(title="a webui", analytics_enabled=False) as webui, gr.Tabs(), gr.TabItem("VXA"):
        tab.render()
    webui.queue(64)
    webui.launch(
        server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True, share=False
    )  # fmt: skip
    return webui


def free_port() -> int:
    """Find a free port; call this just before the port is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def put_into_the_page(script: str, style: str) -> None:
    """Insert the script at the end of the head of gradio's page, and the style at the end of its body."""
    from gradio import routes

    respond = routes.templates.TemplateResponse

    def respond_with_both(*arguments: Any, **named: Any) -> Any:
        response = respond(*arguments, **named)
        page = response.body.decode().replace("</head>", f"<script>{_GRADIO_APP}{script}</script></head>", 1)
        response.body = page.replace("</body>", f"<style>{style}</style></body>", 1).encode()
        response.init_headers()
        return response

    routes.templates.TemplateResponse = respond_with_both


if __name__ == "__main__":
    served = serve(Path(sys.argv[1]))
    sys.stdout.write(f"{served.local_url}\n")
    sys.stdout.flush()
    sys.stdin.read()
