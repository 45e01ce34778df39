"""Registers the VXA tab with the webui."""

from modules import script_callbacks

from vxa.webui.tab import tabs

script_callbacks.on_ui_tabs(tabs(__file__))
