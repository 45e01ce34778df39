"""The webui's queue of jobs, and its Interrupt.

with job("vxa"):                          # holds the queue's lock; the webui shows it as a task
    model = chosen_model()                # the checkpoint chosen at this moment
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
"""Calls of the model in a job, for the webui's progress: of the image, the prompt, and the noise."""


@contextmanager
def job(name: str) -> Iterator[None]:
    """Hold the webui's queue for a block, as a task that the webui shows like a generation's."""
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
                # An interrupt must not reach the next job.
                shared.state.interrupted = shared.state.skipped = False
                shared.state.end()  # also frees the device's cache
    finally:
        progress.finish_task(task)


def check_interrupt() -> None:
    """Raise Stopped if the user pressed the webui's Interrupt or Skip."""
    if shared.state.interrupted or shared.state.skipped:
        raise Stopped(strings.STOPPED)
