"""VXA in the rest of the webui's page: buttons beside its images, and what pasting fills in the tab.

    sending = sending_of(__file__)
    script_callbacks.on_after_component(sending.meet)      # a button is made beside the webui's own
    script_callbacks.on_infotext_pasted(keep_prompt)
    sending.connect(tab)                                   # before the webui connects its buttons

The webui's own "Send to" copies the prompt that stands in txt2img now; here it is the prompt of the image,
for a person may have typed another since. So a button first writes the image's infotext into a hidden box,
and then presses a hidden button that the webui itself has bound: image, box, and the switch to the tab.
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
from vxa.ui.compat import listen
from vxa.ui.recorded import ENTRIES, recorded
from vxa.webui import strings
from vxa.webui.installed import problem

__all__ = ["Sending", "keep_prompt", "sending_of"]

_TAB = "vxa"
_PROMPT = "VXA prompt"
_NOTHING = "\n"  # for a blank text the webui pastes its last generation


@dataclass(frozen=True)
class Source:
    """A place in the webui's page that shows images, by the elem_ids of its components.

    Attributes:
        name: of the place.
        image: what shows the image or the images.
        beside: the button that ours is put behind.
        text: what holds the infotexts; blank where only the image itself tells.
    """

    name: str
    image: str
    beside: str
    text: str = ""

    @property
    def parts(self) -> list[str]:
        """All that there are."""
        return [part for part in (self.image, self.beside, self.text) if part]


SOURCES = (
    Source("txt2img", "txt2img_gallery", "txt2img_send_to_extras", "generation_info_txt2img"),
    Source("img2img", "img2img_gallery", "img2img_send_to_extras", "generation_info_img2img"),
    Source("extras", "extras_gallery", "extras_send_to_extras"),
    Source("pnginfo", "pnginfo_image", "extras_tab", "pnginfo_generation_info"),
)
_PARTS = {part: source for source in SOURCES for part in source.parts}


@dataclass
class Sending:
    """The buttons of one building of the webui's page.

    Attributes:
        wanted: whether there are to be any: not of a copy of the extension that cannot be used.
    """

    wanted: bool = True
    _met: dict[str, Any] = field(default_factory=dict)

    def meet(self, component: Any, **settings: Any) -> None:
        """Take note of a component that was just made, and make the button that belongs behind it."""
        name = str(settings.get("elem_id"))
        source = _PARTS.get(name)
        if source is None or name in self._met or not self._is_shown():  # others make an extras_tab, too
            return
        self._met[name] = component
        if name == source.beside:
            self._make(source)
        if all(part in self._met for part in source.parts):
            self._wire(source)

    def _make(self, source: Source) -> None:
        """The button, and the hidden box and button that stand behind it."""
        settings = {"elem_id": f"{source.name}_send_to_vxa", "tooltip": strings.SEND}
        if source.beside.endswith("_tab"):  # the PNG Info page has words on its buttons
            button = gr.Button(strings.SEND_TO, **settings)
        else:
            button = ToolButton("🔎", **settings)
        self._met[f"{source.name} button"] = button
        self._met[f"{source.name} box"] = gr.Textbox(visible=False, elem_id=f"vxa_infotext_{source.name}")
        self._met[f"{source.name} paste"] = gr.Button(visible=False, elem_id=f"vxa_paste_{source.name}")

    def _wire(self, source: Source) -> None:
        """Let the button write the infotext of the image that is chosen, and then press the hidden one."""
        image, box = self._met[source.image], self._met[f"{source.name} box"]
        told = self._met.get(source.text, box)
        chosen = listen(
            self._met[f"{source.name} button"].click, _text_of, [image, told, box], [box],
            js="vxaChosen", queue=False, show_progress="hidden",
        )  # fmt: skip
        listen(chosen.then, None, None, None, js=f"() => vxaPress('vxa_paste_{source.name}')")

    def connect(self, tab: gr.Blocks) -> None:
        """Let the webui paste into the tab, and bind the hidden buttons. Nothing where the tab is hidden."""
        if not self._is_shown():
            return
        made = {getattr(one, "elem_id", None): one for one in tab.blocks.values()}
        fields = [(made["vxa_prompt"], lambda told: told.get(_PROMPT) or None)]
        fields += [(made[entry.control], _reader(entry.control)) for entry in ENTRIES]
        infotext_utils.add_paste_fields(_TAB, made["vxa_image"], fields)
        for source in SOURCES:
            if all(part in self._met for part in source.parts):
                infotext_utils.register_paste_params_button(
                    infotext_utils.ParamBinding(
                        paste_button=self._met[f"{source.name} paste"],
                        tabname=_TAB,
                        source_text_component=self._met[f"{source.name} box"],
                        source_image_component=self._met[source.image],
                    )
                )

    def _is_shown(self) -> bool:
        """Whether the page has the tab: a person may hide it in the settings."""
        return self.wanted and strings.TAB not in shared.opts.hidden_tabs


def sending_of(script: str) -> Sending:
    """The buttons of the extension that `script` is of, for the page that is built next."""
    return Sending(not problem(script))


def keep_prompt(infotext: str, told: dict[str, Any]) -> None:
    """Note the prompt as it is in the infotext: the webui takes the text of saved styles out of it."""
    made = parse_infotext(infotext)
    told[_PROMPT] = made.prompt if made else ""


def _reader(control: str) -> Callable[[dict[str, Any]], Any]:
    """What pasting gives a control; None leaves it as it is."""

    def read(told: dict[str, Any]) -> Any:
        if not told.get(_PROMPT):  # the image says nothing
            return None
        wanted = {name: value for name, value in told.items() if name != "Seed" or shared.opts.send_seed}
        return recorded(wanted).get(control)

    return read


def _text_of(image: Any, told: Any, index: Any) -> str:
    """The infotext of the chosen image: what the page holds of it, or else what the image itself says."""
    for read, given in ((_held, (told, index)), (_in_image, (image,))):
        try:
            text: str = read(*given)
        except Exception:  # a list of fewer images; an image that is gone, or that nobody may read
            continue
        if parse_infotext(text):
            return text
    return _NOTHING


def _in_image(image: Any) -> str:
    """What a gallery's item says itself."""
    text, _ = images.read_info_from_image(infotext_utils.image_from_url_text(image))
    return text or ""


def _held(told: Any, index: Any) -> str:
    """The text itself; or, of the JSON that a generation leaves, the text at the index."""
    text = str(told or "")
    try:
        listed = json.loads(text)
    except ValueError:
        return text
    return str(listed["infotexts"][max(0, int(index))])
