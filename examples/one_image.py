"""Draw where a model sees the words of a prompt in one image.

python one_image.py [MODEL [IMAGE PROMPT]]
"""

import sys
from pathlib import Path

import vxa

source = sys.argv[1] if len(sys.argv) > 1 else "papercut"
image, prompt = Path(__file__).with_name("figure.png"), "a boy wearing a red hat and his white cat"
if len(sys.argv) > 3:
    image, prompt = sys.argv[2:4]

maps = vxa.visualize(source, image, prompt)  # one denoising pass
vxa.render(maps, image, "words").save("one_image.png")
vxa.write_maps(maps, "one_image.npz")  # to draw other words later, without the model
print("wrote one_image.png, one_image.npz and one_image.json")
