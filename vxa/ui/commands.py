"""What a page shows, as a command and as Python that make the same picture: of passes, or of a trace."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from vxa.maps.attention_maps import AttentionMaps, Provenance
from vxa.steering.control import describe
from vxa.steering.spec import write_control
from vxa.tracing.settings import PassSettings
from vxa.ui.asked import Asked
from vxa.ui.downloads import file_stem
from vxa.ui.pages import Kept
from vxa.ui.steering import Steering
from vxa.ui.together import counterpart

__all__ = [
    "command_line",
    "python_lines",
    "steered_line",
    "steered_python",
    "trace_line",
    "trace_python",
]

# What `vxa show` and `vxa.visualize` take when they are told nothing.
_PASS_DEFAULTS = {name: getattr(PassSettings, name) for name in ("timestep", "noise", "seed")}

_PLAIN = re.compile(r"[A-Za-z0-9_./:+-]+")
# Within double quotes: an end of them (for PowerShell the curly ones too), a variable, a command, a new line.
_CHANGED = re.compile(r'["“”„$`\x00-\x1f]|\\\Z')
_CHANGED_BY_SH = re.compile(r"!|\\\\")  # an earlier command; an escaped backslash


def command_line(
    source: str, image: str, passes: Sequence[Provenance], asked: Asked, output: str, scene: int | None = None
) -> str:
    """Return the `vxa show` line that makes the same picture of the image file, from these passes.

    An example is a papercut scene: a line before it draws the one with that seed into the file. Where masks
    are to follow the edges, the line writes such masks too, but in mode timesteps: masks are of one pass.
    """
    masks = _mask_options(image, asked) if asked.mode != "timesteps" else {}
    options = {**_model(source), **_pass_settings(passes), **asked.settings(), **masks}
    line = _line("show", [image, passes[0].prompt], options, output)
    return line if scene is None else f"{_line('scene', [], {'seed': scene}, image)}\n{line}"


def python_lines(
    source: str, image: str, passes: Sequence[Provenance], asked: Asked, output: str, scene: int | None = None
) -> str:
    """Return the Python lines that make the same picture of the image file, from these passes."""
    settings, pass_settings = asked.settings(), _pass_settings(passes)
    mode, timesteps = settings.pop("mode"), pass_settings.pop("timesteps", None)
    if asked.refine:
        pass_settings["self_attention"] = True
    given = ("model", "image", repr(passes[0].prompt))
    looking = f"maps = vxa.visualize({_arguments(*given, **pass_settings)})"
    if timesteps is not None:
        looked = _arguments(*given, "timestep", **pass_settings)
        looking = f"maps = [vxa.visualize({looked}) for timestep in [{timesteps}]]"
    return "\n".join(
        [
            "import vxa",
            "",
            f"model = vxa.load({source!r})",
            f"image = {image!r}" if scene is None else f"image = vxa.papercut.scene({scene}).image",
            looking,
            f"picture = vxa.render({_arguments('maps', 'image', repr(mode), **settings)})",
            f"picture.save({output!r})",
            *(_mask_lines(image, asked) if mode != "timesteps" else ()),
        ]
    )


def trace_line(source: str, image: str, maps: AttentionMaps, asked: Asked, output: str) -> str:
    """The `vxa trace` line that makes the same image and the same picture of what was traced.

    `vxa trace` does not compare; what it saves is then shown by a second line.
    """
    made, settings = maps.provenance, {**asked.settings(), **_mask_options(image, asked)}
    making = {**_model(source), **_seed(made), "bins": len(maps.steps)}
    if asked.mode != "difference":
        return _line("trace", [made.prompt], {**making, **settings}, output)
    saved = {"image": image, "save": f"{image.rpartition('.')[0]}.npz"}
    traced = {"refine": True} if asked.refine else {}
    return "\n".join(
        [
            _line("trace", [made.prompt], {**making, **traced, **saved}, "words.png"),
            _line("show", [image], {"maps": saved["save"], **settings}, output),
        ]
    )


def trace_python(source: str, image: str, maps: AttentionMaps, asked: Asked, output: str) -> str:
    """The Python lines that make the same image and the same picture of what was traced."""
    made, settings = maps.provenance, asked.settings()
    mode = settings.pop("mode")
    options = {"bins": len(maps.steps), **({"self_attention": True} if asked.refine else {})}
    given = (repr(source), repr(made.prompt))
    shown = "maps.each_bin()" if mode == "timesteps" else "maps"
    return "\n".join(
        [
            "import vxa",
            "",
            f"made = vxa.generate({_arguments(*given, **_seed(made), trace=options)})",
            "image, maps = made.image, made.maps[0]",
            f"picture = vxa.render({_arguments(shown, 'image', repr(mode), **settings)})",
            f"picture.save({output!r})",
            *_mask_lines(image, asked),
        ]
    )


def steered_line(source: str, kept: Kept, steering: Steering) -> str:
    """The `vxa generate` line that makes the pictures that were made together, side by side, without maps."""
    first = kept.pictures[0]
    options = {**_model(source), **_seed(first.maps.provenance), "control": write_control(steering.control)}
    return _line("generate", steering.prompts, options, f"{file_stem(first.name)}-together.png")


def steered_python(source: str, kept: Kept, steering: Steering, asked: Asked) -> str:
    """The Python lines that make the pictures that were made together, and the picture of each one's maps."""
    first = kept.pictures[0].maps
    options = {"bins": len(first.steps), **({"self_attention": True} if asked.refine else {})}
    given = (repr(source), repr(list(steering.prompts)))
    control = f"controls=[vxa.steering.{describe(steering.control)}]"
    making = _arguments(*given, control, **_seed(first.provenance), trace=options)
    lines = ["import vxa", "", f"made = vxa.generate({making})"]
    for number, each in enumerate(kept.pictures):
        own, _ = counterpart(asked, kept.maps, each.maps)
        output = f"{file_stem(each.name)}-{asked.mode}.png"
        if own is None:
            lines.append(f"made.images[{number}].save({output!r})")
            continue
        settings = own.settings()
        shown = "maps.each_bin()" if settings.pop("mode") == "timesteps" else "maps"
        drawing = _arguments(shown, "image", repr(asked.mode), **settings)
        lines.append(f"image, maps = made.images[{number}], made.maps[{number}]")
        lines.append(f"vxa.render({drawing}).save({output!r})")
        lines += _mask_lines(each.name, own)
    return "\n".join(lines)


