"""Prompt mixing: variations of a thing's shape, from another word's meaning in the middle of the steps.

Patashnik et al., "Localizing Object-level Shape Variations with Text-to-Image Diffusion Models" (2023). The
layout forms in the first steps, shapes in the middle, fine looks in the last. In the middle ones, every
cross-attention layer of the conditional branch keeps the prompt's queries and keys and takes the values of a
proxy prompt, in which a word is replaced:

    softmax(q k(prompt)ᵀ) v(proxy prompt)            steps [7/50, 17/50)

We differ in that a proxy of several tokens is aligned with the word (`vxa.steering.alignment`): a token's
value is the mean of those in its place, so that the words after it keep theirs. The first picture of the call
stays plain, so that both are seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor

from vxa.attention.sites import Site, SiteSpec
from vxa.errors import SettingError, WordError
from vxa.settings import setting
from vxa.steering.alignment import align
from vxa.steering.control import Compute, Control, Pass, SteeredCall, mentions
from vxa.tokens import split_phrases

__all__ = ["PromptMixing"]


@dataclass(eq=False)
class PromptMixing(Control):
    """Another word's meaning for a word of each further prompt, in the steps that form shapes.

    Raises SettingError for a value out of range.
    """

    word: str = setting("", "Word", "Word of the prompts whose shape varies.")
    proxies: str = setting(
        "",
        "Proxy words",
        "Words that lend their meaning, as in car, sun: one for all further pictures, or each.",
    )
    mixed_from: float = setting(
        0.14, "Mixed from", "Share of the steps after which the proxy's meaning is used.",
        low=0, high=1, step=0.02,
    )  # fmt: skip
    mixed_until: float = setting(
        0.34, "Mixed until", "Share of the steps after which the word's own is used again.",
        low=0, high=1, step=0.02,
    )  # fmt: skip
    sites: SiteSpec = setting("all", "Layers", "Cross-attention layers (sites) that are changed.")

    kind = "cross"
    needs_reference = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.word.strip() or not self.proxies.strip():
            raise SettingError(
                f"PromptMixing has the word {self.word!r} and the proxies {self.proxies!r}; give both, as "
                'word="ball", proxies="car, sun"'
            )

    def begin(self) -> None:
        """Encode the proxy prompts, and align each with its prompt."""
        self._contexts: dict[int, Tensor] = {}
        self._matrices: dict[int, Tensor] = {}
        for image, proxy in self._proxies().items():
            prompt, tokens = self.generation.prompts[image], self.generation.tokens[image]
            text = _replaced(prompt, self.word.strip(), proxy)
            if not mentions(tokens, self.word):
                raise WordError(
                    f"word {self.word!r} is not in the prompt {prompt[:60]!r}; name one of its words"
                )
            if text == prompt:
                raise SettingError(
                    f"the proxy {proxy!r} leaves the prompt {prompt[:60]!r} as it is; give another word"
                )
            alignment = align(self.generation.model.tokenize(text), tokens)
            if not alignment.follows.all():
                raise SettingError(
                    f"the proxy {proxy!r} has not as many words as {self.word!r}; give one word for each"
                )
            self._contexts[image] = self.generation.encode(text)
            self._matrices[image] = (alignment.matrix / alignment.matrix.sum(0)).T

    def _proxies(self) -> dict[int, str]:
        """Return each further image's proxy."""
        proxies, images = split_phrases(self.proxies), range(1, len(self.generation.prompts))
        if len(proxies) not in (1, len(images)):
            raise SettingError(
                f"there are {len(proxies)} proxies and {len(images)} pictures after the first; give one for "
                "each, or one for all"
            )
        return dict(zip(images, list(proxies) * (len(images) if len(proxies) == 1 else 1), strict=True))

    def wants(self, site: Site, run: Pass) -> bool:
        """Return whether the step is in the window."""
        steps = self.generation.steps
        return round(self.mixed_from * steps) <= run.step < round(self.mixed_until * steps)

    def attend(self, call: SteeredCall, run: Pass, compute: Compute) -> Tensor:
        """Return the product with the proxy prompts' values."""
        rows = {image: place for image, place in self.find_rows(call, run).items() if image in self._contexts}
        if not rows:
            return compute(call)
        value = call.value.clone()
        for image, place in rows.items():
            _, other = call.project(self._contexts[image])
            value[call.places.index(place)] = self._matrices[image].to(other) @ other[0]
        return compute(call.replace(value=value))


def _replaced(prompt: str, word: str, proxy: str) -> str:
    """Return a prompt with a whole word of it replaced, in any letter case."""
    pattern = rf"(?<!\w){re.escape(word)}(?!\w)"
    return re.sub(pattern, lambda _: proxy, prompt, flags=re.IGNORECASE)
