"""`vxa study`: figures that people can publish, each with its interval."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vxa.cli import options
from vxa.cli.console import progress, quiet
from vxa.cli.model import load_quietly
from vxa.cli.options import with_settings
from vxa.errors import SettingError
from vxa.models.settings import LoadSettings

__all__ = ["study"]

StudyName = Annotated[str, typer.Argument(help="steering.", show_default=False)]
StudyReport = Annotated[
    Path, typer.Option("--report", help="The report's folder: new, or one that a run began, which goes on.")
]
Pictures = Annotated[int, typer.Option("--pictures", help="How many cases of each part.")]
Parts = Annotated[str, typer.Option("--parts", help="Names of its parts, as in edit, style. Blank: all.")]


@with_settings
def study(
    name: StudyName,
    *,
    report: StudyReport,
    pictures: Pictures = 64,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the first case.")] = 0,
    parts: Parts = "",
    model: options.ModelName = "papercut",
    loading: LoadSettings,
) -> None:
    """Run a study and write its report; a run that was stopped goes on where it was."""
    from vxa.study.frame import Plan, run
    from vxa.study.frame_report import markdown
    from vxa.study.steering import STUDY

    studies = {STUDY.name: STUDY}
    if name not in studies:
        raise SettingError(f"there is no study {name!r}; studies are {', '.join(studies)}")
    chosen = tuple(part.strip() for part in parts.split(",") if part.strip())
    plan = Plan(pictures, seed, chosen, model)
    count = pictures * len(studies[name].choose(chosen))
    loaded = load_quietly(model, loading)
    with progress("cases", count) as advance, quiet():
        found = run(studies[name], loaded, plan, report, advance)
    typer.echo(markdown(found))