def _mask_options(image: str, asked: Asked) -> dict[str, Any]:
    """The options that write masks along the edges, where they are wanted."""
    return {"masks": _mask_folder(image), "edges": True} if asked.edges else {}


def _mask_lines(image: str, asked: Asked) -> list[str]:
    """The Python line that writes masks along the edges, where they are wanted."""
    given = ("maps", repr(_mask_folder(image)))
    settings = _arguments(*given, "edges=image", **asked.mask_settings())
    return [f"vxa.write_masks({settings})"] if asked.edges else []


def _mask_folder(image: str) -> str:
    return f"{file_stem(image)}-masks"


def _line(command: str, given: Sequence[str], options: dict[str, Any], output: str) -> str:
    words: list[str] = []
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    if any(text.startswith("-") for text in given):
        return _joined("vxa", command, *words, "-o", output, "--", *given)
    return _joined("vxa", command, *given, *words, "-o", output)


def _joined(*words: str) -> str:
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """Quote a word for sh, PowerShell and cmd alike.

    cmd has no other quotes than double ones, and PowerShell splits an unquoted word at its commas. A word
    that double quotes would change in one of them gets the single quotes of sh, which PowerShell knows too.
    """
    if _PLAIN.fullmatch(word):
        return word
    changed = _CHANGED.search(word) or (sys.platform != "win32" and _CHANGED_BY_SH.search(word))
    return shlex.quote(word) if changed else f'"{word}"'


def _model(source: str) -> dict[str, str]:
    return {} if source == "papercut" else {"model": source}


def _seed(made: Provenance) -> dict[str, int]:
    """The seed that an image began with, where it is not the usual one."""
    return {"seed": made.seed} if made.seed else {}


def _pass_settings(passes: Sequence[Provenance]) -> dict[str, Any]:
    """How the passes were made, where not by default."""
    settings = {name: getattr(passes[0], name) for name in _PASS_DEFAULTS}
    changed = {name: value for name, value in settings.items() if value != _PASS_DEFAULTS[name]}
    if len(passes) == 1:
        return changed
    changed.pop("timestep", None)
    return {"timesteps": ", ".join(str(made.timestep) for made in passes), **changed}


def _arguments(*values: str, **named: Any) -> str:
    return ", ".join([*values, *(f"{name}={value!r}" for name, value in named.items())])
