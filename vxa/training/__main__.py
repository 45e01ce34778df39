"""Training of papercut's weights: `python -m vxa.training vae|decoder|latents|unet|judge|ship`.

    python -m vxa.training vae
    python -m vxa.training latents --part 0 --scenes 6000
    torchrun --nproc-per-node 2 -m vxa.training unet
    python -m vxa.training judge
    python -m vxa.training decoder
    python -m vxa.training ship

On one GPU, without `latents`, on scenes that are rendered meanwhile:

    python -m vxa.training unet --device cuda --stream --from-shipped
    python -m vxa.training decoder --device cuda --stream --from-shipped

Everything is kept in --folder. An interrupted step resumes from its checkpoint when it is called again.
`--from-shipped` starts from the weights in the package, with a new warm-up, also on another machine.
"""

from __future__ import annotations

import argparse
import inspect
import os
from pathlib import Path

from torch import distributed

from vxa.errors import SettingError

from .steps import STEPS


def main(arguments: list[str] | None = None) -> None:
    """Run the step that the command line names, with the options that it takes."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    what, streamed = given.pop("what"), given.pop("stream", False)
    name = f"{what} --stream" if streamed else what
    if name not in STEPS:
        parser.error(f"there is no {name}; unet and decoder can be trained on a stream")
    step = STEPS[name]
    takes = inspect.signature(step).parameters
    unread = [_option(option) for option in given if option not in takes]
    if unread:
        options = ", ".join(sorted(map(_option, takes)))
        parser.error(f"{name} does not take {', '.join(unread)}; it takes {options}")
    given["folder"].mkdir(parents=True, exist_ok=True)
    if "RANK" in os.environ:
        distributed.init_process_group("gloo")
    try:
        step(**given)
    except SettingError as error:
        parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    """Build the parser; an option that is not given has no value, for its default is the step's."""
    parser = argparse.ArgumentParser(
        prog="python -m vxa.training",
        description=__doc__.split("\n")[0],
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("what", choices=[name for name in STEPS if " " not in name])
    parser.add_argument("--folder", type=Path, default=Path("runs/papercut"))
    parser.add_argument("--device", help="cuda where there is one, else cpu")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=_positive, help="number of steps (each training has its own default)")
    parser.add_argument("--rate", type=float, help="peak learning rate")
    parser.add_argument("--scenes", type=_positive, help="number of scenes to render")
    parser.add_argument("--part", type=int, help="number of the part of the latents to make")
    parser.add_argument("--crops", type=float, help="share of the UNet's steps on windows")
    parser.add_argument("--from-shipped", action="store_true", help="start from the package's weights")
    parser.add_argument("--stream", action="store_true", help="train on scenes that are rendered meanwhile")
    parser.add_argument("--batch", type=_positive, help="samples in a step on a stream")
    parser.add_argument("--workers", type=_positive, help="processes that render for a stream")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return number


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


if __name__ == "__main__":
    main()
