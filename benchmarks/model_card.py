"""Figures of papercut's report, written into MODEL_CARD.md.

python benchmarks/model_card.py
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REPORT = HERE / "reports" / "papercut.json"
CARD = HERE.parent / "MODEL_CARD.md"
REPORTED = "reported"
OPEN, CLOSE = "<!-- figures -->", "<!-- /figures -->"


def with_figures(card: str, report: dict[str, Any]) -> str:
    """Return the card's text with a new table between its two markers."""
    before, rest = card.split(OPEN)
    return f"{before}{OPEN}\n\n{table(report)}\n\n{CLOSE}{rest.split(CLOSE)[1]}"


def table(report: dict[str, Any]) -> str:
    """Return every figure with its bar, as a Markdown table."""
    world, size, vae, judge = report["world"], report["size"], report["autoencoder"], report["judge"]
    made, seen, refined = report["generation"], report["attention"], report["refined"]
    colours = report["colours"]["right"]
    ours = f"VXA, one pass at {seen['sites']}, τ {seen['threshold']}: mIoU"
    rows = [
        ("whole image marked, mIoU of objects", number(world["whole_image_miou"]), "≤ 0.15"),
        ("centre prior, mIoU of objects", number(world["centre_prior_miou"]), "≤ 0.25"),
        ("median object, share of the image", percent(world["median_object_share"]), "3–12 %"),
        ("scenes with at least two named objects", percent(world["scenes_with_two_objects"]), "≥ 70 %"),
        ("weights of the model", f"{size['megabytes']:.1f} MB", "≤ 24 MB"),
        ("weights of the judge", f"{size['judge_megabytes']:.1f} MB", "≤ 4 MB"),
        ("one UNet row at 256²", f"{size['unet_row_gflop']:.2f} GFLOP", "≤ 3.0 GFLOP"),
        ("loading, beyond the imports", f"{size['load_seconds']:.2f} s", "≤ 2 s"),
        ("autoencoder, PSNR at 256²", interval(vae["psnr_db"], 2) + " dB", "≥ 26 dB"),
        ("judge, mIoU on renders", number(judge["miou_renders"]), "≥ 0.85"),
        ("judge, mIoU on reconstructions", number(judge["miou_reconstructions"]), "≥ 0.80"),
        ("judge, false positives, mean over nouns", percent(judge["false_positive_rate"]), "≤ 2 %"),
        ("colours read right, painted things (dev)", number(colours["painted"]), "≥ 0.98"),
        ("colours read right, reconstructed things (dev)", number(colours["reconstructed"]), "≥ 0.98"),
        ("one-noun prompts: the noun is there", interval(made["one_noun_present"]), "≥ 0.97"),
        ("two-noun prompts: both there", interval(made["two_nouns_present"]), "≥ 0.85"),
        ("one coloured noun, in its colour", interval(made["one_coloured_noun_in_its_colour"]), REPORTED),
        ("two coloured nouns: both there", interval(made["two_coloured_nouns_present"]), REPORTED),
        ("… in their colours", interval(made["two_nouns_present_with_their_colours"]), REPORTED),
        (ours, scored(seen["test"]), "≥ 0.50"),
        ("the same: pointing game", number(seen["test"]["pointing"]), "≥ 0.75"),
        ("the same, in colours never seen in training", both(seen["test_words_of_held_out_pairs"]), REPORTED),
        ("the same with another word of the caption", both(seen["shuffled_word"]), "near chance"),
        ("the same on an untrained network", both(seen["untrained_network"]), "near chance"),
        ("whole image, same words", both(seen["whole_image"]), "baseline"),
        ("centre prior, same words", both(seen["centre_prior"]), "baseline"),
        ("the original default: mid block, τ 0.5", both(seen["original_default_mid_block"]), "baseline"),
        (f"refined by self-attention, τ {refined['threshold']}", both(refined["test"]), REPORTED),
    ]  # fmt: skip
    passes = seen["other_passes"]
    rows += [(f"ours, {name} ({row['cases']} words)", both(row), REPORTED) for name, row in passes.items()]
    gains = ", ".join(f"{percent(gain)} at {t}" for t, gain in report["prompt"]["gain_by_timestep"].items())
    rows.append(("error saved by the right caption against another's (dev), by timestep", gains, REPORTED))
    lines = [f"| {name} | {value} | {bar} |" for name, value, bar in rows]
    return "\n".join(["| figure, `test` scenes | measured | bar |", "| --- | --- | --- |", *lines])


def number(value: float) -> str:
    """Format a number with three digits."""
    return f"{value:.3f}"


def percent(value: float) -> str:
    """Format a share in percent."""
    return f"{100 * value:.1f} %"


def interval(values: list[float], digits: int = 3) -> str:
    """Format a mean with its interval: [mean, low, high]."""
    mean, low, high = (f"{v:.{digits}f}" for v in values)
    return f"{mean} ({low}–{high})"


def scored(row: dict[str, Any]) -> str:
    """Format a mean IoU with its interval."""
    return interval([row["miou"], row["low"], row["high"]])


def both(row: dict[str, Any]) -> str:
    """Format mean IoU and pointing game."""
    return f"mIoU {scored(row)}, pointing {number(row['pointing'])}"


def main() -> None:
    """Write the figures into the card."""
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    figures = json.loads(REPORT.read_text("utf-8"))
    CARD.write_text(with_figures(CARD.read_text("utf-8"), figures), "utf-8")


if __name__ == "__main__":
    main()
