"""Registration of the VXA tab, its "Send to" buttons, its settings and its HTTP API with the webui."""

from modules import script_callbacks

from vxa.webui.api.routes import add_routes
from vxa.webui.host.send_to import keep_prompt, sending_of
from vxa.webui.settings import add_settings
from vxa.webui.tab import tabs

send_buttons = sending_of(__file__)
script_callbacks.on_ui_settings(add_settings)
script_callbacks.on_after_component(send_buttons.add_component)
script_callbacks.on_infotext_pasted(keep_prompt)
script_callbacks.on_ui_tabs(tabs(__file__, send_buttons))
script_callbacks.on_app_started(add_routes)
