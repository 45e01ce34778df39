"""Registers the VXA tab, what sends to it, its settings and its HTTP API with the webui."""

from modules import script_callbacks

from vxa.webui.api.routes import add_routes
from vxa.webui.host.send_to import keep_prompt, sending_of
from vxa.webui.settings import add_settings
from vxa.webui.tab import tabs

sending = sending_of(__file__)
script_callbacks.on_ui_settings(add_settings)
script_callbacks.on_after_component(sending.meet)
script_callbacks.on_infotext_pasted(keep_prompt)
script_callbacks.on_ui_tabs(tabs(__file__, sending))
script_callbacks.on_app_started(add_routes)
