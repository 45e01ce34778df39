"""Every text of the page, once, so that it can be read over and translated in one place."""

from __future__ import annotations

from collections.abc import Sequence

TITLE = "Visualize Cross-Attention"
LEAD = "See which pixels the model ties to each word of a prompt."

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
SETTINGS = "How the model looks"
TIMESTEP = "Timestep"
TIMESTEP_INFO = "The noise level the model is told, from 0 (clean)."
NOISE = "Noise"
NOISE_INFO = "none shows it the clean image; matched adds the noise that the timestep means."
NOISE_SEED = "Noise seed"
NOISE_SEED_INFO = "Of the matched noise: the same seed is the same noise."
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

# What comes out
PICTURE = "Attention"
PICTURE_ALT = "Where the model looks for the chosen words"
EMPTY = "Choose an example, or drop an image and describe it; then press Visualize."
SITES = "Site"
SITES_INFO = "Where in the model; or write some, as in mid, OUT04."
REFINE = "Refine with self-attention"
REFINE_INFO = "Fills the thing, and follows its edges."
HEADS = "Heads"
HEADS_INFO = "mean, or numbers such as 0, 3."
MODE = "Picture"
OPACITY = "Opacity"
THRESHOLD = "Threshold"
COLORMAP = "Colour map"
NORMALIZE = "Scale"
NORMALIZE_INFO = "What the brightest colour stands for."
RESAMPLE = "Drawn"
RESAMPLE_INFO = "nearest shows the model's grid."
TIMESTEPS = "Timesteps"
TIMESTEPS_INFO = "Each is a pass of the model; afterwards words, sites and heads need none."
LOOK_AT_TIMESTEPS = "Look at these timesteps"
POINTED = "Tokens that are pointed at"
STAMP = "What the picture answers"
SPOT_HINT = "Click on the image, or on the picture, to rank the words at that spot."
NO_SPOT = "That is beside the image: click inside it, or on the image you gave."
TAKE = "Take it away"
SAVE = "Make the files"
FILES = "Picture, mask, maps (npz and JSON)"
KEEP = "Save the picture to the outputs folder"
KEPT = "Saved to"
COMMAND = "As a command"
PYTHON = "As Python"

DEFAULT_SITES = "the model's choice"
ALL_SITES = "all sites together"
PARTS = {"down": "the way down", "mid": "the middle", "up": "the way up"}
SPECIALS = {"bos": "begin", "eos": "end", "pad": "padding"}

# What is said
NO_ADDRESS = "an image by its address is not fetched; drop the file itself"
IMAGE_GONE = "the server no longer has this image (it keeps the last ones for an hour); drop it once more"
NO_IMAGE = "no image was given; drop one, or choose an example"
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
NO_GENERATE = "this model cannot make images; drop one, or choose an example"
QUEUED = "waiting for the webui's queue"
UNREACHABLE = (
    "the page does not answer at its own address: this machine is very busy, or a proxy stands between; set "
    "NO_PROXY=localhost,127.0.0.1 and try again"
)
NO_GRADIO = 'the app needs gradio, which is not installed; run pip install "vxa[app]"'


def chunk(number: int) -> str:
    """What stands before the tokens of a chunk, in a prompt of several."""
    return f"chunk {number}"


def chip(kind: str, text: str, indices: Sequence[int], weight: float) -> str:
    """What a chip is, for those who hear it, and those who point at it."""
    where = f"token {indices[0]}" if len(indices) == 1 else f"tokens {indices[0]} to {indices[-1]}"
    name = text if kind == "word" else SPECIALS[kind]
    return f"{name}, {where}" + ("" if weight == 1.0 else f", weight {weight:g}")


def ahead(count: int) -> str:
    """What somebody in the queue is told."""
    return f"waiting: {count} before you"


def denoising(step: int, steps: int) -> str:
    """How far the making of an image is."""
    return f"step {step} of {steps}"


def summary(prompt: str, model: str, origin: str, sites: int, seconds: float) -> str:
    """What the picture is of, and where its maps come from."""
    return f"“{prompt}” · {model} · {origin} · {sites} sites · {seconds:.1f}\u00a0s"


def passes(timesteps: Sequence[int], noise: str) -> str:
    """That maps come from a pass, or from several."""
    many = "one pass at timestep" if len(timesteps) == 1 else f"{len(timesteps)} passes at timesteps"
    return f"{many} {', '.join(map(str, timesteps))}, noise {noise}"


def traced(steps: int) -> str:
    """That maps come from the making of the image."""
    return f"traced over {steps} steps while it was painted"


def earlier(of: Sequence[str]) -> str:
    """What is said when the picture is no longer of what is set."""
    return f"The picture is still of {' and '.join(of)}; press Visualize to look again."


EARLIER_IMAGE = "the image before"


def earlier_prompt(prompt: str) -> str:
    """What the picture's prompt is called."""
    return f"“{prompt}”"


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


