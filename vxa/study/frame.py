"""One frame for every study: it makes the cases, keeps what they gave, resumes, and reports with intervals.

    run(steering.STUDY, model, Plan(pictures=64, seed=0), Path("figures"))

A study names its parts; a part draws cases and measures each under several conditions, such as "plain" and
"prompt-to-prompt". Every measured case is one line of `cases.jsonl` in the report's folder, so a run that was
killed goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from vxa.errors import SettingError
from vxa.io.images import save_image
from vxa.study.frame_report import Row, summarize, write_tables
from vxa.version import versions

__all__ = ["Case", "Part", "Plan", "Result", "Study", "run"]

_PICTURES = 4
"""Cases of each part whose pictures are kept."""


@dataclass(frozen=True)
class Case:
    """One case of a part: a seed and what is asked for.

    Attributes:
        seed: of the pictures' noise.
        facts: what was drawn, in words, such as the prompts.
    """

    seed: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Result:
    """Figures of one case under one condition.

    Attributes:
        table: the table that they belong to.
        condition: the condition, as "plain".
        figures: by name; None where the case has none, which is counted as a failure.
    """

    table: str
    condition: str
    figures: Mapping[str, float | None]


@dataclass(frozen=True)
class Part:
    """A part of a study.

    Attributes:
        name: its name on the command line.
        about: what is done, in one sentence.
        figures: each figure's meaning, by name.
        reference: the condition that the others are compared with.
        draw: returns the case of a seed.
        measure: yields the figures of a case and, last, a picture that shows it.
    """

    name: str
    about: str
    figures: Mapping[str, str]
    reference: str
    draw: Callable[[int], Case]
    measure: Callable[[Any, Case], tuple[Sequence[Result], Image.Image]]


@dataclass(frozen=True)
class Study:
    """A study.

    Attributes:
        name: its name on the command line.
        title: its title.
        parts: its parts.
    """

    name: str
    title: str
    parts: tuple[Part, ...]

    def choose(self, names: Sequence[str]) -> tuple[Part, ...]:
        """Return the named parts, or all. Raises SettingError."""
        known = {part.name: part for part in self.parts}
        for name in names:
            if name not in known:
                raise SettingError(f"{self.name} has no part {name!r}; choose some of {', '.join(known)}")
        return tuple(part for part in self.parts if not names or part.name in names)


@dataclass(frozen=True)
class Plan:
    """Extent of a run.

    Attributes:
        pictures: the number of cases of each part.
        seed: the first case's seed.
        parts: the names of the parts; empty for all.
        model: the model's name.
    """

    pictures: int = 64
    seed: int = 0
    parts: tuple[str, ...] = ()
    model: str = "papercut"
    versions: Mapping[str, str] = field(default_factory=versions)

    def __post_init__(self) -> None:
        for name, low in (("pictures", 1), ("seed", 0)):
            if getattr(self, name) < low:
                raise SettingError(
                    f"{name} {getattr(self, name)} is not allowed; give a whole number from {low}"
                )


def run(
    study: Study, model: Any, plan: Plan, folder: Path, advance: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Measure the cases that the folder has not yet, write its report and return it.

    `advance` is called after each case, the ones that were there already too.

    Raises SettingError for a folder that holds something else.
    """
    parts = study.choose(plan.parts)
    kept = _CaseFile(folder, study.name, plan)
    for part in parts:
        for seed in range(plan.seed, plan.seed + plan.pictures):
            if (part.name, seed) not in kept.done:
                case = part.draw(seed)
                measured, picture = part.measure(model, case)
                kept.add(part, case, measured)
                if seed < plan.seed + _PICTURES:
                    save_image(picture, folder / f"{part.name}-{seed}.webp")
            advance()
    report = {
        "study": study.name,
        "title": study.title,
        "plan": asdict(plan),
        "parts": {part.name: summarize(kept.rows(part.name), part.figures, part.reference) for part in parts},
        "about": {part.name: part.about for part in parts},
    }
    pictures = {part.name: sorted(each.name for each in folder.glob(f"{part.name}-*.webp")) for part in parts}
    write_tables(report, pictures, folder)
    return report


class _CaseFile:
    """The measured cases of a report's folder."""

    def __init__(self, folder: Path, study: str, plan: Plan) -> None:
        self._path = folder / "cases.jsonl"
        if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not self._path.exists())):
            raise SettingError(
                f"{str(folder)!r} is there and no folder of a study; name a new one, or one that a run began"
            )
        folder.mkdir(parents=True, exist_ok=True)
        self._study, self._model = study, plan.model
        self._lines = list(self._read())

    @property
    def done(self) -> set[tuple[str, int]]:
        """Part and seed of every case that was measured."""
        return {(line["part"], line["seed"]) for line in self._lines}

    def rows(self, part: str) -> list[Row]:
        """Return what was measured of a part."""
        return [
            Row(line["seed"], each["table"], each["condition"], each["figures"])
            for line in self._lines
            if line["part"] == part
            for each in line["measured"]
        ]

    def add(self, part: Part, case: Case, measured: Sequence[Result]) -> None:
        """Keep a case: a line that was written whole is never lost."""
        line = {
            "study": self._study,
            "model": self._model,
            "part": part.name,
            "seed": case.seed,
            "facts": dict(case.facts),
            "measured": [asdict(each) for each in measured],
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._lines.append(line)

    def _read(self) -> Iterator[dict[str, Any]]:
        if not self._path.exists():
            return
        text = self._path.read_text("utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:  # the run was killed while it wrote a line
            self._path.write_text(whole, "utf-8")
        for line in whole.splitlines():
            found: dict[str, Any] = json.loads(line)
            if (found["study"], found["model"]) != (self._study, self._model):
                raise SettingError(
                    f"{str(self._path.parent)!r} holds the study {found['study']} of {found['model']}; name "
                    "another folder"
                )
            yield found
