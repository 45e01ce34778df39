"""The command line: `vxa app`, `show`, `trace`, `attribute`, `compare`, `tokens`, `evaluate` and more.

Nothing heavy is imported before a command needs it. Every user error, usage errors included, ends with exit
status 2 and one line on stderr, and leaves no file but an image that was made before it.
"""

from __future__ import annotations

import sys

import typer

from vxa.cli import options
from vxa.cli.console import OneLineErrors
from vxa.cli.controls import controls
from vxa.cli.model import export_webui, sites, tokens
from vxa.cli.options import with_settings
from vxa.cli.scene import scene
from vxa.cli.show import show
from vxa.cli.steer import edit, invert
from vxa.cli.study import study
from vxa.cli.trace import attribute, compare, generate, trace
from vxa.models.settings import LoadSettings

__all__ = ["app", "main"]

app = typer.Typer(
    name="vxa",
    cls=OneLineErrors,
    help="See which pixels a Stable Diffusion model ties to each word of a prompt.",
    no_args_is_help=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the `vxa` command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a prompt may hold what the terminal cannot encode
            stream.reconfigure(errors="backslashreplace")
    app()


@app.callback()
def _root(
    context: typer.Context,
    version: options.Version = False,
) -> None:
    if version:
        from vxa.version import __version__

        typer.echo(f"vxa {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("app")
@with_settings
def open_page(
    model: options.ModelNames = [],  # noqa: B006
    models: options.ModelFolders = [],  # noqa: B006
    *,
    loading: LoadSettings,
    host: options.Host = "127.0.0.1",
    port: options.Port = 7861,
    browser: options.Browser = True,
) -> None:
    """Serve the page, in which all of this is done by mouse and keyboard."""
    from vxa.cli.app import serve

    serve(model, models, loading, host, port, browser)


for command in (show, trace, attribute, compare, generate, invert, edit, controls, tokens, sites, scene):
    app.command()(command)


@app.command()
def evaluate(
    methods: options.Methods = None,
    split: options.Split = "test",
    scenes: options.Scenes = 200,
    generated: options.Generated = 60,
    seed: options.FirstSeed = 0,
    report: options.ReportFolder = None,
) -> None:
    """Measure how true the maps are, ours and others', against what papercut's pictures show."""
    from vxa.cli.evaluate import evaluated

    typer.echo(evaluated(methods, split, scenes, generated, seed, report))


app.command()(study)
app.command("export-webui")(export_webui)
