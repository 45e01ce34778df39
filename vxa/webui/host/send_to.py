"""VXA in the rest of the webui's page: "Send to VXA" buttons beside its images, and the tab's paste fields.

    send_buttons = sending_of(__file__)
    script_callbacks.on_after_component(send_buttons.add_component)   # builds a button beside the webui's own
    script_callbacks.on_infotext_pasted(keep_prompt)
    send_buttons.connect(tab)                                         # before the webui connects its buttons

The webui's own "Send to" copies the current prompt of txt2img. VXA needs the prompt of the image, and the
user may have typed another one since. So a button first writes the image's infotext into a hidden box, then
presses a hidden button that the webui itself has bound: it sends the image and the box, and switches to the
tab.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from modules import images, infotext_utils, shared
from modules.ui_components import ToolButton

from vxa.io.infotext import parse_infotext
from vxa.ui.anchor import anchor_of
from vxa.ui.compat import listen
from vxa.ui.recorded import ENTRIES, recorded
from vxa.webui import strings
from vxa.webui.installed import problem

__all__ = ["SendButtons", "keep_prompt", "sending_of"]

_TAB = "vxa"
_PROMPT = "VXA prompt"
_NOTHING = "\n"  # for an empty text the webui pastes its last generation


@dataclass(frozen=True)
class Source:
    """A part of the webui's page that shows images, by the elem_ids of its components.

    Attributes:
        name: the name of the part.
        image: the component that shows the image or the images.
        beside: the button after which VXA's is placed.
        text: the component that holds the infotexts; blank if only the image file has one.
    """

    name: str
    image: str
    beside: str
    text: str = ""

    @property
    def parts(self) -> list[str]:
        """The elem_ids of all its components."""
        return [part for part in (self.image, self.beside, self.text) if part]


SOURCES = (
    Source("txt2img", "txt2img_gallery", "txt2img_send_to_extras", "generation_info_txt2img"),
    Source("img2img", "img2img_gallery", "img2img_send_to_extras", "generation_info_img2img"),
    Source("extras", "extras_gallery", "extras_send_to_extras"),
    Source("pnginfo", "pnginfo_image", "extras_tab", "pnginfo_generation_info"),
)
_PARTS = {part: source for source in SOURCES for part in source.parts}


@dataclass
class SendButtons:
    """The "Send to VXA" buttons of one page that the webui builds.

    Attributes:
        enabled: whether to add any: False for a copy of the extension that cannot be used.
    """

    enabled: bool = True
    _components: dict[str, Any] = field(default_factory=dict)

    def add_component(self, component: Any, **settings: Any) -> None:
        """Note a component that the webui has just built, and add the button that belongs after it."""
        name = str(settings.get("elem_id"))
        source = _PARTS.get(name)
        # An extension may build an "extras_tab" of its own; only the first one counts.
        if source is None or name in self._components or not self._has_tab():
            return
        self._components[name] = component
        if name == source.beside:
            self._add_button(source)
        if all(part in self._components for part in source.parts):
            self._connect_button(source)

    def _add_button(self, source: Source) -> None:
        """Add the button, and the hidden box and button that it uses."""
        settings = {"elem_id": f"{source.name}_send_to_vxa", "tooltip": strings.SEND}
        if source.beside.endswith("_tab"):  # the PNG Info page has text on its buttons
            button = gr.Button(strings.SEND_TO, **settings)
        else:
            button = ToolButton("🔎", **settings)
        self._components[f"{source.name} button"] = button
        box = gr.Textbox(visible=False, elem_id=f"vxa_infotext_{source.name}")
        self._components[f"{source.name} box"] = box
        paste = gr.Button(visible=False, elem_id=f"vxa_paste_{source.name}")
        self._components[f"{source.name} paste"] = paste

    def _connect_button(self, source: Source) -> None:
        """Make the button write the selected image's infotext into the box, then press the hidden button."""
        image, box = self._components[source.image], self._components[f"{source.name} box"]
        text = self._components.get(source.text, box)
        click = listen(
            self._components[f"{source.name} button"].click, _text_of, [image, text, box], [box],
            js="vxaChosen", queue=False, show_progress="hidden",
        )  # fmt: skip
        listen(click.then, None, None, None, js=f"() => vxaPress('vxa_paste_{source.name}')")

    def connect(self, tab: gr.Blocks) -> None:
        """Register the tab's paste fields and bind the hidden buttons; do nothing if the tab is hidden."""
        if not self._has_tab():
            return
        controls = {getattr(one, "elem_id", None): one for one in tab.blocks.values()}
        fields = [(controls["vxa_prompt"], lambda entries: entries.get(_PROMPT) or None)]
        fields += [(controls["vxa_anchor"], _anchor)]
        fields += [(controls[entry.control], _reader(entry.control)) for entry in ENTRIES]
        infotext_utils.add_paste_fields(_TAB, controls["vxa_image"], fields)
        for source in SOURCES:
            if all(part in self._components for part in source.parts):
                infotext_utils.register_paste_params_button(
                    infotext_utils.ParamBinding(
                        paste_button=self._components[f"{source.name} paste"],
                        tabname=_TAB,
                        source_text_component=self._components[f"{source.name} box"],
                        source_image_component=self._components[source.image],
                    )
                )

    def _has_tab(self) -> bool:
        """Return whether the page has the tab, which the user may hide in the settings."""
        return self.enabled and strings.TAB not in shared.opts.hidden_tabs


def sending_of(script: str) -> SendButtons:
    """Return the buttons for the page that is built next; `script` is a file of the extension."""
    return SendButtons(not problem(script))


def keep_prompt(infotext: str, entries: dict[str, Any]) -> None:
    """Store the infotext's own prompt: the webui removes the text of saved styles from its copy."""
    parsed = parse_infotext(infotext)
    entries[_PROMPT] = parsed.prompt if parsed else ""


def _reader(control: str) -> Callable[[dict[str, Any]], Any]:
    """Return the function that reads a control's value from pasted entries; None keeps its value."""

    def read(entries: dict[str, Any]) -> Any:
        if not entries.get(_PROMPT):  # the image has no infotext
            return None
        used = {name: value for name, value in entries.items() if name != "Seed" or shared.opts.send_seed}
        return recorded(used).get(control)

    return read


def _anchor(entries: dict[str, Any]) -> str | None:
    """Say that the token indices are of the pasted prompt; None where none is pasted."""
    prompt = entries.get(_PROMPT)
    return anchor_of(prompt) if prompt else None


def _text_of(image: Any, text: Any, index: Any) -> str:
    """Return the selected image's infotext, from the page or else from the image file."""
    for read, arguments in ((_text_on_page, (text, index)), (_text_in_image, (image,))):
        try:
            infotext: str = read(*arguments)
        except Exception:  # no text at the index; an image that is gone or must not be read
            continue
        if parse_infotext(infotext):
            return infotext
    return _NOTHING


def _text_in_image(image: Any) -> str:
    """Read the infotext of a gallery's item from its file."""
    text, _ = images.read_info_from_image(infotext_utils.image_from_url_text(image))
    return text or ""


def _text_on_page(content: Any, index: Any) -> str:
    """Return the box's text itself; or, of the JSON that a generation leaves, the infotext at the index."""
    text = str(content or "")
    try:
        listed = json.loads(text)
    except ValueError:
        return text
    return str(listed["infotexts"][max(0, int(index))])
