"""Trace a diffusers pipeline of your own: VXA watches while you call it as you always do.

python your_own_pipeline.py [MODEL]
"""

import sys

import torch
from diffusers import DiffusionPipeline, EulerDiscreteScheduler

import vxa

if len(sys.argv) > 1:
    pipeline = DiffusionPipeline.from_pretrained(sys.argv[1], torch_dtype=torch.float32)
else:
    pipeline = vxa.load("papercut").pipeline  # a StableDiffusionPipeline
pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)

noise = torch.Generator("cpu").manual_seed(5)
with vxa.trace(pipeline, negative=True) as trace:
    images = pipeline("a red hat", negative_prompt="a cat", num_inference_steps=12, generator=noise).images

hat, cat = trace.maps[0].heat_map("hat"), trace.negative_maps[0].heat_map("cat")
print(f"hat reaches {hat.values.max():.3f}; cat, in the negative prompt, {cat.values.max():.3f}")
vxa.render(trace.maps[0], images[0], "overlay", words="hat").save("your_own_pipeline.png")
print("wrote your_own_pipeline.png")
