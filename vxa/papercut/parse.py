"""Captions as dependency trees, and their text and CoNLL-U rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

NO_SPACE_BEFORE = {",", "."}


@dataclass
class Node:
    """A word of a caption with its dependents on both sides, in Universal Dependencies relations.

    `things` are the numbers of the things it refers to, `entity` is the name of its coreference chain."""

    form: str
    upos: str
    relation: str = "root"
    lemma: str = ""
    before: list[Node] = field(default_factory=list)
    after: list[Node] = field(default_factory=list)
    things: tuple[int, ...] = ()
    entity: str = ""

    def as_(self, relation: str) -> Node:
        """Set the relation to the head, and return this node."""
        self.relation = relation
        return self

    def walk(self) -> Iterator[Node]:
        """Yield the words of this subtree in the order of the text."""
        for node in self.before:
            yield from node.walk()
        yield self
        for node in self.after:
            yield from node.walk()


@dataclass(frozen=True)
class Row:
    """One word of a parse.

    `start` and `end` are its span of characters in the caption. `things` are the indices, in `Scene.things`,
    of the things it refers to: an adjective's are those of its noun, a verb's those of its arguments."""

    id: int
    form: str
    lemma: str
    upos: str
    head: int
    relation: str
    start: int
    end: int
    things: tuple[int, ...]
    misc: str


@dataclass(frozen=True)
class Parse:
    """The gold dependency parse of a caption; `str()` gives it as CoNLL-U."""

    caption: str
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        lines = [f"# text = {self.caption}"]
        lines += [
            f"{r.id}\t{r.form}\t{r.lemma}\t{r.upos}\t_\t_\t{r.head}\t{r.relation}\t_\t{r.misc or '_'}"
            for r in self.rows
        ]
        return "\n".join(lines) + "\n\n"


def read_off(root: Node) -> Parse:
    """Return the caption that a tree spells, with its rows."""
    nodes = list(root.walk())
    numbers = {id(node): i for i, node in enumerate(nodes, 1)}
    heads = {id(child): numbers[id(node)] for node in nodes for child in (*node.before, *node.after)}
    caption, rows = "", []
    for i, node in enumerate(nodes):
        glued = i + 1 < len(nodes) and nodes[i + 1].form in NO_SPACE_BEFORE
        start, end = len(caption), len(caption) + len(node.form)
        misc = [f"Entity={node.entity}"] * bool(node.entity) + ["SpaceAfter=No"] * glued
        misc += [f"Things={','.join(map(str, node.things))}"] * bool(node.things)
        lemma = node.lemma or node.form
        rows.append(
            Row(
                i + 1,
                node.form,
                lemma,
                node.upos,
                heads.get(id(node), 0),
                node.relation,
                start,
                end,
                node.things,
                "|".join(misc),
            )
        )
        caption += node.form + ("" if glued else " ")
    return Parse(caption.rstrip(), tuple(rows))
