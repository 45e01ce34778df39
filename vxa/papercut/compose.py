"""The kinds of scenes: each puts things on a stage and says in a dependency tree what stands there."""

from __future__ import annotations

from collections.abc import Callable

from .drawing import SIZE
from .nouns import FLOORS, NOUNS
from .parse import Node
from .phrases import (
    MASS,
    adjectives_of,
    coordinate,
    enumeration,
    noun_phrase,
    participle,
    possessive,
    put_before,
    sentence,
)
from .stage import Prop, Stage

ON_FLOOR = tuple(n.name for n in NOUNS.values() if n.place == "floor")
IN_AIR = tuple(n.name for n in NOUNS.values() if n.place == "air")
WORN = ("hat", "crown", "glasses", "scarf", "shirt")
PETS = ("cat", "dog", "rabbit")
SUPPORTS = tuple(n.name for n in NOUNS.values() if n.top is not None)
HOLDABLE = tuple(n.name for n in NOUNS.values() if n.holdable)


def words_for(stage: Stage, prop: Prop, share: float) -> tuple[str, ...]:
    """The adjectives for one thing, by chance."""
    return adjectives_of(prop.noun, prop.colour, prop.pattern, prop.ground, stage.rng, share)


def phrase(stage: Stage, prop: Prop, det: str = "a") -> Node:
    """The noun phrase for one thing, with some of its looks."""
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
    """A pose by chance: animals stand or sit, some trees bear apples."""
    chance = {"cat": 0.5, "dog": 0.5, "tree": 0.3}.get(noun, 0)
    return NOUNS[noun].poses[0][0] if stage.rng.random() < chance else ""


def put_row(stage: Stage, nouns: list[str], scale: float = 1.0) -> list[Prop]:
    """Things side by side on the floor."""
    poses = [pose_of(stage, noun) for noun in nouns]
    boxes = stage.row(list(zip(nouns, poses, strict=True)), scale)
    return [stage.put(n, box, pose=pose) for n, pose, box in zip(nouns, poses, boxes, strict=True)]


def settle(stage: Stage, root: Node, relation: str) -> Node:
    """Say, by chance, on what ground and before what backdrop it all is."""
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
    """An animal's phrase, often as a clause ("a cat sits"), and the relation of what follows to it."""
    if prop.noun in ("cat", "dog") and stage.rng.random() < 0.6:
        stands = prop.pose == "stands"
        return sentence("stands" if stands else "sits", "stand" if stands else "sit", node), "obl"
    return node, "nmod"


def lone(stage: Stage) -> Node:
    """One thing, anywhere."""
    noun = stage.rng.choice((*ON_FLOOR, *IN_AIR, *WORN))
    if noun in IN_AIR:
        prop = stage.put(noun, stage.air(noun))
    else:
        [prop] = put_row(stage, [noun], 1.12)
    root, relation = stand(stage, prop, phrase(stage, prop))
    return settle(stage, root, relation)


def pair(stage: Stage) -> Node:
    """Two things in a relation of space, sometimes with a third overhead."""
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
    """Things side by side on top of another thing."""
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


def several(stage: Stage) -> Node:
    """Two to four different things side by side, some overhead."""
    rng = stage.rng
    props = put_row(stage, rng.sample(ON_FLOOR, rng.choice((2, 2, 3))), 0.92)
    props += [stage.put(n, stage.air(n)) for n in rng.sample(IN_AIR, rng.choice((0, 1, 1, 2)))]
    rng.shuffle(props)
    return settle(stage, coordinate([phrase(stage, p) for p in props], rng.random() < 0.7), "nmod")


def look_alikes(stage: Stage) -> Node:
    """One noun several times with different looks, at times on a bed: "a gray cat and a white cat"."""
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
    """Two to four of one kind and one look: "three red balls", sometimes with something else."""
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


def figure(stage: Stage) -> Node:
    """A girl or a boy with what is worn and held, and perhaps a pet: sentences with verbs and pronouns."""
    rng = stage.rng
    who = rng.choice(("girl", "boy"))
    worn = {
        n: stage.look(n) for n in rng.sample(("hat", "crown", "glasses", "scarf"), rng.choice((0, 1, 1, 2)))
    }
    if "hat" in worn:
        worn.pop("crown", None)
    pet = rng.choice((*PETS, "")) if rng.random() < 0.45 else ""
    side = rng.choice((-1, 1))
    holds = not pet and rng.random() < 0.5
    centre = SIZE / 2 - side * rng.uniform(40, 52) if pet or holds else SIZE / 2 + rng.uniform(-40, 40)
    parts = stage.person(who, centre, rng.uniform(0.88, 1.0), worn)
    held = stage.hold(parts, rng.choice(HOLDABLE), side) if holds else None
    animal = _pet_beside(stage, pet, centre, side) if pet else None
    root = _describe(stage, who, parts, sorted(worn), held)
    if animal:
        owner = root if root.upos == "NOUN" else root.before[0]
        other = noun_phrase(animal.noun, [stage.props.index(animal)], words_for(stage, animal, 0.7), det="")
        other.before.insert(0, possessive(owner, who))
        if root.upos == "NOUN" and rng.random() < 0.6:
            return settle(stage, coordinate([root, other], commas=False), "nmod")
        root.after.append(put_before(other, "with").as_("nmod" if root.upos == "NOUN" else "obl"))
    return settle(stage, root, "nmod" if root.upos == "NOUN" else "obl")


