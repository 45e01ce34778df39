"""Read a folder of images, each with a caption in a .txt beside it: a picture and a line of JSON for each.

python a_folder.py [MODEL [FOLDER]]      Without a FOLDER, three scenes of papercut are written into a_folder.
"""

import json
import sys
from pathlib import Path

import vxa

model = vxa.load(sys.argv[1] if len(sys.argv) > 1 else "papercut")
folder = Path(sys.argv[2] if len(sys.argv) > 2 else "a_folder")
for seed in range(3 if len(sys.argv) <= 2 else 0):
    scene = vxa.papercut.scene(seed)
    folder.mkdir(exist_ok=True)
    scene.image.save(folder / f"{seed}.png")
    (folder / f"{seed}.txt").write_text(scene.caption, "utf-8")

with open("a_folder.jsonl", "w", encoding="utf-8") as lines:
    for image in sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg", ".webp")):
        maps = vxa.visualize(model, image, image.with_suffix(".txt").read_text("utf-8").strip())
        vxa.render(maps, image, "words").save(f"a_folder_{image.stem}.png")
        peaks = [[word.text, float(maps.heat_map(tokens=word.tokens).values.max())] for word in maps.words]
        json.dump({"image": image.name, "prompt": maps.provenance.prompt, "peaks": peaks}, lines)
        lines.write("\n")
        print(f"wrote a_folder_{image.stem}.png")
print("wrote a_folder.jsonl")
