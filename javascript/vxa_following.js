// VXA's tab in a webui: it asks which sites the checkpoint has when it is opened, when another checkpoint was
// chosen, and while there is none yet. The app of VXA's own has one model, and does not load this.
(function () {
  "use strict";
  if (window.vxaFollowed || typeof onUiTabChange !== "function") return;

  const shown = (id) => gradioApp().querySelector(`#tab_vxa ${id}`);
  const ask = () => {
    if (gradioApp().querySelector("#tab_vxa")?.offsetParent) shown("#vxa_follow")?.click();
  };
  window.vxaFollowed = () => {
    if (shown("#vxa_message [data-waits]")) setTimeout(ask, 2000);
    return [];
  };
  onUiTabChange(() => setTimeout(ask));
  onOptionsChanged(ask);
})();
