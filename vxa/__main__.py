"""The command line as a module: `python -m vxa`."""

from vxa.cli.main import main

main()
