"""The always-on script "VXA" of txt2img and img2img: heat maps of the words of what is being generated.

    from vxa.webui.host.script import VxaTrace, after_network, after_step, before_network, forget_all
    script_callbacks.on_cfg_denoiser(before_network)
    script_callbacks.on_cfg_denoised(after_network)
    script_callbacks.on_cfg_after_cfg(after_step)
    script_callbacks.on_script_unloaded(forget_all)

A generation's job hangs on the webui's own object of it: an extension that generates within a generation has
an object of its own, and is neither traced nor mixed in. Off, the script touches nothing.
"""

from __future__ import annotations

import weakref
from typing import Any

from modules import scripts

from vxa.errors import SettingError
from vxa.webui import strings
from vxa.webui.generation.accordion import controls, notice, paste_fields
from vxa.webui.generation.job import Job
from vxa.webui.generation.options import TraceOptions
from vxa.webui.generation.sampling import Sampling
from vxa.webui.host import denoiser
from vxa.webui.host.xyz_plot import axes_of
from vxa.webui.installed import problem

__all__ = ["VxaTrace", "after_network", "after_step", "before_network", "forget_all"]

_JOB = "vxa_job"
_entered: list[Sampling] = []  # whose hooks are on a network: one, while its denoiser is at work
_live: list[weakref.ref[Job]] = []  # whose step has just been made


def job_of(p: Any) -> Job | None:
    """The job of a generation that is traced; a copy of its object has none."""
    job = getattr(p, _JOB, None)
    return job if isinstance(job, Job) and job.owner() is p else None


def _pass_of(p: Any) -> str:
    """Which of hires fix's two passes is made; blank where there is one alone."""
    if getattr(p, "is_hr_pass", False):
        return strings.SECOND_PASS
    return strings.FIRST_PASS if getattr(p, "enable_hr", False) else ""


def forget_all() -> None:
    """Take every hook away that a generation left behind, however it ended."""
    while _entered:
        _entered.pop().release()


def before_network(params: Any) -> None:
    """The denoiser is about to run the network, which may have been exchanged since its last call."""
    p = getattr(params.denoiser, "p", None)
    job = job_of(p)
    sampling = job.sampling_at(_pass_of(p), params.denoiser.step) if job is not None else None
    if sampling is None or sampling.problem:
        return
    forget_all()
    try:
        sampling.enter(denoiser.denoiser_call(params))
    except Exception as error:  # the generation is not ours to end
        sampling.give_up(error)
        return
    _entered.append(sampling)
    if job is not None and job.wanted.live:
        _live[:] = [weakref.ref(job)]
    # What the network raises leaves the denoiser: nobody calls back, but its frame is gone with `params`.
    weakref.finalize(params, sampling.release).atexit = False


def after_network(params: Any) -> None:
    """The denoiser has run the network."""
    while _entered:
        _entered.pop().leave()


def after_step(params: Any) -> None:
    """The denoiser has made its step, and the webui has what its live preview shows."""
    while _live:
        if job := _live.pop()():
            denoiser.show_so_far(job)


class VxaTrace(scripts.Script):  # type: ignore[misc]
    """The accordion, and what the webui calls on the way of a generation."""

    def title(self) -> str:
        """Its name, in `alwayson_scripts` of the API too."""
        return strings.TAB

    def show(self, is_img2img: bool) -> Any:
        """Always there."""
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        """The controls, in the order of TraceOptions' fields."""
        from modules.ui_components import InputAccordion  # "Reload UI" makes another of it

        if said := problem(self.filename):
            notice(said)
            return []
        made = controls(InputAccordion, self.elem_id)
        self.infotext_fields = paste_fields(made)
        return made

    def before_process(self, p: Any, *args: Any) -> None:
        """A generation begins: the one before may have ended anyhow."""
        forget_all()
        if hasattr(p, _JOB):
            delattr(p, _JOB)
        denoiser.forget_said(p)

    def process(self, p: Any, *args: Any) -> None:
        """Note what is wanted, and record it in the infotext."""
        axes = axes_of(p)
        try:
            wanted = TraceOptions.of(args, axes)
        except SettingError as error:
            job = Job(weakref.ref(p), TraceOptions(), bool(axes))
            job.say(strings.not_traced(str(error)))
            setattr(p, _JOB, job)
            return
        if wanted.enabled:
            setattr(p, _JOB, Job(weakref.ref(p), wanted, bool(axes), denoiser.show_in_page))
            p.extra_generation_params.update(wanted.entries())

    def process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """A batch begins."""
        if job := job_of(p):
            job.begin_batch()

    def postprocess_image_after_composite(self, p: Any, pp: Any, *args: Any) -> None:
        """An image is finished."""
        if job := job_of(p):
            number = p.iteration * p.batch_size + p.batch_index
            region, interrupted = denoiser.region_of(p), denoiser.interrupted()
            job.draw(number, p.batch_index, pp.image, region, interrupted)

    def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
        """The generation is finished."""
        forget_all()
        if job := job_of(p):
            job.finish()
            denoiser.add_to_gallery(job, p, processed)
            delattr(p, _JOB)
