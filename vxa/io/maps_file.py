"""Saved maps: `maps.npz` with the queries and keys (or the sums of a trace), and `maps.json` with the rest.

    write_maps(maps, "maps.npz")
    read_maps("maps.npz").heat_map("hat")

Maps that were read give the same heat maps as those that were written, bit for bit. The JSON holds a digest
of the npz, so that two files that do not belong together are rejected. Nothing is unpickled.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from vxa.attention.sites import Kind, Part, Site
from vxa.errors import MapsFileError
from vxa.io.atomic import atomic_file, check_folder_writable, restored_on_failure
from vxa.io.npz import StoredArrays, digest_of
from vxa.io.records import check_record, pack_record, pair, unpack_record
from vxa.maps.attention_maps import AttentionMaps, Provenance
from vxa.maps.region import Region
from vxa.maps.steps import StepBin, check_steps
from vxa.tokens import Special, Token

__all__ = ["SCHEMA", "check_maps_path", "read_maps", "sidecar_path", "write_maps"]

SCHEMA = 3
"""Version of the file layout; it grows when an older VXA would misread the new files."""

# The lowest that says all is written, so that an older VXA can read what it understands.
_PASS_SCHEMA, _TRACE_SCHEMA = 1, 2

_FORMAT = "vxa-maps"
_MAX_SIDECAR = 64 * 2**20
# Exceptions raised while building values from an untrusted JSON.
_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


def sidecar_path(path: str | Path) -> Path:
    """Return the path of the JSON that belongs to an npz."""
    return Path(path).with_suffix(".json")


def check_maps_path(path: str | Path) -> Path:
    """Return the path if maps can be written there. Raises MapsFileError otherwise."""
    path = Path(path)
    if path.suffix != ".npz":
        raise MapsFileError(f"cannot write maps to {str(path)!r}: end the file name in .npz")
    if not os.path.isdir(path.parent):
        raise MapsFileError(
            f"cannot write maps to {str(path)!r}: there is no folder {str(path.parent)!r}; create it"
        )
    try:
        check_folder_writable(path.parent)
    except OSError as error:
        raise MapsFileError(f"cannot write maps to {str(path)!r}: {error.strerror or error}") from error
    return path


def write_maps(maps: AttentionMaps, path: str | Path) -> Path:
    """Write the npz and its JSON, both or neither, and return the path of the npz.

    If one cannot be written completely, neither appears, and an older pair stays.

    Raises MapsFileError for a path that cannot be written, or a record of a type that cannot be saved.
    """
    path = check_maps_path(path)
    arrays, header = _pack(maps)
    try:
        # The files are closed in reverse order: the npz is in place before the JSON with its digest.
        with ExitStack() as older, atomic_file(sidecar_path(path)) as sidecar, atomic_file(path) as archive:
            np.savez(archive, **arrays)  # type: ignore[arg-type]
            header["digest"] = digest_of(archive)
            sidecar.write(json.dumps(header, indent=1, allow_nan=False).encode("ascii"))
            for each in (path, sidecar_path(path)):  # either may be refused, by Windows say
                older.enter_context(restored_on_failure(each))
    except OSError as error:
        reason = error.strerror or error
        raise MapsFileError(f"cannot write maps to {str(path)!r}: {reason}; choose another place") from error
    return path


def read_maps(path: str | Path) -> AttentionMaps:
    """Read the maps in an npz and the JSON beside it.

    Raises MapsFileError if a file is missing, damaged, truncated or of another schema, or if the two do not
    belong together.
    """
    path = Path(path)
    header = _header(path)
    try:
        with open(path, "rb") as archive:
            if digest_of(archive) != header.get("digest"):
                raise _bad(path, f"it is damaged, or {sidecar_path(path).name} is of other maps")
            with zipfile.ZipFile(archive) as members:
                return _unpack(header, StoredArrays(members, os.fstat(archive.fileno()).st_size))
    except MapsFileError:
        raise
    except OSError as error:
        raise _bad(path, f"{error.strerror or error}") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, *_MALFORMED) as error:
        raise _bad(
            path, f"it does not hold what VXA writes ({' '.join(str(error).split())[:120]})"
        ) from error


def _pack(maps: AttentionMaps) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays by name, and everything else as plain JSON values."""
    arrays: dict[str, NDArray[Any]] = {}
    records = []
    sites = (*maps.sites, *maps.self_sites)
    for number, site in enumerate(sites):
        stored, entry = pack_record(number, maps.records[site.name])
        arrays |= stored
        records.append(entry)
    provenance = asdict(maps.provenance)
    if provenance["last_timestep"] is None:
        del provenance["last_timestep"]  # schema 1 does not have it
    image = provenance.pop("image")  # outside of the provenance, where an older VXA does not look
    steps = {"steps": [asdict(each) for each in maps.steps]} if maps.steps else {}
    region = {"region": asdict(maps.region)} if maps.region else {}
    return arrays, {
        "format": _FORMAT,
        "schema": _schema_of(maps),
        "provenance": provenance,
        **({} if image is None else {"image": image}),
        "image_size": maps.image_size,
        "extent": maps.extent,
        "latent_size": maps.latent_size,
        "default_sites": maps.default_sites,
        "sites": [asdict(site) for site in sites],
        "tokens": [asdict(token) for token in maps.tokens],
        "records": records,
        **steps,
        **region,
    }


def _schema_of(maps: AttentionMaps) -> int:
    if maps.region is not None:
        return SCHEMA
    return _TRACE_SCHEMA if maps.steps or maps.self_sites else _PASS_SCHEMA


