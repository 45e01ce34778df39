"""Output of the command line: errors in one line, progress on stderr, tables on stdout."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import typer
from typer.core import TyperGroup

from vxa.errors import VxaError

__all__ = ["OneLineErrors", "columns", "note", "progress", "quiet", "status"]

USER_ERROR = 2
INTERRUPTED = 130  # as shells say of a program that Ctrl+C ended

# Typer has carried its own copy of click since 0.20 or so; its bases are the same classes by name.
_UsageError: Any = typer.BadParameter.__bases__[0]


class OneLineErrors(TyperGroup):
    """Command group that ends every user error with exit status 2 and one line on stderr.

    Anything else is a defect and keeps its traceback.
    """

    def main(self, args: Any = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Run a command, its errors in one line."""
        if not extra.pop("standalone_mode", True):
            return super().main(args, prog_name, standalone_mode=False, **extra)
        try:
            result = super().main(args, prog_name, standalone_mode=False, **extra)
        except _UsageError as error:
            _fail(self._usage(error, sys.argv[1:] if args is None else list(args)))
        except VxaError as error:
            _fail(str(error))
        except typer.Abort:
            result = INTERRUPTED
        if result == INTERRUPTED:  # typer makes an exit status of Ctrl+C; vxa.__main__ says it
            raise KeyboardInterrupt
        sys.exit(result if isinstance(result, int) else 0)

    def _usage(self, error: Any, args: list[str]) -> str:
        """Return what was given, what is allowed and where to read on."""
        message = error.format_message().rstrip(".") + _given(error, args) + _example(error)
        command = [name for name in args[:1] if name in self.commands]  # the error does not always know it
        if not command:
            message += f"; commands are {', '.join(self.commands)}"
        return f"{message}; see {' '.join(['vxa', *command])} --help".replace("?;", "? The")


def _given(error: Any, args: list[str]) -> str:
    """Return the value of the option that the error is about, if its message leaves it out."""
    for name in getattr(getattr(error, "param", None), "opts", ()):
        for argument, following in zip(args, [*args[1:], ""], strict=True):
            if argument == name or argument.startswith(f"{name}="):
                value = following if argument == name else argument.partition("=")[2]
                return f" (given {value!r})"
    return ""


_EXAMPLES = {
    "prompt": 'a text such as "a red hat"',
    "source": 'what the image shows, such as "a cat on a bed"',
    "target": 'what it is to show, such as "a dog on a bed"',
    "output": "-o out.png",
    "image": "the path of an image",
}


def _example(error: Any) -> str:
    """Return what to give, where an argument or option is missing."""
    missing = type(error).__name__ == "MissingParameter"
    example = _EXAMPLES.get(getattr(getattr(error, "param", None), "name", ""))
    return f"; give {example}" if missing and example else ""


def _fail(message: str) -> None:
    typer.echo(f"vxa: {' '.join(message.split())}", err=True)
    sys.exit(USER_ERROR)


def note(message: str) -> None:
    """Say something on stderr, in one line."""
    typer.echo(f"vxa: {' '.join(message.split())}", err=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep third parties' warnings, log lines and bars off the terminal; show them when the block fails.

    A VxaError says all there is to say, so then they are dropped as well.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    noise = io.StringIO()
    terminal = sys.stderr
    try:
        with warnings.catch_warnings(), redirect_stderr(noise), redirect_stdout(noise):
            warnings.simplefilter("ignore")
            yield
    except VxaError:
        raise
    except Exception:
        terminal.write(noise.getvalue())
        raise


@contextmanager
def status(text: str) -> Iterator[None]:
    """Show a spinner with the text on stderr, where that is a terminal."""
    from rich.console import Console

    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield
        return
    with console.status(text):
        yield


@contextmanager
def progress(text: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr, where that is a terminal; call what it yields once for each of `total` steps."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(text, total=total)
        yield lambda: bar.advance(task)


def columns(*rows: Sequence[object]) -> str:
    """Return the rows as aligned text, never cut, so that it reads the same through a pipe."""
    from rich.cells import cell_len

    table = [[str(cell) for cell in row] for row in rows]
    widths = [max(cell_len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = (
        "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        for row in table
    )
    return "\n".join(line.rstrip() for line in lines)
