"""The command line: `vxa app`, `show`, `trace`, `attribute`, `compare`, `tokens`, `evaluate` and more.

Nothing heavy is imported before a command needs it. Every user error, usage errors included, ends with exit
status 2 and one line on stderr, and leaves no file.
"""

from __future__ import annotations

import sys
from typing import Any

import typer

from vxa.cli import options
from vxa.cli.console import OneLineErrors, columns, progress, quiet, status
from vxa.cli.model import check_prompt, load_quietly, native_latent, watch_passes
from vxa.cli.outputs import check_outputs, check_passes, check_unused, saved_maps, summary, write_outputs
from vxa.cli.trace import attribute, compare, trace
from vxa.generation.generate import GenerationSettings, make_image
from vxa.io.images import check_image_path, read_image, save_image
from vxa.pictures.render import check_mode, render
from vxa.pictures.view import View

__all__ = ["app", "main"]

app = typer.Typer(
    name="vxa",
    cls=OneLineErrors,
    help="See which pixels a Stable Diffusion model ties to each word of a prompt.",
    no_args_is_help=False,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """The entry point of the `vxa` command."""
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
def open_page(
    model: options.ModelName = "papercut",
    host: options.Host = "127.0.0.1",
    port: options.Port = 7861,
    device: options.Device = "auto",
    browser: options.Browser = True,
) -> None:
    """Serve the page, in which all of this is done by mouse and keyboard."""
    from vxa.cli.app import serve

    serve(model, device, host, port, browser)


@app.command()
def show(
    context: typer.Context,
    image: options.ImagePath,
    prompt: options.OptionalPrompt = None,
    *,
    output: options.Output,
    words: options.Words = None,
    tokens: options.Tokens = None,
    sites: options.Sites = None,
    heads: options.Heads = "mean",
    refine: options.Refine = False,
    mode: options.Mode = "masked",
    against: options.Against = None,
    against_tokens: options.AgainstTokens = None,
    model: options.ModelName = "papercut",
    timestep: options.Timestep = 1,
    timesteps: options.Timesteps = None,
    noise: options.Noise = "none",
    seed: options.Seed = 0,
    max_side: options.MaxSide = 1024,
    normalize: options.Normalize = View.normalize,
    threshold: options.Threshold = View.threshold,
    opacity: options.Opacity = View.opacity,
    colormap: options.Colormap = View.colormap,
    resample: options.Resample = View.resample,
    save: options.Save = None,
    maps: options.SavedMaps = None,
    device: options.Device = "auto",
) -> None:
    """Draw where the model sees some words of PROMPT in IMAGE."""
    selection: dict[str, Any] = {"words": words, "tokens": tokens, "sites": sites or None, "heads": heads}
    selection["refine"] = refine
    compared: dict[str, Any] = {"against": against, "against_tokens": against_tokens}
    view: dict[str, Any] = {
        "normalize": normalize, "threshold": threshold, "opacity": opacity,
        "colormap": colormap, "resample": resample,
    }  # fmt: skip
    # All that can be refused without the model is refused before it is loaded.
    check_outputs(output, save)
    check_passes(mode, timesteps, save, maps)
    check_unused(context, maps)
    check_mode(mode, **compared)
    View(**view)
    picture = read_image(image)
    if maps is not None:
        answered = [saved_maps(maps, prompt)]
    else:
        everything = save is not None or (not sites and mode in ("sites", "matrix"))
        settings = {"noise": noise, "seed": seed, "max_side": max_side, "self_attention": refine}
        wanted = timesteps or "" if mode == "timesteps" else timestep
        answered = watch_passes(model, device, picture, prompt, wanted, sites, everything, settings)
    drawn = render(answered, picture, mode, **selection, **compared, **view)
    rows = summary(answered, answered[0].heat_map(**selection))
    write_outputs(drawn, output, answered[0], save)
    typer.echo(columns(*rows, ("picture", f"{output} ({mode})")))


for command in (trace, attribute, compare):
    app.command()(command)


@app.command()
def tokens(prompt: options.Prompt, model: options.ModelName = "papercut") -> None:
    """List the tokens of PROMPT: their indices, pieces and words."""
    check_prompt(prompt)
    listed = load_quietly(model).tokenize(prompt)
    from vxa.tokens import words as words_of

    texts = {word.tokens[0]: word.text for word in words_of(listed)}
    rows: list[tuple[object, ...]] = []
    for token in listed:
        if token.special == "pad" and rows[-1][3] == "pad":
            rows[-1] = (f"{str(rows[-1][0]).partition('-')[0]}-{token.index}", *rows[-1][1:])
            continue
        rows.append((token.index, token.text, texts.get(token.index, ""), token.special or ""))
    typer.echo(columns(("index", "piece", "word", "special"), *rows))


@app.command()
def sites(model: options.ModelName = "papercut") -> None:
    """List the attention sites of the model; * marks those that are read by default."""
    from vxa.attention.sites import select_sites

    loaded = load_quietly(model)
    size = native_latent(loaded)
    cross = [site for site in loaded.sites if site.kind == "cross"]
    default = set(select_sites(cross, loaded.default_sites, size))
    rows = [
        (
            site.label + ("*" if site in default else ""),
            site.kind,
            site.part,
            site.heads,
            f"f{site.factor}",
            "{}x{}".format(*site.grid(size)) if size else "",
            site.name,
        )
        for site in loaded.sites
    ]
    typer.echo(columns(("label", "kind", "part", "heads", "factor", "grid", "name"), *rows))


@app.command()
def generate(
    prompt: options.Prompt,
    output: options.Output,
    seed: options.Seed = GenerationSettings.seed,
    steps: options.Steps = GenerationSettings.steps,
    guidance: options.Guidance = GenerationSettings.guidance,
    size: options.Size = GenerationSettings.size,
    negative: options.Negative = GenerationSettings.negative,
    model: options.ModelName = "papercut",
    device: options.Device = "auto",
) -> None:
    """Make a picture of PROMPT with the model."""
    check_image_path(output)
    check_prompt(prompt)
    wanted = GenerationSettings(prompt, negative, seed, steps, guidance, size)
    loaded = load_quietly(model, device)
    with progress("denoising", steps) as advance, quiet():
        picture = make_image(loaded, wanted, advance)
    save_image(picture, output)
    typer.echo(
        columns(("picture", str(output)), ("seed", seed), ("size", f"{picture.height}x{picture.width}"))
    )


@app.command()
def scene(
    output: options.OutputFolder,
    seed: options.SceneSeed = 0,
    split: options.Split = "test",
) -> None:
    """Write a papercut scene: picture, caption, parse, and the exact mask of every noun."""
    from vxa.io.scene_folder import write_scene
    from vxa.papercut import scene as make

    made = make(seed, split)
    write_scene(made, output)
    typer.echo(columns(("folder", output), ("caption", made.caption), ("masks", ", ".join(made.masks))))


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


@app.command("export-webui")
def export_webui(folder: options.WebuiFolder) -> None:
    """Write papercut as a checkpoint, with its YAML and CLIP folder, for a webui that has VXA in it."""
    with status("writing papercut"), quiet():
        from vxa.models.ldm.checkpoint import write_checkpoint

        checkpoint = write_checkpoint(folder)
    typer.echo(columns(("checkpoint", checkpoint), ("beside it", "papercut.yaml, papercut-clip")))


if __name__ == "__main__":
    main()