def _region(header: dict[str, Any]) -> Region | None:
    """Return the region in the header. Raises ValueError or TypeError if it is none within the image."""
    stored = header.get("region")
    if stored is None:
        return None
    shown = tuple(float(part) for part in stored["shown"])
    region = Region(**{**stored, "shown": shown})
    height, width = pair(header["image_size"], int)
    sides = (region.left, region.top, region.right, region.bottom)
    if not all(type(side) is int for side in sides) or len(shown) != 4:
        raise ValueError("the region has no whole numbers")
    within = 0 <= region.left < region.right <= width and 0 <= region.top < region.bottom <= height
    if not within or not (0 <= shown[0] < shown[2] <= 1 and 0 <= shown[1] < shown[3] <= 1):
        raise ValueError("the region is not in the image")
    return region


def _unpack(header: dict[str, Any], arrays: StoredArrays) -> AttentionMaps:
    sites = tuple(Site(**site) for site in header["sites"])
    tokens = tuple(Token(**token) for token in header["tokens"])
    provenance = header["provenance"]
    maps = AttentionMaps(
        sites=tuple(site for site in sites if site.kind == "cross"),
        tokens=tokens,
        image_size=pair(header["image_size"], int),
        extent=pair(header["extent"], float),
        latent_size=pair(header["latent_size"], int),
        provenance=Provenance(
            **{**provenance, "notes": tuple(provenance["notes"]), "image": header.get("image")}
        ),
        records={
            site.name: unpack_record(number, entry, arrays)
            for number, (site, entry) in enumerate(zip(sites, header["records"], strict=True))
        },
        default_sites=header["default_sites"],
        self_sites=tuple(site for site in sites if site.kind == "self"),
        steps=tuple(StepBin(**each) for each in header.get("steps", ())),
        region=_region(header),
    )
    _check(maps)
    return maps


def _check(maps: AttentionMaps) -> None:
    """Raise ValueError unless the parts are consistent, so that no heat map can fail later."""
    if not maps.sites or [token.index for token in maps.tokens] != list(range(len(maps.tokens))):
        raise ValueError("no sites, or tokens out of order")
    _check_values(maps)
    if min(*maps.image_size, *maps.latent_size) < 1 or not all(0 < part <= 1 for part in maps.extent):
        raise ValueError("sizes out of range")
    maps.select_sites()
    check_steps(maps.steps)
    for site in (*maps.sites, *maps.self_sites):
        keys = len(maps.tokens) if site.kind == "cross" else math.prod(site.grid(maps.latent_size))
        check_record(site, maps.records[site.name], maps.latent_size, keys, len(maps.steps))


def _check_values(maps: AttentionMaps) -> None:
    """Raise ValueError unless each value has the type that VXA writes; a wrong one would be displayed."""
    tokens, sites, source = maps.tokens, (*maps.sites, *maps.self_sites), maps.provenance
    texts = [maps.default_sites, source.model, source.prompt, source.noise, *source.notes]
    texts += [*source.versions.values(), *(token.text for token in tokens)]
    texts += [] if source.image is None else [source.image]
    texts += [text for site in sites for text in (site.name, site.label)]
    whole = [source.timestep, *(token.id for token in tokens)]
    whole += [number for number in (source.seed, source.last_timestep) if number is not None]
    whole += [token.word for token in tokens if token.word is not None]
    whole += [number for site in sites for number in (site.index, site.heads, site.factor)]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("texts are not strings")
    if not all(type(number) is int for number in whole):
        raise ValueError("numbers are not whole numbers")
    if not all(type(token.weight) in (int, float) for token in tokens):
        raise ValueError("weights are not numbers")
    if not {token.special for token in tokens} <= {None, *get_args(Special)}:
        raise ValueError("tokens are of an unknown kind")
    if not all(site.kind in get_args(Kind) and site.part in get_args(Part) for site in sites):
        raise ValueError("sites are of an unknown kind")


def _header(path: Path) -> dict[str, Any]:
    """Return the JSON beside the npz. Raises MapsFileError unless it is VXA's and of a known schema."""
    if not os.path.isfile(path):
        raise MapsFileError(
            f"there is no file {str(path)!r}; check the path, or make the maps with vxa show --save"
        )
    if path.suffix != ".npz":
        raise MapsFileError(f"{str(path)!r} is no file of maps; give the .npz that --save wrote")
    sidecar = sidecar_path(path)  # a path without a file name, such as ".", fails above
    if not os.path.isfile(sidecar):
        raise _bad(path, f"there is no file {str(sidecar)!r}")
    if os.path.getsize(sidecar) > _MAX_SIDECAR:
        raise _bad(path, f"{sidecar.name} is larger than {_MAX_SIDECAR // 2**20} MB")
    try:
        header = json.loads(sidecar.read_bytes())
    except OSError as error:
        raise _bad(path, f"{sidecar.name}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"{sidecar.name} is damaged or no JSON") from error
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise _bad(path, f"{sidecar.name} was not written by VXA")
    if header.get("schema") not in (_PASS_SCHEMA, _TRACE_SCHEMA, SCHEMA):
        found = str(header.get("schema"))[:20]
        raise MapsFileError(
            f"cannot read maps {str(path)!r}: its schema is {found} and this VXA reads up to {SCHEMA}; "
            "install the version of VXA that wrote it, or make the maps again"
        )
    return header


def _bad(path: Path, reason: str) -> MapsFileError:
    return MapsFileError(f"cannot read maps {str(path)!r}: {reason}; make them again with --save")