# In the webui
TAB = "VXA"
WEBUI_MODEL = "the webui's checkpoint"
SEND = "Send the image, its prompt and its seed to the VXA tab."
SEND_TO = "Send to VXA"
NO_CHECKPOINT = "the webui has no checkpoint loaded; choose one at the top of the page, or wait until it is"
BEING_LOADED = (
    "the webui is loading a checkpoint, or has one whose prompts VXA cannot read; try again in a moment"
)
OLD_EMPHASIS = "the webui's old emphasis implementation is on, which VXA cannot read: switch that off"
SEVERAL_PROMPTS = "the prompt is several prompts joined by AND; look at one of them at a time"
SITES_FIRST = "Site at first"
MODE_FIRST = "Picture at first"
COLORMAP_FIRST = "Colour map at first"
THRESHOLD_FIRST = "Threshold at first"
NOISE_FIRST = "Noise at first"
KEEP_ALL = "Save the picture of every pass to the outputs folder"
KEEP_FOLDER = "Outputs folder for pictures of VXA"
TRACED_WORDS = "Words"
TRACED_WORDS_HINT = "every word; or some, such as hat, red scarf, cat#2"
TRACED_SHOW = "Show"
TRACED_SITES = "Sites"
TRACED_SITES_HINT = "the model's choice; or some, such as mid, OUT04"
TRACED_SAVE = "Save the heat maps beside the image"
TRACED_LIVE = "Show the maps so far in the live preview"
TRACED_LEAD = "Adds to the gallery what each word of the prompt painted. The images stay as they are."
OTHER_CONDITIONING = "the conditioning is not what the webui makes of the prompt: an extension made another"
NONE_FINISHED = (
    "VXA has no heat maps: no image was finished (VXA traces generations of webui 1.10.1 or newer)"
)
NOTHING_SHOWN = "VXA has nothing to add: choose what to show"
NO_STEP = "VXA has no heat maps: the generation ended before its first step"
NO_WORDS = "VXA has no heat maps: the prompt has no words"
NO_NEGATIVE = (
    "VXA has no map of the negative prompt: it has no words, or no step read it (it may have been skipped)"
)
GENERATION_FAILED = "VXA has no heat maps: the generation itself failed"
NEGATIVE_TITLE = "Negative prompt: "
STEPS_TITLE = "Over the steps"
SECOND_PASS = "second pass"
FIRST_PASS = "first pass"
AXIS_WORDS = "[VXA] Words"
AXIS_SHOW = "[VXA] Show"
AXIS_SITES = "[VXA] Sites"
WRONG_PASSWORD = "the webui was started with --api-auth; give one of its names and passwords"
NO_JSON = 'the body is not a JSON object; send one such as {"prompt": "hat, neck"}'
NOT_BASE64 = "the image is not base64; send the bytes of an image file in it (an address is never fetched)"
RESTART = "VXA was updated on disk; restart the webui (Reload UI is not enough)"


def fill_in(model: str) -> str:
    """What stands for the path of a checkpoint that is no file vxa can load."""
    return f"PATH/OF/{model}.safetensors"


def not_traced(reason: str) -> str:
    """Why a generation has no heat maps."""
    return f"VXA has no heat maps: {reason}"


def more_words(shown: int, count: int) -> str:
    """What is said of a prompt with more words than have a picture each."""
    return f"VXA shows the first {shown} of {count} words by themselves; name some, or show the grid"


def missing_word(reason: str) -> str:
    """What is said of a wanted word that has no map."""
    return f"VXA: {reason}"


def not_shown(given: str, known: Sequence[str]) -> str:
    """What is asked to be shown of a generation, and is nothing that can be."""
    return f"there is no {given[:40]!r} to show; choose some of: {', '.join(known)}"


def steps(first: int, last: int) -> str:
    """The steps that a map is of."""
    return f"step {first}" if first == last else f"steps {first}-{last}"


def interrupted(reached: int, steps: int) -> str:
    """What is said of the maps of a generation that was ended early."""
    return f"VXA's heat maps are of the first {reached} of {steps} steps: the generation was interrupted"


def not_kept(reason: str) -> str:
    """Why a picture is not in the outputs folder."""
    return f"the webui could not save the picture ({reason}); look at its outputs folder in Settings, VXA"


def maps_not_kept(reason: str) -> str:
    """Why heat maps are not beside their image."""
    return f"VXA could not save heat maps ({reason}); they are in the gallery alone"


def not_loaded(reason: str) -> str:
    """Why the chosen checkpoint is not there."""
    return f"the webui could not load its checkpoint ({reason}); choose another at the top of the page"


def changing_prompt(first: str, last: str) -> str:
    """What is said of a prompt that is not the same at every step."""
    return (
        f"the prompt changes during a generation, from {first!r} to {last!r}; look at one of them at a time"
    )


def second_copy(loaded: str, other: str) -> str:
    """What is said when the extension is there twice."""
    return f"VXA is installed twice, in {loaded} and {other}; remove one of them and restart the webui"


def too_long(most: int) -> str:
    """A body that is not read to its end."""
    return f"the body is longer than {most // 2**20} MB; send a smaller image"


def unknown_name(name: str, known: Sequence[str]) -> str:
    """A setting that a request does not have."""
    return f"there is no {name[:40]!r} here; the names are: {', '.join(known)}"


def missing_names(names: Sequence[str]) -> str:
    """What a request must have."""
    return f"the request lacks: {', '.join(names)}"


def wrong_type(name: str, value: object, wanted: str) -> str:
    """A value of another type than JSON's `wanted`."""
    return f"{name} is {str(value)[:40]!r}; give a JSON {wanted}"
