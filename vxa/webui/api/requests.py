"""Requests of the HTTP API: plain JSON values in, plain JSON values out, without a server."""

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
from vxa.maps.settings import Selection
from vxa.pictures.render import check_mode, render
from vxa.pictures.view import View
from vxa.settings import Setting, same, settings_of
from vxa.tokens import find_words
from vxa.tracing.settings import PassSettings
from vxa.ui.asked import Asked, usual_threshold
from vxa.ui.backend import Backend
from vxa.ui.passes import uploaded
from vxa.ui.recorded import written
from vxa.webui import strings

__all__ = ["TokensRequest", "VisualizeRequest", "parse_request", "schema", "tokenize", "visualize"]

Request = TypeVar("Request")
_JSON_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


@dataclass(frozen=True)
class TokensRequest:
    """A request for the tokens of a prompt."""

    prompt: str


@dataclass(frozen=True)
class VisualizeRequest:
    """A request for the heat maps of an image and a prompt.

    Attributes:
        image: the bytes of an image file in base64, plain or as a data URL.
        prompt, timestep, noise, seed: as in vxa.visualize.
        words, tokens, sites, heads, refine, mode, against, against_tokens, opacity, threshold, colormap,
            normalize, resample: as in `vxa show`.
        npz: whether the answer holds the maps too, as files in base64.
        save: whether the picture is saved in the webui's outputs folder.
    """

    image: str
    prompt: str
    timestep: int = same(PassSettings, "timestep")
    noise: str = same(PassSettings, "noise")
    seed: int = same(PassSettings, "seed")
    words: str = same(Selection, "words", "")
    tokens: str = same(Selection, "tokens", "")
    sites: str = same(Selection, "sites", "")
    heads: str = same(Selection, "heads")
    refine: bool = same(Selection, "refine")
    mode: str = Asked.mode
    against: str = ""
    against_tokens: str = Asked.against
    opacity: float = same(View, "opacity")
    threshold: float | None = same(View, "threshold")
    colormap: str = same(View, "colormap")
    normalize: str = same(View, "normalize")
    resample: str = same(View, "resample")
    npz: bool = False
    save: bool = False


def parse_request(kind: type[Request], values: dict[str, Any]) -> Request:
    """Return the request of this kind that the values of a JSON object make.

    Raises:
        SettingError: a name is unknown or missing, or a value has the wrong type.
    """
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in known:
            raise SettingError(strings.unknown_name(name, tuple(known)))
        if not _has_type(value, _type_name(known[name])):
            raise SettingError(strings.wrong_type(name, value, _JSON_TYPES[_type_name(known[name])]))
    missing = [name for name, one in known.items() if one.default is MISSING and name not in values]
    if missing:
        raise SettingError(strings.missing_names(missing))
    return kind(**values)


def _type_name(one: Field[Any]) -> str:
    """Return the name of the field's type; an optional value is left out, never null."""
    return str(one.type).removesuffix(" | None")


def _has_type(value: Any, name: str) -> bool:
    if name == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value).__name__ == name


def schema(kind: type[Any]) -> dict[str, Any]:
    """Return the JSON schema of a request of this kind."""
    properties: dict[str, dict[str, Any]] = {}
    for one in fields(kind):
        properties[one.name] = {"type": _JSON_TYPES[_type_name(one)]}
        if one.default is not MISSING and one.default is not None:
            properties[one.name]["default"] = one.default
        properties[one.name] |= _described(settings_of(kind).get(one.name))
    required = [one.name for one in fields(kind) if one.default is MISSING]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _described(facts: Setting | None) -> dict[str, Any]:
    """Return a setting's help and range in the words of JSON schema."""
    if facts is None:
        return {}
    found = {
        "description": facts.help,
        "enum": list(facts.choices),
        "minimum": facts.low,
        "maximum": facts.high,
    }
    return {name: value for name, value in found.items() if value not in (None, [])}


def tokenize(backend: Backend, request: TokensRequest) -> dict[str, Any]:
    """Return the tokens of a prompt, as the loaded checkpoint reads it."""
    return {"tokens": [asdict(token) for token in backend.tokenize(request.prompt)]}


def visualize(backend: Backend, request: VisualizeRequest) -> dict[str, Any]:
    """Run one denoising pass over an image; return a picture as PNG, its infotext, and the maps if asked."""
    image = _image(request.image)
    picture_settings = _picture_settings(request)
    settings = picture_settings.settings()
    named = {"words": request.words, "against": request.against, "against_tokens": request.against_tokens}
    settings |= {name: value for name, value in named.items() if value}
    check_mode(picture_settings.mode, settings.get("against"), settings.get("against_tokens"))
    View(**{one.name: getattr(request, one.name) for one in fields(View)})  # raises before the pass
    # Without npz only the picture's sites are read, and the pass ends at the last one.
    sites = None if request.npz else settings.get("sites")
    numbers = (request.timestep, request.noise, request.seed)
    maps = backend.run(image, request.prompt, *numbers, _ignore_progress, sites, request.refine)
    picture, infotext = render(maps, image, **settings), _infotext(maps, picture_settings, request)
    answer = {"model": maps.provenance.model, "notes": list(maps.provenance.notes), "infotext": str(infotext)}
    if request.save and backend.keep is not None:
        answer["saved"] = backend.keep(picture, infotext)
    return {**answer, "png": _base64(_png(picture, infotext)), **(_files(maps) if request.npz else {})}


def _picture_settings(request: VisualizeRequest) -> Asked:
    """Return the request's settings of the picture, all but its words."""
    same = {one.name: getattr(request, one.name) for one in fields(Asked) if hasattr(request, one.name)}
    threshold = usual_threshold(request.refine) if request.threshold is None else request.threshold
    own = {"selection": request.tokens, "against": request.against_tokens, "threshold": threshold}
    return Asked(**{**same, **own})


def _infotext(maps: AttentionMaps, settings: Asked, request: VisualizeRequest) -> Infotext:
    """Return the picture's infotext, which records words as their token indices."""
    selection = _indices(maps, request.words) or settings.selection
    against = _indices(maps, request.against) or settings.against
    return written([maps], replace(settings, selection=selection, against=against))


def _indices(maps: AttentionMaps, words: str) -> str:
    found = [index for word in find_words(maps.tokens, words) for index in word.tokens] if words else []
    return ", ".join(map(str, found))


def _ignore_progress(fraction: float, what: str) -> None:
    """Ignore the progress of a pass: the webui's own progress shows it."""


def _image(text: str) -> Image.Image:
    """Read an image from base64 or a data URL. Raises ImageError for anything else."""
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
    """Return the maps as an npz in base64, and the JSON that belongs beside it."""
    with tempfile.TemporaryDirectory(prefix="vxa-") as folder:
        path = write_maps(maps, Path(folder) / "maps.npz")
        return {"npz": _base64(path.read_bytes()), "json": sidecar_path(path).read_text("utf-8")}


def _png(picture: Image.Image, infotext: Infotext) -> bytes:
    content, info = io.BytesIO(), PngInfo()
    info.add_itxt("parameters", str(infotext))
    picture.save(content, "PNG", pnginfo=info)
    return content.getvalue()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
