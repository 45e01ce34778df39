"""Compare two runs of one seed, with and without a LoRA: both maps of a word, and their signed difference.

python compare_a_lora.py [MODEL [LORA]]      Without a LORA a random one is made, which has learned nothing.
"""

import sys

import torch
from peft import LoraConfig

import vxa

PROMPT = "a boy wearing a blue hat"
model = vxa.load(sys.argv[1] if len(sys.argv) > 1 else "papercut")
without = vxa.generate(model, PROMPT, seed=2, trace=True)
if len(sys.argv) > 2:
    model.pipeline.load_lora_weights(sys.argv[2])
else:
    torch.manual_seed(0)  # random weights show how to compare, and no style
    model.pipeline.unet.add_adapter(LoraConfig(init_lora_weights=False, target_modules=["to_q", "to_k"]))
adapted = vxa.generate(model, PROMPT, seed=2, trace=True)
picture = vxa.compare(without.maps[0], adapted.maps[0], without.image, adapted.image, words="hat")
picture.save("compare_a_lora.png")
print("wrote compare_a_lora.png")
