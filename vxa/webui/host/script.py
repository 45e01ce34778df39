"""The always-on script "VXA" of txt2img and img2img: heat maps of the prompt's words for each image.

    from vxa.webui.host.script import VxaTrace, after_network, after_step, before_network, release_all
    script_callbacks.on_cfg_denoiser(before_network)
    script_callbacks.on_cfg_denoised(after_network)
    script_callbacks.on_cfg_after_cfg(after_step)
    script_callbacks.on_script_unloaded(release_all)

The job is an attribute of the webui's object of the generation. An extension that generates within a
generation has an object of its own, so its passes are neither traced nor mixed in. While off, the script
changes nothing.
"""

from __future__ import annotations

import weakref
from typing import Any

from modules import scripts

from vxa.errors import SettingError
from vxa.webui import strings
from vxa.webui.generation.accordion import build_controls, build_notice, paste_fields
from vxa.webui.generation.job import Job
from vxa.webui.generation.options import TraceOptions
from vxa.webui.generation.sampling import Sampling
from vxa.webui.host import denoiser
from vxa.webui.host.xyz_plot import axes_of
from vxa.webui.installed import problem

__all__ = ["VxaTrace", "after_network", "after_step", "before_network", "release_all"]

_JOB = "vxa_job"
_hooked: list[Sampling] = []  # samplings with hooks on a network: at most one, during its denoiser's call
_previews: list[weakref.ref[Job]] = []  # jobs whose live preview is due after the current step: at most one


def job_of(p: Any) -> Job | None:
    """Return the job of a traced generation; None if it is not traced, or `p` is a copy of its object."""
    job = getattr(p, _JOB, None)
    return job if isinstance(job, Job) and job.owner() is p else None


def _pass_of(p: Any) -> str:
    """Return the label of hires fix's current pass; blank without hires fix."""
    if getattr(p, "is_hr_pass", False):
        return strings.SECOND_PASS
    return strings.FIRST_PASS if getattr(p, "enable_hr", False) else ""


def release_all() -> None:
    """Remove every hook that a generation left behind, however it ended."""
    while _hooked:
        _hooked.pop().release()


def before_network(params: Any) -> None:
    """Add hooks before the denoiser runs the network, which may differ from the last call's."""
    p = getattr(params.denoiser, "p", None)
    job = job_of(p)
    sampling = job.sampling_at(_pass_of(p), params.denoiser.step) if job is not None else None
    if sampling is None or sampling.problem:
        return
    release_all()
    try:
        sampling.enter(denoiser.denoiser_call(params))
    except Exception as error:  # tracing must not end the generation
        sampling.give_up(error)
        return
    _hooked.append(sampling)
    if job is not None and job.options.live:
        _previews[:] = [weakref.ref(job)]
    # If the network raises, no callback follows; but `params` is freed with the denoiser's frame.
    weakref.finalize(params, sampling.release).atexit = False


def after_network(params: Any) -> None:
    """Remove the hooks after the denoiser has run the network."""
    while _hooked:
        _hooked.pop().leave()


def after_step(params: Any) -> None:
    """Show the live preview after the denoiser's step, when the webui has the latent for it."""
    while _previews:
        if job := _previews.pop()():
            denoiser.show_preview(job)


class VxaTrace(scripts.Script):  # type: ignore[misc]
    """The accordion, and the webui's callbacks during a generation."""

    def title(self) -> str:
        """Return the script's name, also used in `alwayson_scripts` of the API."""
        return strings.TAB

    def show(self, is_img2img: bool) -> Any:
        """Return AlwaysVisible: the script runs in every generation."""
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        """Build the controls, in the order of TraceOptions' fields."""
        from modules.ui_components import InputAccordion  # "Reload UI" makes another class

        if message := problem(self.filename):
            build_notice(message)
            return []
        controls = build_controls(InputAccordion, self.elem_id)
        self.infotext_fields = paste_fields(controls)
        return controls

    def before_process(self, p: Any, *args: Any) -> None:
        """Clear what the last generation left on its networks and on the object, however it ended."""
        release_all()
        if hasattr(p, _JOB):
            delattr(p, _JOB)
        denoiser.forget_notes(p)

    def process(self, p: Any, *args: Any) -> None:
        """Read the options, begin a job if tracing is on, and record the options in the infotext."""
        axes = axes_of(p)
        try:
            options = TraceOptions.of(args, axes)
        except SettingError as error:
            job = Job(weakref.ref(p), TraceOptions(), bool(axes))
            job.add_note(strings.not_traced(str(error)))
            setattr(p, _JOB, job)
            return
        if options.enabled:
            setattr(p, _JOB, Job(weakref.ref(p), options, bool(axes), denoiser.show_in_page))
            p.extra_generation_params.update(options.entries())

    def process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """Begin a batch."""
        if job := job_of(p):
            job.begin_batch()

    def postprocess_image_after_composite(self, p: Any, pp: Any, *args: Any) -> None:
        """Draw the pictures of a finished image."""
        if job := job_of(p):
            number = p.iteration * p.batch_size + p.batch_index
            region, interrupted = denoiser.region_of(p), denoiser.is_interrupted()
            job.draw(number, p.batch_index, pp.image, region, interrupted)

    def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
        """Finish the job and add its pictures to the gallery."""
        release_all()
        if job := job_of(p):
            job.finish()
            denoiser.add_to_gallery(job, p, processed)
            delattr(p, _JOB)
