"""Registers the VXA tab, its settings and its HTTP API with the webui."""

from modules import script_callbacks

from vxa.webui.api import add_routes
from vxa.webui.settings import add_settings
from vxa.webui.tab import tabs

script_callbacks.on_ui_settings(add_settings)
script_callbacks.on_ui_tabs(tabs(__file__))
script_callbacks.on_app_started(add_routes)
