"""Random parts of a checkpoint, made with the webui's own libraries: run with its Python, in its folder.

    python random_parts.py OUT.safetensors WANTED.json

WANTED.json describes each part under the prefix of its weights: {"model.diffusion_model.": {"target": …,
"params": {…}}, "cond_stage_model.model.": {"open_clip": "tiny-open-clip"}}.
"""

import importlib
import json
import sys
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

sys.path[:0] = [f"repositories/{name}" for name in ("stable-diffusion-stability-ai", "generative-models")]
open_clip.add_model_config(Path(__file__).parent / "probe" / "clips")


def made(wanted):
    if "open_clip" in wanted:
        model = open_clip.create_model(wanted["open_clip"])
        del model.visual
        return model
    module, _, name = wanted["target"].rpartition(".")
    return getattr(importlib.import_module(module), name)(**wanted["params"])


def main(output, wanted):
    torch.manual_seed(0)
    weights = {}
    for prefix, part in json.loads(Path(wanted).read_text("utf-8")).items():
        for name, weight in made(part).state_dict().items():
            # Weights that training initialises with zero would block every signal.
            filled = weight if weight.count_nonzero() else 0.05 * torch.randn(weight.shape)
            weights[prefix + name] = filled.contiguous().clone()
    save_file(weights, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
