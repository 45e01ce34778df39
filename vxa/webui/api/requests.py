"""What the HTTP API answers: plain JSON values in, plain JSON values out, without a server."""

from __future__ import annotations

import base64
import binascii
import io
import tempfile
from dataclasses import MISSING, Field, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vxa.errors import ImageError, SettingError
from vxa.io.infotext import Infotext
from vxa.io.maps_file import sidecar_path, write_maps
from vxa.maps.attention_maps import AttentionMaps
from vxa.pictures.render import check_mode, render
from vxa.tokens import find_words
from vxa.ui.asked import Asked, usual_threshold
from vxa.ui.backend import Backend
from vxa.ui.passes import uploaded
from vxa.ui.recorded import written
from vxa.webui import strings

__all__ = ["TokensRequest", "VisualizeRequest", "filled", "look", "schema", "tokens"]

Request = TypeVar("Request")
_JSON_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


@dataclass(frozen=True)
class TokensRequest:
    """What is asked of a prompt alone."""

    prompt: str


@dataclass(frozen=True)
class VisualizeRequest:
    """What is asked of an image and a prompt.

    Attributes:
        image: the bytes of an image file in base64, plain or as a data URL.
        prompt, timestep, noise, seed: as in vxa.visualize.
        words, tokens, sites, heads, refine, mode, against, against_tokens, opacity, threshold, colormap,
            normalize, resample: as in `vxa show`.
        npz: whether the maps are wanted too, as files in base64.
        save: whether the picture is to be saved in the webui's outputs folder.
    """

    image: str
    prompt: str
    timestep: int = 1
    noise: str = "none"
    seed: int = 0
    words: str = ""
    tokens: str = ""
    sites: str = ""
    heads: str = Asked.heads
    refine: bool = Asked.refine
    mode: str = Asked.mode
    against: str = ""
    against_tokens: str = Asked.against
    opacity: float = Asked.opacity
    threshold: float | None = None
    colormap: str = Asked.colormap
    normalize: str = Asked.normalize
    resample: str = Asked.resample
    npz: bool = False
    save: bool = False


def filled(kind: type[Request], given: dict[str, Any]) -> Request:
    """The request of this kind that the JSON object means.

    Raises:
        SettingError: a name is unknown or missing, or a value of another type.
    """
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    for name, value in given.items():
        if name not in known:
            raise SettingError(strings.unknown_name(name, tuple(known)))
        if not _is(_kind(known[name]), value):
            raise SettingError(strings.wrong_type(name, value, _JSON_TYPES[_kind(known[name])]))
    missing = [name for name, one in known.items() if one.default is MISSING and name not in given]
    if missing:
        raise SettingError(strings.missing_names(missing))
    return kind(**given)


def _kind(one: Field[Any]) -> str:
    """The type of a value that is given; none at all is told by leaving it out."""
    return str(one.type).removesuffix(" | None")


def _is(wanted: str, value: Any) -> bool:
    if wanted == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value).__name__ == wanted


def schema(kind: type[Any]) -> dict[str, Any]:
    """The JSON schema of a request of this kind."""
    properties: dict[str, dict[str, Any]] = {}
    for one in fields(kind):
        properties[one.name] = {"type": _JSON_TYPES[_kind(one)]}
        if one.default is not MISSING and one.default is not None:
            properties[one.name]["default"] = one.default
    required = [one.name for one in fields(kind) if one.default is MISSING]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def tokens(backend: Backend, asked: TokensRequest) -> dict[str, Any]:
    """The tokens of a prompt, as the loaded checkpoint reads it."""
    return {"tokens": [asdict(token) for token in backend.tokenize(asked.prompt)]}


def look(backend: Backend, asked: VisualizeRequest) -> dict[str, Any]:
    """One denoising pass over an image: a picture as PNG, how it was made, and the maps where wanted."""
    image = _image(asked.image)
    view = _view(asked)
    settings = view.settings()
    named = {"words": asked.words, "against": asked.against, "against_tokens": asked.against_tokens}
    settings |= {name: value for name, value in named.items() if value}
    check_mode(view.mode, settings.get("against"), settings.get("against_tokens"))
    # Who takes no maps away needs no more than the sites of the picture, and the pass ends at the last one.
    sites = None if asked.npz else settings.get("sites")
    numbers = (asked.timestep, asked.noise, asked.seed)
    maps = backend.run(image, asked.prompt, *numbers, _nobody, sites, asked.refine)
    picture, made = render(maps, image, **settings), _made(maps, view, asked)
    answer = {"model": maps.provenance.model, "notes": list(maps.provenance.notes), "infotext": str(made)}
    if asked.save and backend.keep is not None:
        answer["saved"] = backend.keep(picture, made)
    return {**answer, "png": _text(_png(picture, made)), **(_files(maps) if asked.npz else {})}


def _view(asked: VisualizeRequest) -> Asked:
    """What is asked of the maps, words aside."""
    same = {one.name: getattr(asked, one.name) for one in fields(Asked) if hasattr(asked, one.name)}
    threshold = usual_threshold(asked.refine) if asked.threshold is None else asked.threshold
    chosen = {"selection": asked.tokens, "against": asked.against_tokens, "threshold": threshold}
    return Asked(**{**same, **chosen})


def _made(maps: AttentionMaps, view: Asked, asked: VisualizeRequest) -> Infotext:
    """How the picture was made: words are told as the indices that they have."""
    selection = _indices(maps, asked.words) or view.selection
    return written(
        [maps], replace(view, selection=selection, against=_indices(maps, asked.against) or view.against)
    )


def _indices(maps: AttentionMaps, words: str) -> str:
    found = [index for word in find_words(maps.tokens, words) for index in word.tokens] if words else []
    return ", ".join(map(str, found))


def _nobody(fraction: float, what: str) -> None:
    """The progress of a pass that nobody watches but in the webui's own."""


def _image(text: str) -> Image.Image:
    head, comma, rest = text.partition(",")
    try:
        data = base64.b64decode(rest if comma and head.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError):
        raise ImageError(strings.NOT_BASE64) from None
    with tempfile.TemporaryDirectory(prefix="vxa-") as folder:
        path = Path(folder) / "image"
        path.write_bytes(data)
        return uploaded(str(path))


def _files(maps: AttentionMaps) -> dict[str, str]:
    """The npz and the JSON that belongs beside it."""
    with tempfile.TemporaryDirectory(prefix="vxa-") as folder:
        path = write_maps(maps, Path(folder) / "maps.npz")
        return {"npz": _text(path.read_bytes()), "json": sidecar_path(path).read_text("utf-8")}


def _png(picture: Image.Image, made: Infotext) -> bytes:
    content, told = io.BytesIO(), PngInfo()
    told.add_itxt("parameters", str(made))
    picture.save(content, "PNG", pnginfo=told)
    return content.getvalue()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
