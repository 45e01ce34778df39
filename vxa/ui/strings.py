"""Every text of the page, once, so that it can be read over and translated in one place."""

from __future__ import annotations

from collections.abc import Sequence

from vxa.tokens import shorten

TITLE = "Visualize Cross-Attention"
LEAD = "See which pixels the model ties to each word of a prompt."

# The model
MODEL = "Model"
LOADING = "How far the model is loaded"

# What goes in
IMAGE = "Image"
EXAMPLES = "Examples"
EXAMPLES_HINT = "Or choose an example, and see at once what the model ties to its words:"
PROMPT = "Prompt"
PROMPT_HINT = "What the image shows, in words: a boy wearing a red hat"
CHIPS = "Tokens of the prompt: choose some to look at"
INDICES = "Token indices"
INDICES_HINT = "every word; or indices such as 1, 3-5"
AGAINST = "Compared with, as token indices"
AGAINST_CHIPS = "Tokens to compare with"
AGAINST_LEAD = "The words chosen at the prompt, minus these:"
SETTINGS = "Pass settings"
OFFERED = "This image was generated from"
OFFERED_TEXT = "These are the settings of an image that was generated from"
USE_OFFERED = "Use its prompt"
PRESS = "Visualize"
STOP = "Stop"
GENERATE = "Make an image from the prompt"
SEED = "Seed"
MAKE = "Make the image"
PAINTING = "How far the image is"
MAKE_HINT = "Its attention is traced while it is painted: which words painted which pixels, over all steps."
CONTROL = "Control"
CONTROL_INFO = "Makes more than one picture at once, each tied to the first."
NO_CONTROL = "none"
EDIT = "Edit the prompt (prompt-to-prompt)"
STYLE = "Same style (StyleAligned)"
REWEIGHT = "Words stronger or weaker (reweight)"
TARGET = "Changed prompt"
TARGET_HINT = "The prompt with some of its words changed: a boy wearing a blue hat"
FURTHER_PROMPTS = "Further prompts, one a line"
FURTHER_PROMPTS_HINT = "Each becomes a picture in the style of the first."
FACTORS = "Words and factors"
FACTORS_INFO = "Twice the red, half the hat: red*2, hat*0.5."
TOGETHER = "Pictures made together: choose one to explore its words"

# What comes out
PICTURE = "Attention"
PICTURE_ALT = "Where the model looks for the chosen words"
EMPTY = "Drop an image and describe it; then press Visualize."
EXAMPLES_EMPTY = "Press Visualize, choose an example, or drop an image of your own and describe it."
SITES_INFO = "Where in the model; or write some, as in mid, OUT04."
MODE = "Picture"
TIMESTEPS = "Timesteps"
TIMESTEPS_INFO = "Each is a pass of the model; afterwards words, sites and heads need none."
LOOK_AT_TIMESTEPS = "Run these timesteps"
POINTED = "Hovered tokens"
ANCHOR = "Prompt of the token indices"
FOLLOWED = "Token indices in the edited prompt"
STAMP = "Settings of the picture"
SPOT_HINT = "Click on the image, or on the picture, to rank the words at that spot."
NO_SPOT = "That is outside the image: click inside it, or on the image you gave."
EXPORT = "Export"
SAVE = "Make the files"
FILES = "Picture, mask, maps (npz and JSON)"
KEEP = "Save the picture to the outputs folder"
KEPT = "Saved to"
COMMAND = "As a command"
PYTHON = "As Python"

DEFAULT_SITES = "default sites"
ALL_SITES = "all sites together"
PARTS = {"down": "down blocks", "mid": "middle block", "up": "up blocks"}
SPECIALS = {"bos": "begin", "eos": "end", "pad": "padding", "image": "image"}

