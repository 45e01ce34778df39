"""Generate an image and draw what each word of the prompt painted, over all steps.

python a_generation.py [MODEL [PROMPT]]
"""

import sys

import vxa

source = sys.argv[1] if len(sys.argv) > 1 else "papercut"
prompt = sys.argv[2] if len(sys.argv) > 2 else "a boy wearing a blue hat, a tree, grass"

result = vxa.generate(source, prompt, seed=2, trace=True)
result.image.save("a_generation.png")
vxa.render(result.maps, result.image, "words").save("a_generation_words.png")
print("wrote a_generation.png and a_generation_words.png")
