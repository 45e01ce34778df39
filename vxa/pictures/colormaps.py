"""Perceptually uniform colour maps: equal steps of value look like equal steps of colour.

The tables hold every fifth entry of the 256-entry colour maps inferno, magma and viridis by Stéfan van der
Walt, Nathaniel Smith and Eric Firing (matplotlib's `_cm_listed.py`, public domain under CC0). Interpolated to
256 entries, no channel differs from the original by more than 1.2 of 255.

Differences use VXA's own colour map "balance": straight lines in Oklab from light grey to blue and to burnt
orange. Colour-blind readers can distinguish these hues, and they are equally dark at equal distance from the
middle.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from vxa.errors import SettingError

__all__ = ["DIVERGING", "colormap", "coloured"]

_TABLES = {
    "inferno": (
        "00000402020c0504170a072210092d160b391e0c45260c512f0a5b380962400a67490b6a510e6c59106e61136e69166e"
        "71196e781c6d801f6c88226a902568982766a02a63a82e5fb0315bb73557bf3952c63d4dcc4248d34743d94d3ddf5337"
        "e45a31e9612bed6925f1711ff47918f78212f98b0bfa9407fb9d07fca60cfcb014fbba1ffac42af8cd37f6d746f4e156"
        "f2ea69f2f27df5f992fcffa4"
    ),
    "magma": (
        "00000402020b0504160907200e0b2b140e361a104221114e29115a311165390f6e420f754a107952137c5a167e621980"
        "6a1c81721f81792282812581892881912b81992d80a1307eaa337db2357bba3878c23b75ca3e72d2426fd9466be04c67"
        "e75263ec5860f1605df4695cf7725cf97b5dfb8560fc8e64fd9869fea16efeaa74feb47bfebd82fec68afecf92fed89a"
        "fde2a3fdebacfcf4b6fcfdbf"
    ),
    "viridis": (
        "44015446085c471063481769481d6f482475472a7a46307e453781433d844142873f48893d4e8a3a538b38598c355e8d"
        "33638d31688e2e6d8e2c718e2a768e297b8e27808e25848e23898e218e8d20928c1f978b1e9c891fa18821a58524aa83"
        "28ae802eb37c35b7793dbc7446c06f50c46a5ac86465cb5e70cf577cd25089d54895d840a2da37b0dd2fbddf26cae11f"
        "d8e219e5e419f1e51dfde725"
    ),
}

DIVERGING = "balance"
"""Colour map for signed differences."""

_TABLES[DIVERGING] = (
    "005ca8236fb44483c06096cc7ca9d798bce2b5cfebd3e2f3f5f5f5f1dbd2e8c3b3ddab95d19479c47d5db66641a84f22993700"
)


@cache
def colormap(name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the table uint8 [256, 3] of one of `View`'s maps or DIVERGING. Raises SettingError."""
    if name not in _TABLES:
        raise SettingError(f"there is no colour map {name!r}; choose one of {', '.join(_TABLES)}")
    points = np.frombuffer(bytes.fromhex(_TABLES[name]), np.uint8).reshape(-1, 3)
    at = np.linspace(0, 255, len(points))
    channels = [np.interp(np.arange(256), at, points[:, channel]) for channel in range(3)]
    table = np.stack(channels, axis=1).round().astype(np.uint8)
    table.flags.writeable = False  # all callers share it
    return table


def coloured(values: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return uint8 colours [height, width, 3] for values clipped to [0, 1]; NaN gets the lowest colour."""
    levels = np.fmin(np.fmax(values, 0.0), 1.0) * 255.0 + 0.5  # fmax ignores NaN
    return np.asarray(np.take(colormap(name), levels.astype(np.uint8), axis=0))
