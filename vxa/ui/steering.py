"""The control of the page's next picture: its fields as plain values, and what is made by them.

ControlChoice(strings.EDIT, target="a blue hat").steering("a red hat")
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vxa.errors import PromptError, SettingError
from vxa.steering import PromptToPrompt, StyleAligned
from vxa.steering.control import Control
from vxa.steering.spec import parse_factors
from vxa.ui import strings

__all__ = ["CHOICES", "MOST_PICTURES", "ControlChoice", "Steering"]

MOST_PICTURES = 8
"""Pictures that the page makes in one batch."""


@dataclass(frozen=True, eq=False)
class Steering:
    """A control, and the pictures that it makes.

    Attributes:
        control: the control.
        prompts: the prompt of each picture; the first one's is the page's own.
    """

    control: Control
    prompts: tuple[str, ...]

    def seeds(self, seed: int) -> list[int]:
        """Return the seed that each picture begins with."""
        return [seed + number * self.control.own_noise for number in range(len(self.prompts))]


@dataclass(frozen=True)
class ControlChoice:
    """The fields of the page's control as they stand, in their order.

    Attributes:
        control: one of CHOICES.
        target, cross_until, self_until, local_blend, reweight: of an edit, as in PromptToPrompt.
        prompts, strength: of a style, as in StyleAligned; the further prompts, one a line.
        words: words with their factors.
    """

    control: str | None = strings.NO_CONTROL
    target: str = ""
    cross_until: float = PromptToPrompt.cross_until
    self_until: float = PromptToPrompt.self_until
    local_blend: str = PromptToPrompt.local_blend
    reweight: str = ""
    prompts: str = ""
    strength: float = StyleAligned.strength
    words: str = ""

    def steering(self, prompt: str) -> Steering | None:
        """Return what makes pictures of the prompt and of the others; None without a control.

        Raises PromptError or SettingError for a field that cannot be read.
        """
        read = CHOICES.get(self.control or "")
        if read is None:
            raise SettingError(strings.no_such_control(self.control, list(CHOICES)))
        return read(self, prompt)


def _edit(choice: ControlChoice, prompt: str) -> Steering:
    target, factors = (choice.target or "").strip(), parse_factors(choice.reweight or "")
    if not target:
        raise PromptError(strings.NO_TARGET)
    if target == prompt.strip() and not factors:
        raise PromptError(strings.SAME_TARGET)
    control = PromptToPrompt(
        cross_until=choice.cross_until,
        self_until=choice.self_until,
        local_blend=(choice.local_blend or "").strip(),
        reweight=factors,
    )
    return Steering(control, (prompt, target))


def _style(choice: ControlChoice, prompt: str) -> Steering:
    further = [line.strip() for line in (choice.prompts or "").splitlines() if line.strip()]
    if not further:
        raise PromptError(strings.NO_FURTHER_PROMPTS)
    if len(further) >= MOST_PICTURES:
        raise PromptError(strings.too_many_prompts(len(further), MOST_PICTURES - 1))
    return Steering(StyleAligned(strength=choice.strength), (prompt, *further))


def _reweight(choice: ControlChoice, prompt: str) -> Steering:
    """Return prompt-to-prompt of the prompt to itself (Hertz et al. 2022, attention re-weighting)."""
    factors = parse_factors(choice.words or "")
    if not factors:
        raise SettingError(strings.NO_FACTORS)
    return Steering(PromptToPrompt(reweight=factors), (prompt, prompt))


CHOICES: dict[str, Callable[[ControlChoice, str], Steering | None]] = {
    strings.NO_CONTROL: lambda choice, prompt: None,
    strings.EDIT: _edit,
    strings.STYLE: _style,
    strings.REWEIGHT: _reweight,
}
"""Controls of the page by their names there, each as a function that reads its fields."""