# What is said
NO_ADDRESS = "an image by its address is not fetched; drop the file itself"
IMAGE_GONE = "the server no longer has this image (it keeps the last ones for an hour); drop it once more"
NO_IMAGE = "no image was given; drop one"
PAGE_GONE = "the server has no maps for this page (never made, or dropped to make room); press Visualize"
NOT_REFINED = "these maps were made without self-attention; press Visualize to look again with it"
NOT_TRACED_REFINED = (
    "self-attention was not traced while this image was painted; make it again, or press Visualize"
)
ONE_HEAD = "of a traced image the mean over heads alone is kept; write mean, or press Visualize for one pass"
DEFECT = "Something went wrong that should not have; the server's log has the details."
STOPPED = "stopped; press again to start anew"
REPLACED = "another pass of this page came first; press again"
LOOKING = "one denoising pass"
DONE = "done"
NO_KEEPING = "pictures are saved to an outputs folder in a webui alone; press Make the files instead"
NO_TARGET = "the changed prompt is blank; write the prompt with the words changed that are to change"
SAME_TARGET = "the changed prompt is the prompt itself; change one of them, or reweight words as in red*2"
NO_FURTHER_PROMPTS = (
    "there are no further prompts; write one a line, each for a picture in the first one's style"
)
NO_FACTORS = "there are no words with factors; write some as in red*2, hat*0.5"
NO_GENERATE = "this model cannot make images; drop one, or choose an example"
QUEUED = "waiting for the webui's queue"
UNREACHABLE = (
    "the page does not answer at its own address: this machine is very busy, or a proxy stands between; set "
    "NO_PROXY=localhost,127.0.0.1 and try again"
)
NO_GRADIO = 'the app needs gradio, which is not installed; run pip install "gradio>=6,<7"'


def chunk(number: int) -> str:
    """What stands before the tokens of a chunk, in a prompt of several."""
    return f"chunk {number}"


def dropped(words: Sequence[str], every: bool) -> str:
    """What is said of selected words that an edit took out of the prompt; `every`: no other is selected."""
    names = f"{', '.join(map(repr, words[:-1]))} and {words[-1]!r}" if len(words) > 1 else repr(words[0])
    are, were = ("is", "it was") if len(words) == 1 else ("are", "they were")
    said = f"{names} {are} no longer in the prompt; {were} deselected"
    return f"{said}, and every word is shown" if every else said


def padding(indices: str, count: int) -> str:
    """What is said of selected indices that are no word's."""
    return (
        f"token {indices} is padding, no word of the prompt"
        if count == 1
        else (f"tokens {indices} are padding, no words of the prompt")
    )


def beyond(indices: str, count: int, last: int) -> str:
    """What is said of selected indices that the prompt does not have."""
    many = f"token {indices} is" if count == 1 else f"tokens {indices} are"
    return f"{many} not there; the prompt's tokens go from 0 (begin of text) to {last}"


def not_of_picture(words: Sequence[str]) -> str:
    """Why the page's maps, of an earlier prompt, do not show these words."""
    names = ", ".join(map(repr, words))
    return f"the picture's prompt has no {names}; press Visualize to look again with the prompt as it is now"


def chip(kind: str, text: str, indices: Sequence[int], weight: float) -> str:
    """What a chip is, for those who hear it, and those who point at it."""
    where = f"token {indices[0]}" if len(indices) == 1 else f"tokens {indices[0]} to {indices[-1]}"
    name = text if kind == "word" else SPECIALS[kind]
    return f"{name}, {where}" + ("" if weight == 1.0 else f", weight {weight:g}")


def no_such_control(name: object, names: Sequence[str]) -> str:
    """A control that the page does not have."""
    return f"there is no control {name!r} here; choose one of {', '.join(names)}"


def too_many_prompts(count: int, most: int) -> str:
    """Why so many pictures are not made at once."""
    return f"{count} further prompts are too many for one batch; give up to {most}"


def lacking(prompt: str, words: Sequence[str]) -> str:
    """What stands above a picture whose prompt has no counterpart of words that are shown."""
    return f"no counterpart of {', '.join(map(repr, words))} in “{prompt}”"


def quoted(prompt: str) -> str:
    """What stands above one of several pictures."""
    return f"“{prompt}”"


