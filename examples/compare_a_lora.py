"""Compare two runs of one seed, with and without a LoRA: both maps of a word, and their signed difference.

python compare_a_lora.py [MODEL [LORA]]      Without a LORA a random one is made, which has learned nothing.
"""

import sys

import torch
from peft import LoraConfig

import vxa


def run(model):
    noise = torch.Generator("cpu").manual_seed(2)
    with vxa.trace(model) as trace:
        result = trace.pipeline("a boy wearing a blue hat", num_inference_steps=20, generator=noise)
    return trace.maps[0], result.images[0]


model = vxa.load(sys.argv[1] if len(sys.argv) > 1 else "papercut")
maps, image = run(model)
if len(sys.argv) > 2:
    model.pipeline.load_lora_weights(sys.argv[2])
else:
    torch.manual_seed(0)  # random weights show how to compare, and no style
    model.pipeline.unet.add_adapter(LoraConfig(init_lora_weights=False, target_modules=["to_q", "to_k"]))
maps_with, image_with = run(model)
vxa.compare(maps, maps_with, image, image_with, words="hat").save("compare_a_lora.png")
print("wrote compare_a_lora.png")
