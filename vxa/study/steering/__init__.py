"""The steering study: what each control changes, and what it leaves, beside the same seed without it.

Pictures are judged by papercut's judge, which never sees attention.
"""

from __future__ import annotations

from vxa.study.frame import Study
from vxa.study.steering.appearances import APPEARANCES
from vxa.study.steering.edits import EDITS
from vxa.study.steering.inversions import INVERSIONS
from vxa.study.steering.styles import STYLES

__all__ = ["STUDY"]

STUDY = Study(
    "steering", "What steering changes, and what it leaves", (EDITS, STYLES, APPEARANCES, INVERSIONS)
)
