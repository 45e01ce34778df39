"""Scenes of two things in a spatial relation: beside, on, above, under."""

from __future__ import annotations

from .nouns import NOUNS
from .parse import Node
from .phrases import coordinate, put_before
from .stage import Prop, Stage
from .telling import IN_AIR, ON_FLOOR, PETS, phrase, pose_of, put_row, settle, stand

SUPPORTS = tuple(n.name for n in NOUNS.values() if n.top is not None)


def pair(stage: Stage) -> Node:
    """Compose a scene of two things in a spatial relation, sometimes with a third overhead."""
    kind = stage.rng.choice(("beside", "beside", "on", "above", "under"))
    root = {"beside": _beside, "on": _on, "above": _above, "under": _under}[kind](stage)
    if kind != "above" and stage.rng.random() < 0.35:
        air = stage.rng.choice(IN_AIR)
        extra = phrase(stage, stage.put(air, stage.air(air)))
        anchor = root if root.upos == "NOUN" else root.before[0]
        coordinate([anchor, extra], commas=False)
        root.things = (
            tuple(dict.fromkeys((*root.things, *extra.things))) if root is not anchor else root.things
        )
        return root
    return settle(stage, root, "obl" if root.upos == "VERB" else "nmod")


def _beside(stage: Stage) -> Node:
    nouns = stage.rng.sample(ON_FLOOR, 2)
    left, right = put_row(stage, nouns)
    subject, other, word = stage.rng.choice(
        ((left, right, "left"), (right, left, "right"), (left, right, "next to"), (right, left, "next to"))
    )
    root, relation = stand(stage, subject, phrase(stage, subject))
    root.after.append(put_before(phrase(stage, other), word).as_(relation))
    return root


def _on(stage: Stage) -> Node:
    support = stage.rng.choice(SUPPORTS)
    noun = stage.rng.choice(
        [n for n in ON_FLOOR if n in (*PETS, "cup", "ball", "bird", "flower", "fish")]
        + ["hat", "crown", "scarf"]
    )
    [below] = put_row(stage, [support], 1.1)
    [above] = put_upon(stage, below, [noun])
    root, relation = stand(stage, above, phrase(stage, above))
    root.after.append(put_before(phrase(stage, below), "on").as_(relation))
    return root


def put_upon(stage: Stage, support: Prop, nouns: list[str]) -> list[Prop]:
    """Put things side by side on top of another thing."""
    top = NOUNS[support.noun].top
    assert top is not None, f"nothing can stand on {support.noun}"
    ground = support.box[1] + top * (support.box[3] - support.box[1]) + 3
    poses = [pose_of(stage, noun) for noun in nouns]
    sizes = [stage.size(noun, pose, 0.85) for noun, pose in zip(nouns, poses, strict=True)]
    lead = 0.16 if support.noun == "bed" else 0.06
    room = support.width * (0.9 - lead)
    shrink = min(1.0, max(room, 60) / sum(w for w, _ in sizes), (ground - 4) / max(h for _, h in sizes))
    left = (
        support.box[0]
        + support.width * lead
        + max(0, room - shrink * sum(w for w, _ in sizes)) * stage.rng.random()
    )
    props = []
    for noun, pose, (w, h) in zip(nouns, poses, sizes, strict=True):
        props.append(stage.put(noun, (left, ground - h * shrink, left + w * shrink, ground), pose=pose))
        left += w * shrink
    return props


def _above(stage: Stage) -> Node:
    over, under = stage.rng.choice((*IN_AIR, "bird")), stage.rng.choice(ON_FLOOR)
    [below] = put_row(stage, [under], 0.95)
    above = stage.put(over, stage.over(over, below.box))
    root = phrase(stage, above)
    root.after.append(put_before(phrase(stage, below), "above").as_("nmod"))
    return root


def _under(stage: Stage) -> Node:
    if stage.rng.random() < 0.5:
        over, under = stage.rng.choice(IN_AIR), stage.rng.choice(ON_FLOOR)
        [below] = put_row(stage, [under], 0.95)
        above = stage.put(over, stage.over(over, below.box))
    else:
        [above] = put_row(stage, ["table"], 1.2)
        noun = stage.rng.choice(("ball", "cup", *PETS))
        left, top, right, bottom = above.box
        w, h = stage.size(noun, scale=0.9)
        shrink = min(1.0, (bottom - top) * 0.84 / h)
        x = stage.rng.uniform(left + 14, max(left + 15, right - 14 - w * shrink))
        below = stage.put(noun, (x, bottom - h * shrink, x + w * shrink, bottom))
    root, relation = stand(stage, below, phrase(stage, below))
    root.after.append(put_before(phrase(stage, above), "under").as_(relation))
    return root
