"""Phrases of the captions: noun phrases, prepositions, coordination, each with its dependency relations."""

from __future__ import annotations

import random
from collections.abc import Sequence

from .nouns import NOUNS
from .parse import Node

NUMBERS = {2: "two", 3: "three", 4: "four"}
MASS = {"hair", "glasses", "sky", "night", "grass", "sand", "snow", "wall"}
CASES = {
    "next to": ("next", "to"),
    "on": ("on",),
    "above": ("above",),
    "under": ("under",),
    "with": ("with",),
    "in": ("in",),
    "at": ("at",),
    "against": ("against",),
    "around": ("around",),
}


def adjectives_of(
    noun: str, colour: str, pattern: str, ground: bool, rng: random.Random, share: float = 0.8
) -> tuple[str, ...]:
    """Return the words for a look, chosen by chance: the pattern, then the colour.

    `share` is the chance of the colour (of a ground's: 0.7 of it); the colour of hair is always named."""
    if ground:
        return (colour,) if colour and rng.random() < share * 0.7 else ()
    share = 1.0 if noun == "hair" else share
    words = [pattern] if pattern != "plain" and rng.random() < 0.85 else []
    if pattern == "plain" and NOUNS[noun].patterned and rng.random() < 0.06:
        words = ["plain"]
    return (*words, *([colour] if colour and rng.random() < share else []))


def noun_phrase(
    noun: str,
    things: Sequence[int],
    adjectives: Sequence[str] = (),
    det: str = "a",
    many: int = 1,
    compound: str = "",
) -> Node:
    """Build a noun with its dependents: "two striped cats", "an orange tree", "the apple tree".

    Every word but the article refers to `things`."""
    referents = tuple(things)
    form = NOUNS[noun].many if many > 1 else noun
    before = [Node(word, "ADJ", "amod", things=referents) for word in adjectives]
    if compound:
        before.append(Node(compound, "NOUN", "compound", things=referents))
    if many > 1:
        before.insert(0, Node(NUMBERS[many], "NUM", "nummod", things=referents))
    elif det:
        before.insert(0, article(det, [*(n.form for n in before), form][0]))
    return Node(form, "NOUN", lemma=noun, before=before, things=referents)


def article(det: str, following: str) -> Node:
    """Return "a", "an" before a vowel, or "the"."""
    form = "an" if det == "a" and following[0] in "aeiou" else det
    return Node(form, "DET", "det", lemma=det)


def possessive(owner: Node, person: str) -> Node:
    """Return "her" or "his", in one coreference chain with its owner."""
    owner.entity = owner.entity or "e1"
    return Node(
        "her" if person == "girl" else "his",
        "PRON",
        "nmod:poss",
        lemma="she" if person == "girl" else "he",
        things=owner.things,
        entity=owner.entity,
    )


def put_before(phrase: Node, preposition: str) -> Node:
    """Attach a preposition to the phrase; "next to" is a fixed expression, "to the left of" a phrase."""
    if preposition in ("left", "right"):
        side = Node(preposition, "NOUN", before=[Node("to", "ADP", "case"), Node("the", "DET", "det")])
        phrase.before.insert(0, Node("of", "ADP", "case"))
        side.after.append(phrase.as_("nmod"))
        return side
    first, *rest = CASES[preposition]
    phrase.before.insert(0, Node(first, "ADP", "case", after=[Node(word, "ADP", "fixed") for word in rest]))
    return phrase


def coordinate(phrases: Sequence[Node], commas: bool) -> Node:
    """Join phrases as conjuncts of the first: "a cat, a dog and a ball"."""
    first, *others = phrases
    for i, phrase in enumerate(others):
        last = i == len(others) - 1
        phrase.before.insert(
            0, Node("and", "CCONJ", "cc") if last or not commas else Node(",", "PUNCT", "punct")
        )
        first.after.append(phrase.as_("conj"))
    return first


def enumeration(phrases: Sequence[Node]) -> Node:
    """Join phrases by commas only, as prompts are often written: "hat, neck, blue sky"."""
    first, *others = phrases
    for phrase in others:
        phrase.before.insert(0, Node(",", "PUNCT", "punct"))
        first.after.append(phrase.as_("conj"))
    return first


def sentence(
    verb: str, lemma: str, subject: Node, things: Sequence[int] = (), auxiliary: bool = False
) -> Node:
    """Build a clause of a verb and its subject; the verb refers to the subject's things and to `things`."""
    before = [subject.as_("nsubj")] + [Node("is", "AUX", "aux", lemma="be")] * auxiliary
    return Node(
        verb, "VERB", lemma=lemma, before=before, things=tuple(dict.fromkeys((*subject.things, *things)))
    )


def participle(verb: str, lemma: str, owner: Node, target: Node) -> Node:
    """Append a clause that modifies a noun, "… wearing a hat", and return the noun."""
    things = tuple(dict.fromkeys((*owner.things, *things_of(target))))
    node = Node(verb, "VERB", "acl", lemma=lemma, after=[target.as_("obj")], things=things)
    owner.after.append(node)
    return owner


def things_of(phrase: Node) -> tuple[int, ...]:
    """Return the things that a phrase and its conjuncts refer to."""
    conjuncts = [n for n in phrase.after if n.relation == "conj"]
    return phrase.things + tuple(t for n in conjuncts for t in n.things)