def _pet_beside(stage: Stage, noun: str, centre: float, side: int) -> Prop:
    w, h = stage.size(noun, scale=1.0)
    x = min(max(centre + side * 116, w / 2 + 3), SIZE - w / 2 - 3)
    return stage.put(noun, (x - w / 2, SIZE - 4 - h, x + w / 2, SIZE - 4.0))


def _describe(stage: Stage, who: str, parts: dict[str, Prop], worn: list[str], held: Prop | None) -> Node:
    """The person's phrase or clause: what is worn, what is held, what the hair is like."""
    rng = stage.rng
    person = noun_phrase(who, [stage.props.index(parts[who])])
    clothes = worn + ["shirt"] * (not worn or rng.random() < 0.3)
    targets = [phrase(stage, parts[name]) for name in clothes]
    if "scarf" in clothes and rng.random() < 0.4 and held is None:
        neck = noun_phrase("neck", [stage.props.index(parts["neck"])], det="")
        neck.before.insert(0, possessive(person, who))
        targets[clothes.index("scarf")].after.append(put_before(neck, "around").as_("nmod"))
    wears = coordinate(targets, commas=len(targets) > 2)
    if rng.random() < 0.3:
        hair = phrase(stage, parts["hair"])
        person.after.append(put_before(hair, "with").as_("nmod"))
    if held is not None and rng.random() < 0.75:
        return _holding(stage, who, person, wears, phrase(stage, held))
    if rng.random() < 0.4:
        root = sentence("wearing", "wear", person, _things(wears), auxiliary=True)
        root.after.append(wears.as_("obj"))
        return root
    return participle("wearing", "wear", person, wears)


def _holding(stage: Stage, who: str, person: Node, wears: Node, thing: Node) -> Node:
    if stage.rng.random() < 0.35:
        return participle("holding", "hold", person, thing)
    if stage.rng.random() < 0.5:
        person = participle("wearing", "wear", person, wears)
        root = sentence("holding", "hold", person, thing.things, auxiliary=True)
        root.after.append(thing.as_("obj"))
        return root
    root = sentence("wearing", "wear", person, _things(wears), auxiliary=True)
    root.after.append(wears.as_("obj"))
    person.entity = "e1"
    pronoun = Node("she" if who == "girl" else "he", "PRON", things=person.things, entity="e1")
    clause = sentence("holding", "hold", pronoun, thing.things, auxiliary=True)
    clause.after.append(thing.as_("obj"))
    clause.before.insert(0, Node("and", "CCONJ", "cc"))
    root.after.append(clause.as_("conj"))
    return root


def _things(phrase_: Node) -> tuple[int, ...]:
    return phrase_.things + tuple(t for n in phrase_.after if n.relation == "conj" for t in n.things)


def two_people(stage: Stage) -> Node:
    """A girl and a boy side by side, one of them wearing something."""
    rng = stage.rng
    nouns = rng.sample(("girl", "boy"), 2)
    worn = {rng.choice(("hat", "crown", "glasses", "scarf")): None}
    looks = {n: stage.look(n) for n in worn}
    first = stage.person(nouns[0], 66, 0.82, looks)
    second = stage.person(nouns[1], 190, 0.82, {})
    nodes = [noun_phrase(n, [stage.props.index(p[n])]) for n, p in zip(nouns, (first, second), strict=True)]
    [name] = worn
    participle("wearing", "wear", nodes[0], phrase(stage, first[name]))
    return settle(stage, coordinate(nodes, commas=False), "nmod")


def as_list(stage: Stage, root: Node) -> Node:
    """The same scene as prompts are often written, a comma list: "red hat, neck, blue sky"."""
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
    """A noun with its adjectives, number and compound, and nothing else: one entry of a comma list."""
    kept = [n for n in node.before if n.relation in ("amod", "nummod", "compound")]
    return Node(node.form, "NOUN", lemma=node.lemma, before=kept, things=node.things)


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
    """Lay out a scene of a kind chosen by chance; the root of its caption's tree."""
    stage.lay_grounds()
    kinds, weights = zip(*KINDS, strict=True)
    root: Node = stage.rng.choices(kinds, weights)[0](stage)
    root.relation = "root"
    if stage.rng.random() < 0.25:
        root = as_list(stage, root)
    elif root.upos == "VERB" and stage.rng.random() < 0.4:
        root.after.append(Node(".", "PUNCT", "punct"))
    return root
