"""`vxa scene`: a scene of papercut as a folder with its exact masks, or as a picture alone."""

from __future__ import annotations

import typer

from vxa.cli import options
from vxa.cli.console import columns
from vxa.errors import SettingError

__all__ = ["scene"]


def scene(
    output: options.SceneOutput,
    seed: options.SceneSeed = 0,
    split: options.Split = "test",
) -> None:
    """Write a papercut scene: picture, caption, parse, and the exact mask of every noun."""
    from vxa.io.images import check_image_path, is_image_path, save_image
    from vxa.io.scene_folder import write_scene
    from vxa.papercut import scene as make

    check_scene(seed, split)
    picture_alone = is_image_path(output) and not output.is_dir()
    if picture_alone:
        check_image_path(output)
    made = make(seed, split)
    if picture_alone:
        save_image(made.image, output)
        typer.echo(columns(("picture", output), ("caption", made.caption)))
        return
    write_scene(made, output)
    typer.echo(columns(("folder", output), ("caption", made.caption), ("masks", ", ".join(made.masks))))


def check_scene(seed: int, split: str) -> None:
    """Raise SettingError for a scene that there is not."""
    from vxa.papercut.scene import SPLITS

    if seed < 0:
        raise SettingError(f"seed {seed} is out of range; give a whole number of 0 or more")
    if split not in SPLITS:
        raise SettingError(f"there is no split {split!r}; choose one of {', '.join(SPLITS)}")
