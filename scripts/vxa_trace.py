"""Registration of VXA's always-on script of txt2img and img2img with the webui."""

from modules import script_callbacks

from vxa.webui.host.script import VxaTrace, after_network, after_step, before_network, release_all
from vxa.webui.host.xyz_plot import add_axes

__all__ = ["VxaTrace"]

script_callbacks.on_before_ui(add_axes)
script_callbacks.on_cfg_denoiser(before_network)
script_callbacks.on_cfg_denoised(after_network)
script_callbacks.on_cfg_after_cfg(after_step)
script_callbacks.on_script_unloaded(release_all)
