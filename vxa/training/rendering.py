"""Scenes rendered to pictures, captions and token ids, here or by worker processes."""

from __future__ import annotations

import itertools
import multiprocessing
import queue
import signal
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import CLIPTokenizer

from vxa.papercut.scene import Scene, scene

from .captions import caption_variants
from .tokenizer import token_ids

AHEAD = 64
"""Batches that wait in the queue before the workers pause."""

PATIENCE = 2.0
"""Seconds after which a process that waits looks whether the other one is still there."""


def render(count: int, first: int = 0, split: str = "train") -> Tensor:
    """Render the pictures of consecutive seeds, uint8 [count, 3, 256, 256]."""
    return pictures_of([scene(first + i, split) for i in tqdm(range(count), "rendering", mininterval=10)])


def pictures_of(scenes: list[Scene]) -> Tensor:
    """Return the scenes' pictures, uint8 [n, 3, 256, 256]."""
    return torch.from_numpy(np.stack([np.asarray(s.image) for s in scenes])).permute(0, 3, 1, 2).contiguous()


def to_pixels(pictures: Tensor) -> Tensor:
    """Convert uint8 pictures to float32 in [−1, 1]."""
    return pictures.float() / 127.5 - 1


@dataclass(frozen=True)
class Batch:
    """Rendered scenes, as arrays that pass between processes.

    `pictures` are uint8 [n, 3, 256, 256], `ids` int16 [n, 4, 77]: the tokens of `caption_variants`."""

    pictures: np.ndarray
    ids: np.ndarray


def render_batch(seeds: Iterable[int], split: str, tokenizer: CLIPTokenizer) -> Batch:
    """Render the scenes of these seeds with their captions."""
    scenes = [scene(seed, split) for seed in seeds]
    captions = [text for s in scenes for text in caption_variants(s, Random(f"captions {s.seed}"))]
    ids = token_ids(tokenizer, captions).numpy().astype(np.int16)
    return Batch(pictures_of(scenes).numpy(), ids.reshape(len(scenes), -1, ids.shape[-1]))


class Renderers:
    """Worker processes that render, and the queue of what they have rendered."""

    def __init__(self, batches: Any, processes: list[Any]) -> None:
        self._batches, self._processes = batches, processes

    def take(self, wait: bool) -> Batch | None:
        """Return the next batch; None if there is none yet and `wait` is false.

        Raises:
            RuntimeError: a worker failed or was ended.
        """
        while True:
            ended = [process.exitcode for process in self._processes if process.exitcode is not None]
            try:
                batch = self._batches.get(timeout=PATIENCE) if wait else self._batches.get_nowait()
            except queue.Empty:
                if ended:
                    raise RuntimeError(f"a rendering worker ended with exit code {ended[0]}") from None
                if not wait:
                    return None
                continue
            if isinstance(batch, Batch):
                return batch
            raise RuntimeError(f"a rendering worker failed:\n{batch}")


@contextmanager
def rendering(tokenizer: Path, workers: int, first: int, size: int) -> Iterator[Renderers]:
    """Run processes that render train scenes from seed `first` on, `size` in a batch, until the block ends.

    `tokenizer` is the folder of the tokenizer. The processes also end when this one is killed."""
    context = multiprocessing.get_context("spawn")
    batches: Any = context.Queue(AHEAD)
    processes = [
        context.Process(target=_work, args=(batches, tokenizer, first + i, workers, size), daemon=True)
        for i in range(workers)
    ]
    started: list[Any] = []
    try:
        for process in processes:
            process.start()
            started.append(process)
        yield Renderers(batches, processes)
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.join()
        batches.close()


def _work(batches: Any, tokenizer: Path, first: int, stride: int, size: int) -> None:
    """Render the scenes of seeds `first`, `first + stride`, … into the queue while somebody reads it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the reader, which ends the workers
    torch.set_num_threads(1)
    try:
        reader = CLIPTokenizer.from_pretrained(tokenizer)
        seeds = itertools.count(first, stride)
        while _put(batches, render_batch(itertools.islice(seeds, size), "train", reader)):
            pass
    except Exception:
        _put(batches, traceback.format_exc())
        raise


def _put(batches: Any, item: Batch | str) -> bool:
    """Put an item into the queue; return False if the process that reads it is gone."""
    parent = multiprocessing.parent_process()
    while parent is None or parent.is_alive():
        try:
            batches.put(item, timeout=PATIENCE)
            return True
        except queue.Full:
            continue
    batches.cancel_join_thread()  # else this process would wait until its last batches are read
    return False
