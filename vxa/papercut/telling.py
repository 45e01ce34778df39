"""Steps that the kinds of scenes share: putting things on the stage, and the phrases for them."""

from __future__ import annotations

from .nouns import FLOORS, NOUNS
from .parse import Node
from .phrases import MASS, adjectives_of, noun_phrase, put_before, sentence
from .stage import Prop, Stage

ON_FLOOR = tuple(n.name for n in NOUNS.values() if n.place == "floor")
IN_AIR = tuple(n.name for n in NOUNS.values() if n.place == "air")
PETS = ("cat", "dog", "rabbit")


def words_for(stage: Stage, prop: Prop, share: float) -> tuple[str, ...]:
    """Choose the adjectives for one thing, by chance."""
    return adjectives_of(prop.noun, prop.colour, prop.pattern, prop.ground, stage.rng, share)


def phrase(stage: Stage, prop: Prop, det: str = "a") -> Node:
    """Build the noun phrase for one thing, with some of its adjectives."""
    compound = "apple" if prop.pose == "apple" else ""
    share = 0.3 if compound else 0.8
    mass = prop.noun in MASS
    return noun_phrase(
        prop.noun,
        [stage.props.index(prop)],
        words_for(stage, prop, share),
        "" if mass else det,
        compound=compound,
    )


def pose_of(stage: Stage, noun: str) -> str:
    """Choose a pose by chance: cats and dogs stand or sit, some trees bear apples."""
    chance = {"cat": 0.5, "dog": 0.5, "tree": 0.3}.get(noun, 0)
    return NOUNS[noun].poses[0][0] if stage.rng.random() < chance else ""


def put_row(stage: Stage, nouns: list[str], scale: float = 1.0) -> list[Prop]:
    """Put things side by side on the floor."""
    poses = [pose_of(stage, noun) for noun in nouns]
    boxes = stage.row(list(zip(nouns, poses, strict=True)), scale)
    return [stage.put(n, box, pose=pose) for n, pose, box in zip(nouns, poses, boxes, strict=True)]


def settle(stage: Stage, root: Node, relation: str) -> Node:
    """Append, by chance, phrases for the floor and the backdrop to the root of the caption."""
    rng = stage.rng
    for prop in reversed([p for p in stage.props if p.ground]):
        if rng.random() < 0.4:
            continue
        words = () if prop.noun == "night" or rng.random() < 0.5 or not prop.colour else (prop.colour,)
        floor = prop.noun in FLOORS
        case = (
            "in"
            if prop.noun == "snow"
            else "on"
            if floor
            else {"sky": "under", "night": "at", "wall": "against"}[prop.noun]
        )
        det = "" if prop.noun == "night" else "the" if floor else "a"
        node = noun_phrase(prop.noun, [stage.props.index(prop)], words, det)
        if prop.noun == "night" and rng.random() < 0.4:
            case, node = "under", noun_phrase("sky", [stage.props.index(prop)], det="the", compound="night")
        root.after.append(put_before(node, case).as_(relation))
    return root


def stand(stage: Stage, prop: Prop, node: Node) -> tuple[Node, str]:
    """Return the phrase of a cat or dog, often as a clause ("a cat sits"), and the relation of its modifiers.

    The relation is "obl" for a clause and "nmod" for a noun phrase."""
    if prop.noun in ("cat", "dog") and stage.rng.random() < 0.6:
        stands = prop.pose == "stands"
        return sentence("stands" if stands else "sits", "stand" if stands else "sit", node), "obl"
    return node, "nmod"
