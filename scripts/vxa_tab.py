"""Registers the VXA tab and the HTTP API with the webui."""

from modules import script_callbacks

from vxa.webui.api import add_routes
from vxa.webui.tab import tabs

script_callbacks.on_ui_tabs(tabs(__file__))
script_callbacks.on_app_started(add_routes)
