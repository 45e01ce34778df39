"""The command line: `vxa show`, `trace`, `app` and the other commands (`vxa.cli.main`)."""
