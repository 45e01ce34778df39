"""Kinds of scenes. Each puts things on a stage and returns the dependency tree of its caption."""

from __future__ import annotations

from collections.abc import Callable

from .parse import Node
from .people import figure, two_people
from .phrases import coordinate, enumeration, noun_phrase, put_before
from .relations import pair, put_upon
from .stage import Stage
from .telling import IN_AIR, ON_FLOOR, PETS, phrase, put_row, settle, stand, words_for

WORN = ("hat", "crown", "glasses", "scarf", "shirt")


def lone(stage: Stage) -> Node:
    """Compose a scene of one thing, on the floor or in the air."""
    noun = stage.rng.choice((*ON_FLOOR, *IN_AIR, *WORN))
    if noun in IN_AIR:
        prop = stage.put(noun, stage.air(noun))
    else:
        [prop] = put_row(stage, [noun], 1.12)
    root, relation = stand(stage, prop, phrase(stage, prop))
    return settle(stage, root, relation)


def several(stage: Stage) -> Node:
    """Compose a scene of two to five different things: two or three side by side, up to two overhead."""
    rng = stage.rng
    props = put_row(stage, rng.sample(ON_FLOOR, rng.choice((2, 2, 3))), 0.92)
    props += [stage.put(n, stage.air(n)) for n in rng.sample(IN_AIR, rng.choice((0, 1, 1, 2)))]
    rng.shuffle(props)
    return settle(stage, coordinate([phrase(stage, p) for p in props], rng.random() < 0.7), "nmod")


def look_alikes(stage: Stage) -> Node:
    """Compose a scene of two things of one noun, each with its own look: "a gray cat and a white cat".

    Sometimes there is a third thing of another noun. Pets are sometimes on a bed."""
    rng = stage.rng
    noun = rng.choice((*PETS, "car", "ball", "cup", "flower", "house", "fish"))
    nouns = [noun, noun] + (
        [rng.choice([n for n in (*PETS, "ball") if n != noun])] if rng.random() < 0.5 else []
    )
    on_bed = noun in PETS and rng.random() < 0.5
    if on_bed:
        [bed] = put_row(stage, ["bed"], 1.3)
        props = put_upon(stage, bed, nouns)
    else:
        props = put_row(stage, nouns)
    nodes = [noun_phrase(p.noun, [stage.props.index(p)], words_for(stage, p, 1.0)) for p in props]
    root = coordinate(nodes, commas=False if len(nodes) < 3 else rng.random() < 0.4)
    if on_bed:
        root.after.append(put_before(phrase(stage, bed), "on").as_("nmod"))
        return root
    return settle(stage, root, "nmod")


def count(stage: Stage) -> Node:
    """Compose a scene of two to four things of one noun and one look: "three red balls".

    Under things in the air there is sometimes another thing on the floor."""
    rng = stage.rng
    noun, many = (
        rng.choice(
            (
                "ball",
                "star",
                "flower",
                "cup",
                "tree",
                "cat",
                "dog",
                "balloon",
                "bird",
                "fish",
                "car",
                "cactus",
            )
        ),
        rng.choice((2, 2, 3, 3, 4)),
    )
    look = stage.look(noun)
    if noun in IN_AIR:
        props = [stage.put(noun, stage.air(noun), look) for _ in range(many)]
    else:
        props = [stage.put(noun, box, look) for box in stage.row([(noun, "")] * many, 0.95)]
    root = noun_phrase(
        noun, [stage.props.index(p) for p in props], words_for(stage, props[0], 0.8), many=many
    )
    if noun in IN_AIR and rng.random() < 0.6:
        [extra] = put_row(stage, [rng.choice(ON_FLOOR)])
        return coordinate([root, phrase(stage, extra)], commas=False)
    return settle(stage, root, "nmod")


def as_list(stage: Stage, root: Node) -> Node:
    """Return the caption as a comma list, as prompts are often written: "red hat, neck, blue sky".

    Parts of a lone person and grounds that the caption does not name are added by chance; at most nine
    entries are kept."""
    rng = stage.rng
    entries = [
        bare(node)
        for node in root.walk()
        if node.upos == "NOUN" and node.things and node.relation != "compound"
    ]
    named = {thing for entry in entries for thing in entry.things}
    people = sum(p.noun in ("girl", "boy") for p in stage.props)
    for i, prop in enumerate(stage.props):
        part = people == 1 and prop.noun in ("hair", "neck", "shirt")
        if i not in named and ((part and rng.random() < 0.6) or (prop.ground and rng.random() < 0.5)):
            entries.append(noun_phrase(prop.noun, [i], words_for(stage, prop, 0.6), det=""))
    rng.shuffle(entries)
    return enumeration(entries[:9])


def bare(node: Node) -> Node:
    """Return the noun with only its adjectives, number and compound: one entry of a comma list."""
    modifiers = [n for n in node.before if n.relation in ("amod", "nummod", "compound")]
    return Node(node.form, "NOUN", lemma=node.lemma, before=modifiers, things=node.things)


KINDS: tuple[tuple[Callable[[Stage], Node], int], ...] = (
    (lone, 17),
    (pair, 26),
    (several, 15),
    (look_alikes, 9),
    (count, 9),
    (figure, 20),
    (two_people, 4),
)


def compose(stage: Stage) -> Node:
    """Lay out a scene of a random kind and return the root of its caption's tree."""
    stage.lay_grounds()
    kinds, weights = zip(*KINDS, strict=True)
    root: Node = stage.rng.choices(kinds, weights)[0](stage)
    root.relation = "root"
    if stage.rng.random() < 0.25:
        root = as_list(stage, root)
    elif root.upos == "VERB" and stage.rng.random() < 0.4:
        root.after.append(Node(".", "PUNCT", "punct"))
    return root
