r"""Weighted prompts as the programs that make embeddings write them, split into fragments of one weight.

    (hat:1.3), (hat), [hat], \(hat\), BREAK         AUTOMATIC1111's webui, sd_embed, long-prompt pipelines
    (red hat)1.3, hat++, hat-, ("a", "b").and()    compel

Which of them a prompt is in is not written in it, so every reading is offered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

__all__ = ["Fragment", "readings"]

_STEP = 1.1  # of ( and [ in the webui, and of + in compel
_LESS = 0.9  # of - in compel
_WEBUI = re.compile(r"\\.|[()\[\]]|:\s*([+-]?[.\d]+)\s*\)|[^\\()\[\]:]+|:|\\")
_BREAK = re.compile(r"\s*\bBREAK\b\s*")
_COMPEL = re.compile(r"\\.|[()]|[^\s\\(),.;:]+?[+-]+(?=[\s),.;:]|$)|[^\s\\()]+|\s+|\\")
_SUFFIX = re.compile(r"[+-]+|\d*\.?\d+")
_QUOTED = re.compile(r'"([^"]*)"(?=[+-]|\.?\d)')
_CONJUNCTION = re.compile(r'\s*\(\s*(".*")\s*\)\.and\([\d.,\s]*\)\s*', re.DOTALL)


@dataclass(frozen=True)
class Fragment:
    """A part of a prompt, which is tokenized by itself, and its weight."""

    text: str
    weight: float = 1.0


def readings(prompt: str) -> list[tuple[Fragment, ...]]:
    """Return the different ways to read the prompt: as it stands, as the webui does, as compel does."""
    # sd_embed gives a BREAK to the text encoder, as a word.
    found = [(Fragment(prompt),), _webui(prompt, " "), _webui(prompt, "BREAK"), _compel(prompt)]
    return list(dict.fromkeys(found))


def _webui(prompt: str, between: str) -> tuple[Fragment, ...]:
    """Return the fragments by the webui's grammar, with `between` for a BREAK."""
    found: list[Fragment] = []
    open_at: dict[str, list[int]] = {"(": [], "[": []}
    for match in _WEBUI.finditer(prompt):
        text = match[0]
        if text in open_at:
            open_at[text].append(len(found))
        elif text.endswith(")") and len(text) > 1 and match[1] and open_at["("]:
            _multiply(found, open_at["("].pop(), _number(match[1]))
        elif text == ")" and open_at["("]:
            _multiply(found, open_at["("].pop(), _STEP)
        elif text == "]" and open_at["["]:
            _multiply(found, open_at["["].pop(), 1 / _STEP)
        elif text[0] == "\\" and len(text) > 1:
            found.append(Fragment(text[1:]))
        else:
            found.extend(Fragment(part) for part in _split_at_breaks(text, between))
    for bracket, factor in (("(", _STEP), ("[", 1 / _STEP)):
        for start in open_at[bracket]:
            _multiply(found, start, factor)
    return _join(found)


def _split_at_breaks(text: str, between: str) -> list[str]:
    """Return the parts between BREAKs, with `between` at each."""
    parts = _BREAK.split(text)
    return [piece for part in parts for piece in (f" {between} ", part)][1:]


def _compel(prompt: str) -> tuple[Fragment, ...]:
    """Return the fragments by compel's grammar."""
    conjunction = _CONJUNCTION.fullmatch(prompt)
    if conjunction:
        parts = re.findall(r'"([^"]*)"', conjunction[1])
        return tuple(fragment for part in parts for fragment in _compel(f"{part} "))
    prompt = _QUOTED.sub(r"(\1)", prompt)
    found: list[Fragment] = []
    open_at: list[int] = []
    position = 0
    while position < len(prompt):
        match = _COMPEL.match(prompt, position)
        assert match is not None  # the last alternatives take any character
        text, position = match[0], match.end()
        if text == "(":
            open_at.append(len(found))
        elif text == ")" and open_at:
            suffix = _SUFFIX.match(prompt, position)
            if suffix:
                position = suffix.end()
            _multiply(found, open_at.pop(), _factor(suffix[0]) if suffix else 1.0)
        elif text[0] == "\\" and len(text) > 1:
            found.append(Fragment(text[1:]))
        else:
            plain = text.rstrip("+-")
            is_weighted = bool(plain) and _COMPEL.fullmatch(text) is not None and plain != text
            found.append(Fragment(plain, _factor(text[len(plain) :])) if is_weighted else Fragment(text))
    return _join(found)


def _factor(suffix: str) -> float:
    """Return the weight that a suffix stands for: "++", "-" or a number."""
    if suffix[0] in "+-":
        return float((_STEP if suffix[0] == "+" else _LESS) ** len(suffix))
    return _number(suffix)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # as in "1.2.3"
        return 1.0


def _multiply(fragments: list[Fragment], start: int, factor: float) -> None:
    fragments[start:] = [replace(each, weight=each.weight * factor) for each in fragments[start:]]


def _join(fragments: list[Fragment]) -> tuple[Fragment, ...]:
    """Return the fragments with neighbours of one weight joined."""
    joined: list[Fragment] = []
    for each in fragments:
        if joined and joined[-1].weight == each.weight:
            joined[-1] = replace(each, text=joined[-1].text + each.text)
        else:
            joined.append(each)
    return tuple(joined)