def ahead(count: int) -> str:
    """What somebody in the queue is told."""
    return f"waiting: {count} before you"


def denoising(step: int, steps: int) -> str:
    """How far the making of an image is."""
    return f"step {step} of {steps}"


def summary(prompt: str, model: str, origin: str, sites: int, seconds: float | None) -> str:
    """What the picture is of, where its maps come from, and how long they took, where they are new."""
    took = "" if seconds is None else f" · {seconds:.1f}\u00a0s"
    return f"“{shorten(prompt)}” · {model} · {origin} · {sites} sites{took}"


def passes(timesteps: Sequence[int], noise: str) -> str:
    """That maps come from a pass, or from several."""
    many = "one pass at timestep" if len(timesteps) == 1 else f"{len(timesteps)} passes at timesteps"
    return f"{many} {', '.join(map(str, timesteps))}, noise {noise}"


def traced(steps: int) -> str:
    """That maps come from the making of the image."""
    return f"traced over {steps} steps while it was painted"


def untraced(prompt: str, seconds: float) -> str:
    """What is said of an image that was made without maps."""
    return f"“{shorten(prompt)}” · made, not traced · {seconds:.1f}\u00a0s"


def not_traced(problem: str) -> str:
    """Why there is an image and no maps of it."""
    return f"the image was made, but not its maps: {problem}"


def earlier(of: Sequence[str]) -> str:
    """What is said when the picture is no longer of what is set."""
    return f"The picture is still of {' and '.join(of)}; press Visualize to look again."


EARLIER_IMAGE = "the image before"


def earlier_prompt(prompt: str) -> str:
    """What the picture's prompt is called."""
    return f"“{shorten(prompt)}”"


def earlier_setting(name: str, value: object) -> str:
    """What the setting of the picture's pass is called."""
    return f"{name} {value}"


def one_of(what: str, number: int, count: int) -> str:
    """How far several passes are."""
    return f"{what}, {number} of {count}"


def too_much(count: int, needed: int, kept: int) -> str:
    """Why so many passes are not made."""
    return (
        f"the maps of {count} timesteps take {needed / 2**20:.0f} MB, and this server keeps "
        f"{kept / 2**20:.0f} MB; give fewer"
    )


def spot(row: int, column: int, where: str, refined: bool) -> str:
    """Where was clicked, and what the numbers are."""
    at = f"At row {row}, column {column} ({where})"
    value = (
        "each word's refined map here"
        if refined
        else "the probability with which this spot attends to each word"
    )
    return f"{at}: {value}"


def address(url: str) -> str:
    """What the command says when the page is there."""
    return f"VXA is at {url} (Ctrl+C ends it)"


def open_to_all(host: str, port: int) -> str:
    """The warning of a server that others can reach."""
    return f"warning: --host {host} lets everyone who can reach this machine use the page on port {port}"


def port_taken(host: str, port: int) -> str:
    """Why the server did not start."""
    return f"port {port} of {host} cannot be used; is vxa app running already? Choose another with --port"


def strange_number(name: str, value: object) -> str:
    """A number box that holds none."""
    return f"{name} {value!r} is not a whole number; give one such as 1"


def loading(name: str, done: int, total: int) -> str:
    """How far a model's weights are read, in bytes."""
    size = f": {_size(done)} of {_size(total)}" if total else ""
    return f"loading {name}{size}"


def placing(name: str) -> str:
    """What is said when the weights are read, and the former model may still be at work."""
    return f"loading {name}: it is read, and takes its place as soon as no request is at work"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def loaded(name: str, placed: str) -> str:
    """The model that is there."""
    return f"{name} · {placed}"


def no_such_model(name: str, names: Sequence[str]) -> str:
    """A name that no choice has."""
    return f"there is no model {name!r} to choose; choose one of {', '.join(names)}"


NO_CHECKPOINT = "the webui has no checkpoint loaded; choose one at the top of the page, or wait until it is"
