"""Entry point of the command line: `vxa`, or `python -m vxa`."""

from __future__ import annotations

import sys

from vxa.version import __version__

__all__ = ["main"]


def main() -> None:
    """Run the command line; end in one line where Ctrl+C is pressed, also while libraries load."""
    try:
        if sys.argv[1:] == ["--version"]:  # typer takes longer to load than this answer
            print(f"vxa {__version__}")  # noqa: T201
            return
        from vxa.cli.main import main as run

        run()
    except KeyboardInterrupt:
        print("vxa: interrupted", file=sys.stderr)  # noqa: T201  typer may not be loaded yet
        sys.exit(130)  # as shells say of a program that Ctrl+C ended


if __name__ == "__main__":
    main()
