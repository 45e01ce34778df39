"""CLIP's tokenizer, built from the vocabulary that another package ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.checkpoints import write_vocabulary
from support.packages import CannotInstall, importable
from support.tiny_models import make_tokenizer

from vxa.errors import ModelError
from vxa.models import clip_vocabulary
from vxa.models.clip_vocabulary import clip_tokenizer

PROMPTS = ("red hat, neck", "A HAT and naïve  日本!", "")


@pytest.mark.parametrize("pad", ["<|endoftext|>", "!"])
def test_the_tokenizer_of_a_packages_vocabulary(
    pad: str, tmp_path: Path, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package itself is not imported: it raises."""
    write_vocabulary(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    made, expected = clip_tokenizer(pad), make_tokenizer(tokenizer_folder, pad)
    assert made.get_vocab() == expected.get_vocab()
    for prompt in PROMPTS:
        given = [each(prompt, padding="max_length")["input_ids"] for each in (made, expected)]
        assert given[0] == given[1]
        assert len(given[0]) == 77


def test_the_hubs_cache_serves_too(
    tmp_path: Path, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    def cached(repository: str, name: str) -> str | None:
        found = repository == "openai/clip-vit-large-patch14"
        return str(tokenizer_folder / name) if found else None

    monkeypatch.setattr(clip_vocabulary, "_PACKAGES", ())
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", cached)
    assert clip_tokenizer().get_vocab() == json.loads((tokenizer_folder / "vocab.json").read_text("utf-8"))


def test_where_there_is_none_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_vocabulary, "_PACKAGES", ("no_such_package",))
    monkeypatch.setattr(clip_vocabulary, "_CACHED", ())
    with pytest.raises(ModelError, match=r"bpe_simple_vocab_16e6.*pip install --no-deps open-clip-torch"):
        clip_tokenizer()


@pytest.fixture(scope="module")
def open_clip() -> Any:
    try:
        with importable("open_clip_torch==3.3.0"):
            yield
    except CannotInstall as reason:
        pytest.skip(str(reason))


@pytest.mark.network
@pytest.mark.parametrize(("pad", "number"), [("<|endoftext|>", 49407), ("!", 0)])
def test_clips_own_ids(pad: str, number: int, open_clip: Any) -> None:
    """These are the ids of openai/clip-vit-large-patch14."""
    tokenizer = clip_tokenizer(pad)
    ids = tokenizer("a photo of a cat", padding="max_length")["input_ids"]
    assert ids == [49406, 320, 1125, 539, 320, 2368, 49407, *[number] * 70]
    assert len(tokenizer) == 49408
