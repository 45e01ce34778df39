"""The webui's queue of jobs, and its Interrupt.

with job("vxa"):                          # the queue's lock, and a task that the webui shows
    model = chosen_model()                # the checkpoint that is chosen now
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from modules import call_queue, lowvram, progress, sd_models, shared

from vxa.ui import strings
from vxa.ui.stopping import Stopped

__all__ = ["CALLS", "check_interrupt", "job"]

CALLS = 3
"""Of the model in a job: for the image, the prompt, and the noise; the webui's progress counts them."""


@contextmanager
def job(name: str) -> Iterator[None]:
    """The webui's queue for a block to itself, as a task that it shows like a generation's."""
    task = f"task({name}-{secrets.token_hex(4)})"
    progress.add_task_to_queue(task)
    try:
        with call_queue.queue_lock:
            progress.start_task(task)
            shared.state.begin(job=name)
            shared.state.job_count = 1
            shared.state.sampling_steps = CALLS
            shared.state.textinfo = strings.LOOKING
            try:
                yield
            finally:
                if getattr(sd_models.model_data.sd_model, "lowvram", False):
                    lowvram.send_everything_to_cpu()
                # What comes next was not interrupted.
                shared.state.interrupted = shared.state.skipped = False
                shared.state.end()  # which frees what the device's cache holds
    finally:
        progress.finish_task(task)


def check_interrupt() -> None:
    """Raise Stopped where a person pressed the webui's Interrupt, or its Skip."""
    if shared.state.interrupted or shared.state.skipped:
        raise Stopped(strings.STOPPED)
