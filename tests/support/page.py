"""A server of a page like a webui's, with the tab over saved maps, under the gradio that webuis have.

    python page.py FOLDER

FOLDER is as for serve.py; saved pictures go to FOLDER/outputs. The page copies the webui's txt2img results:
the same elem_ids in the same order, the same binding of buttons to tabs, and the functions of the webui's own
script.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.serve import free_port, put_into_the_page, replay

PROMPTS = ("a grid of both", "a boy wearing a red hat and his white cat", "another, in a saved style")
_WEBUI_SCRIPT = """
function selected_gallery_index() {
  return [...document.querySelectorAll("#txt2img_gallery .thumbnail-item.thumbnail-small")]
    .findIndex((one) => one.classList.contains("selected"));
}
function extract_image_from_gallery(images) {
  return [images[Math.max(0, images.length > 1 ? selected_gallery_index() : 0)] ?? null];
}
"""


def infotext(number: int) -> str:
    return f"{PROMPTS[number]}\nSteps: 4, Sampler: Euler a, Seed: {40 + number}, Size: 64x64"


def serve(folder: Path) -> Any:
    import vxa
    from vxa.ui.app import app_folder
    from vxa.ui.assets import asset

    written = app_folder()  # before gradio is imported
    from support.fake_host import FakeHost

    host = FakeHost(folder=folder)
    sys.modules.update(host.modules())
    import gradio as gr

    from vxa.ui.panel import panel
    from vxa.webui.host.files import image_infotext, save_picture
    from vxa.webui.host.send_to import keep_prompt, sending_of
    from vxa.webui.settings import pictures_folder

    script = f"{_WEBUI_SCRIPT}\n{asset('javascript/vxa.js').read_text('utf-8')}"
    put_into_the_page(script, asset("style.css").read_text("utf-8"))
    # The script must lie beside the package in use: for an installed one, this checkout is a second copy.
    buttons = sending_of(str(Path(vxa.__file__).resolve().parents[1] / "scripts" / "vxa_tab.py"))
    host.pasting.callbacks.append(keep_prompt)
    results = _results(gr, buttons, folder)
    tab = panel(
        replace(
            replay(folder),
            made=image_infotext,
            keep=lambda picture, made: save_picture(picture, made, pictures_folder()),
            keeps_all=lambda: (folder / "keep-all").exists(),
        ),
        written,
    )
    buttons.connect(tab)
    with gr.Blocks(title="a webui", analytics_enabled=False) as webui:
        for binding in host.pasting.bindings:
            _bind(gr, host, binding)
        with gr.Tabs(elem_id="tabs"):
            for name, blocks in (("txt2img", results), ("VXA", tab)):
                with gr.TabItem(name, elem_id=f"tab_{name.lower()}"):
                    blocks.render()
    webui.queue(64)
    webui.launch(
        server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True, share=False
    )  # fmt: skip
    return webui


def _results(gr: Any, buttons: Any, folder: Path) -> Any:
    """The results of txt2img: a grid, and its two images."""
    from PIL import Image

    shown = Image.open(sorted(folder.glob("*.png"))[0]).convert("RGB")
    images = [shown.resize((64 + 8 * number, 64)) for number in range(len(PROMPTS))]
    told = json.dumps({"index_of_first_image": 1, "infotexts": [infotext(n) for n in range(len(PROMPTS))]})

    def made(component: Any, elem_id: str) -> Any:
        buttons.add_component(component, elem_id=elem_id)
        return component

    with gr.Blocks(analytics_enabled=False) as blocks:
        gallery = gr.Gallery(value=images, elem_id="txt2img_gallery", columns=4, preview=True)
        made(gallery, "txt2img_gallery")
        with gr.Row():
            made(gr.Button("📐", elem_id="txt2img_send_to_extras"), "txt2img_send_to_extras")
        info = gr.Textbox(value=told, visible=False, elem_id="generation_info_txt2img")
        made(info, "generation_info_txt2img")
    return blocks


def _bind(gr: Any, host: Any, binding: Any) -> None:
    """Connect a button to a tab as the webui does: it pastes image and infotext, and switches to the tab."""
    tab = host.pasting.fields[binding.tabname]
    fields = [component for component, _ in tab["fields"]]

    def paste(text: str) -> list[Any]:
        got = host.pasting.pasted(binding.tabname, text)
        return [got.get(component.elem_id, gr.update()) for component in fields]

    from support.fake_host import image_from_url_text

    click = binding.paste_button.click
    click(
        image_from_url_text, binding.source_image_component, tab["init_img"],
        _js="extract_image_from_gallery", show_progress=False,
    )  # fmt: skip
    click(paste, binding.source_text_component, fields, show_progress=False)
    click(None, None, None, _js=f"recalculate_prompts_{binding.tabname}")
    click(None, None, None, _js=f"switch_to_{binding.tabname}")


if __name__ == "__main__":
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    served = serve(Path(sys.argv[1]))
    sys.stdout.write(f"{served.local_url}\n")
    sys.stdout.flush()
    sys.stdin.read()
