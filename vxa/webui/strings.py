"""All texts that are shown in the webui only, in one place for proofreading and translation."""

from __future__ import annotations

from collections.abc import Sequence

TAB = "VXA"
WEBUI_MODEL = "the webui's checkpoint"
SEND = "Send the image, its prompt and its seed to the VXA tab."
SEND_TO = "Send to VXA"
BEING_LOADED = (
    "the webui is loading a checkpoint, or has one whose prompts VXA cannot read; try again in a moment"
)
OLD_EMPHASIS = "the webui's old emphasis implementation is on, which VXA cannot read: switch that off"
SEVERAL_PROMPTS = "the prompt is several prompts joined by AND; look at one of them at a time"
SITES_SETTING = "Default site"
MODE_SETTING = "Default picture"
COLORMAP_SETTING = "Default colour map"
THRESHOLD_SETTING = "Default threshold"
NOISE_SETTING = "Default noise"
SAVE_ALL_SETTING = "Save the picture of every pass to the outputs folder"
FOLDER_SETTING = "Outputs folder for pictures of VXA"
TRACED_WORDS = "Words"
TRACED_WORDS_HINT = "every word; or some, such as hat, red scarf, cat#2"
TRACED_SHOW = "Show"
TRACED_SITES = "Sites"
TRACED_SITES_HINT = "default sites; or some, such as mid, OUT04"
TRACED_SAVE = "Save the heat maps beside the image"
TRACED_LIVE = "Show the maps so far in the live preview"
TRACED_LEAD = "Adds the heat map of each word of the prompt to the gallery. The images do not change."
OTHER_CONDITIONING = "the conditioning is not what the webui makes of the prompt: an extension replaced it"
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
NOT_BASE64 = "the image is not base64; encode the bytes of an image file (an address is never fetched)"
RESTART = "VXA was updated on disk; restart the webui (Reload UI is not enough)"


def fill_in(model: str) -> str:
    """Return a placeholder for the path of a checkpoint that is no file vxa can load."""
    return f"PATH/OF/{model}.safetensors"


def not_traced(reason: str) -> str:
    """Return the note of a generation without heat maps."""
    return f"VXA has no heat maps: {reason}"


def more_words(shown: int, count: int) -> str:
    """Return the note of a prompt with more words than get a picture each."""
    return f"VXA shows the first {shown} of {count} words by themselves; name some, or show the grid"


def missing_word(reason: str) -> str:
    """Return the note of a requested word that has no map."""
    return f"VXA: {reason}"


def not_shown(value: str, known: Sequence[str]) -> str:
    """Return the error of an unknown picture of a generation."""
    return f"there is no {value[:40]!r} to show; choose some of: {', '.join(known)}"


def steps(first: int, last: int) -> str:
    """Return the label of the steps that a map covers."""
    return f"step {first}" if first == last else f"steps {first}-{last}"


def interrupted(reached: int, steps: int) -> str:
    """Return the note of a generation that was ended early."""
    return f"VXA's heat maps are of the first {reached} of {steps} steps: the generation was interrupted"


def not_kept(reason: str) -> str:
    """Return the error of a picture that could not be saved to the outputs folder."""
    return f"the webui could not save the picture ({reason}); look at its outputs folder in Settings, VXA"


def maps_not_kept(reason: str) -> str:
    """Return the note of heat maps that could not be saved beside their image."""
    return f"VXA could not save heat maps ({reason}); they are in the gallery alone"


def not_loaded(reason: str) -> str:
    """Return the error of a checkpoint that could not be loaded."""
    return f"the webui could not load its checkpoint ({reason}); choose another at the top of the page"


def changing_prompt(first: str, last: str) -> str:
    """Return the error of a prompt that is not the same at every step."""
    return (
        f"the prompt changes during a generation, from {first!r} to {last!r}; look at one of them at a time"
    )


def second_copy(loaded: str, other: str) -> str:
    """Return the error of an extension that is installed twice."""
    return f"VXA is installed twice, in {loaded} and {other}; remove one of them and restart the webui"


def too_long(most: int) -> str:
    """Return the error of a body that is longer than `most` bytes."""
    return f"the body is longer than {most // 2**20} MB; send a smaller image"


def unknown_name(name: str, known: Sequence[str]) -> str:
    """Return the error of a setting that a request does not have."""
    return f"there is no {name[:40]!r} here; the names are: {', '.join(known)}"


def missing_names(names: Sequence[str]) -> str:
    """Return the error of a request without these required settings."""
    return f"the request lacks: {', '.join(names)}"


def wrong_type(name: str, value: object, json_type: str) -> str:
    """Return the error of a value that is not of this JSON type."""
    return f"{name} is {str(value)[:40]!r}; give a JSON {json_type}"
