"""Scenes rendered for a training on a stream: their captions, and the processes that render them."""

from __future__ import annotations

import multiprocessing
import queue
import random
import signal
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tqdm")
pytest.importorskip("diffusers")
from support.scenes import cached_scene
from transformers import CLIPTokenizer

from vxa.training import rendering
from vxa.training.captions import SHARES, caption_variants
from vxa.training.rendering import Batch, Renderers, render_batch
from vxa.training.tokenizer import write_tokenizer

RENDERED = Batch(np.zeros((1, 3, 256, 256), np.uint8), np.zeros((1, 4, 77), np.int16))


@pytest.fixture(scope="module")
def tokenizer_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(path)
    return path


def test_a_scene_has_a_whole_caption_and_three_partial_ones():
    sample = cached_scene(0, "train")
    variants = caption_variants(sample, random.Random(0))
    named = [sum(thing.noun in caption for thing in sample.things) for caption in variants[1:]]
    assert variants[0] == sample.caption
    assert named[:2] == [1, 2]
    assert len(variants) == len(SHARES)
    assert sum(SHARES) == pytest.approx(1)


def test_rendered_scenes_are_pictures_and_tokens(tokenizer_path):
    tokenizer = CLIPTokenizer.from_pretrained(tokenizer_path)
    batch = render_batch([3, 4], "train", tokenizer)
    assert batch.pictures.shape == (2, 3, 256, 256)
    assert batch.ids.shape == (2, 4, 77)
    for row, seed in enumerate((3, 4)):
        sample = cached_scene(seed, "train")
        assert np.array_equal(batch.pictures[row].transpose(1, 2, 0), np.asarray(sample.image))
        expected = tokenizer(sample.caption, padding="max_length", max_length=77).input_ids
        assert batch.ids[row, 0].tolist() == expected


def renderers(*exit_codes, waiting=()):
    batches = queue.Queue()
    for item in waiting:
        batches.put(item)
    return Renderers(batches, [SimpleNamespace(exitcode=code) for code in exit_codes])


def test_a_batch_is_there_or_none_is():
    assert renderers(None, waiting=[RENDERED]).take(wait=False) is RENDERED
    assert renderers(None).take(wait=False) is None


def test_a_worker_that_was_ended_is_told(monkeypatch):
    monkeypatch.setattr(rendering, "PATIENCE", 0.01)
    for wait in (False, True):
        with pytest.raises(RuntimeError, match="exit code -9"):
            renderers(None, -9).take(wait)
    assert renderers(-9, waiting=[RENDERED]).take(wait=True) is RENDERED, "what is there is not lost"


def test_a_workers_error_reaches_the_training(monkeypatch, tmp_path):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    batches = queue.Queue()
    with pytest.raises(OSError):  # noqa: PT011
        rendering._work(batches, tmp_path / "nowhere", 0, 1, 1)
    with pytest.raises(RuntimeError, match=r"(?s)a rendering worker failed.*Traceback.*nowhere"):
        Renderers(batches, []).take(wait=False)


def test_a_worker_stops_when_nobody_reads(monkeypatch):
    class Full(queue.Queue):
        left = False

        def cancel_join_thread(self):
            self.left = True

    batches = Full(1)
    monkeypatch.setattr(rendering, "PATIENCE", 0.01)
    assert rendering._put(batches, RENDERED)
    gone = iter([True, False])
    monkeypatch.setattr(
        multiprocessing, "parent_process", lambda: SimpleNamespace(is_alive=lambda: next(gone))
    )
    assert not rendering._put(batches, RENDERED)
    assert batches.left


@pytest.mark.slow
def test_processes_render_in_turn_and_end_with_the_block(tokenizer_path):
    def take_some():
        with rendering.rendering(tokenizer_path, 2, 10, 2) as source:
            taken.extend(source.take(wait=True) for _ in range(3))
            assert len(multiprocessing.active_children()) == 2
            raise ZeroDivisionError

    taken = []
    with pytest.raises(ZeroDivisionError):
        take_some()
    assert not multiprocessing.active_children()
    scenes = [np.asarray(cached_scene(seed, "train").image) for seed in range(10, 24)]
    seeds = {picture.transpose(2, 0, 1).tobytes(): seed for seed, picture in enumerate(scenes, 10)}
    pairs = {tuple(seeds[picture.tobytes()] for picture in batch.pictures) for batch in taken}
    assert len(pairs) == 3, "no scene is rendered twice"
    assert {later - earlier for earlier, later in pairs} == {2}, "each process renders every other seed"
