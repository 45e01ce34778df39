"""`vxa evaluate`: the accuracy of the maps, measured on papercut."""

from __future__ import annotations

from pathlib import Path

from vxa.cli.console import progress, quiet
from vxa.cli.model import load_quietly
from vxa.errors import SettingError
from vxa.models.settings import LoadSettings

__all__ = ["evaluated"]


def evaluated(
    methods: str | None, split: str, scenes: int, generated: int, seed: int, report: Path | None
) -> str:
    """Return the Markdown tables, after writing the report's folder if one is named."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise SettingError("vxa evaluate needs scikit-learn; run pip install scikit-learn") from None
    from vxa.papercut.scene import SPLITS
    from vxa.study.bench import NAMES, run
    from vxa.study.evaluate import Plan
    from vxa.study.report import markdown, write_report

    if split not in SPLITS:
        raise SettingError(f"there is no split {split!r}; choose one of {', '.join(SPLITS)}")
    for name, count in (("scenes", scenes), ("generated", generated), ("seed", seed)):
        if count < 0:
            raise SettingError(f"{name} {count} is not allowed; give a whole number from 0")
    if scenes + generated == 0:
        raise SettingError("there is nothing to measure; give --scenes or --generated from 1")
    named = tuple(part.strip() for part in methods.split(",")) if methods else NAMES
    plan = Plan(named, split, scenes, generated, seed=seed)  # type: ignore[arg-type]
    _check_folder(report)
    model = load_quietly("papercut", LoadSettings(device="cpu"))
    with progress("pictures", plan.pictures) as advance, quiet():
        found, pictures = run(model, plan, advance)  # type: ignore[arg-type]
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        write_report(found, pictures, report)
    return markdown(found)


def _check_folder(folder: Path | None) -> None:
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingError(f"{str(folder)!r} is there and not an empty folder; name a new one")
