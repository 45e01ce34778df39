"""Scenes of people with accessories, things in hand and pets; captions have verbs and pronouns."""

from __future__ import annotations

from .bust import put_in_hand, put_person
from .drawing import SIZE
from .nouns import NOUNS
from .parse import Node
from .phrases import coordinate, noun_phrase, participle, possessive, put_before, sentence, things_of
from .stage import Prop, Stage
from .telling import PETS, phrase, settle, words_for

HOLDABLE = tuple(n.name for n in NOUNS.values() if n.holdable)


def figure(stage: Stage) -> Node:
    """Compose a scene of a girl or a boy with accessories and a pet, a thing in hand, or neither."""
    rng = stage.rng
    who = rng.choice(("girl", "boy"))
    accessories = {
        n: stage.look(n) for n in rng.sample(("hat", "crown", "glasses", "scarf"), rng.choice((0, 1, 1, 2)))
    }
    if "hat" in accessories:
        accessories.pop("crown", None)
    pet = rng.choice((*PETS, "")) if rng.random() < 0.45 else ""
    side = rng.choice((-1, 1))
    holds = not pet and rng.random() < 0.5
    centre = SIZE / 2 - side * rng.uniform(40, 52) if pet or holds else SIZE / 2 + rng.uniform(-40, 40)
    parts = put_person(stage, who, centre, rng.uniform(0.88, 1.0), accessories)
    in_hand = put_in_hand(stage, parts, rng.choice(HOLDABLE), side) if holds else None
    animal = _pet_beside(stage, pet, centre, side) if pet else None
    root = _describe(stage, who, parts, sorted(accessories), in_hand)
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


def _describe(
    stage: Stage, who: str, parts: dict[str, Prop], accessories: list[str], in_hand: Prop | None
) -> Node:
    """Return the person's phrase or clause: accessories, the thing in hand, the look of the hair."""
    rng = stage.rng
    person = noun_phrase(who, [stage.props.index(parts[who])])
    clothes = accessories + ["shirt"] * (not accessories or rng.random() < 0.3)
    targets = [phrase(stage, parts[name]) for name in clothes]
    if "scarf" in clothes and rng.random() < 0.4 and in_hand is None:
        neck = noun_phrase("neck", [stage.props.index(parts["neck"])], det="")
        neck.before.insert(0, possessive(person, who))
        targets[clothes.index("scarf")].after.append(put_before(neck, "around").as_("nmod"))
    wears = coordinate(targets, commas=len(targets) > 2)
    if rng.random() < 0.3:
        hair = phrase(stage, parts["hair"])
        person.after.append(put_before(hair, "with").as_("nmod"))
    if in_hand is not None and rng.random() < 0.75:
        return _holding(stage, who, person, wears, phrase(stage, in_hand))
    if rng.random() < 0.4:
        root = sentence("wearing", "wear", person, things_of(wears), auxiliary=True)
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
    root = sentence("wearing", "wear", person, things_of(wears), auxiliary=True)
    root.after.append(wears.as_("obj"))
    person.entity = "e1"
    pronoun = Node("she" if who == "girl" else "he", "PRON", things=person.things, entity="e1")
    clause = sentence("holding", "hold", pronoun, thing.things, auxiliary=True)
    clause.after.append(thing.as_("obj"))
    clause.before.insert(0, Node("and", "CCONJ", "cc"))
    root.after.append(clause.as_("conj"))
    return root


def two_people(stage: Stage) -> Node:
    """Compose a scene of a girl and a boy side by side, one of them with an accessory."""
    rng = stage.rng
    nouns = rng.sample(("girl", "boy"), 2)
    name = rng.choice(("hat", "crown", "glasses", "scarf"))
    looks = {name: stage.look(name)}
    first = put_person(stage, nouns[0], 66, 0.82, looks)
    second = put_person(stage, nouns[1], 190, 0.82, {})
    nodes = [noun_phrase(n, [stage.props.index(p[n])]) for n, p in zip(nouns, (first, second), strict=True)]
    participle("wearing", "wear", nodes[0], phrase(stage, first[name]))
    return settle(stage, coordinate(nodes, commas=False), "nmod")
