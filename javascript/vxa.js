// VXA's page: token chips and their indices boxes in step, images from the clipboard, and images sent to it.
// Loaded by the app and by webuis alike, maybe more than once; everything hangs on the document by delegation,
// because gradio draws its elements again whenever it likes.
(function () {
  "use strict";
  if (window.vxaPage) return;
  window.vxaPage = true;

  const root = () => (typeof gradioApp === "function" ? gradioApp() : document);
  const box = (id) => root().querySelector(`#${id} textarea, #${id} input`);

  // "1, 3-5" -> [1, 3, 4, 5]; null where the text is no list of indices (the server says what is wrong with it)
  function parse(text) {
    const indices = [];
    for (const item of text.split(",").map((part) => part.trim()).filter(Boolean)) {
      const match = /^(\d{1,6})(?:\s*-\s*(\d{1,6}))?$/.exec(item);
      if (!match) return null;
      const first = Number(match[1]), last = Number(match[2] || match[1]);
      for (let index = first; index <= Math.min(last, first + 5000); index++) indices.push(index);
    }
    return [...new Set(indices)];
  }

  // [1, 3, 4, 5] -> "1, 3-5": runs of three or more become ranges
  function written(indices) {
    const parts = [];
    for (let start = 0; start < indices.length; ) {
      let end = start;
      while (indices[end + 1] === indices[end] + 1) end++;
      if (end - start >= 2) parts.push(`${indices[start]}-${indices[end]}`);
      else parts.push(...indices.slice(start, end + 1));
      start = end + 1;
    }
    return parts.join(", ");
  }

  // Every group of chips says which box it fills.
  function show() {
    for (const group of root().querySelectorAll("[data-box]")) {
      const field = box(group.dataset.box);
      if (!field) continue;
      const chosen = new Set(parse(field.value) || []);
      for (const chip of group.querySelectorAll(".vxa-chip")) {
        const pressed = String(parse(chip.dataset.indices).every((index) => chosen.has(index)));
        if (chip.getAttribute("aria-pressed") !== pressed) chip.setAttribute("aria-pressed", pressed);
      }
    }
  }

  // What gradio 3 and 4 leave without a name gets its block's: number boxes of sliders, images, buttons for files.
  const NAMELESS = "input[type=number]:not([aria-label]), img:not([alt]), #vxa_picture img[alt=''], button:not([aria-label]):has(> input[type=file])";
  function name() {
    for (const element of root().querySelectorAll(".vxa-columns")) {
      for (const nameless of element.querySelectorAll(NAMELESS)) {
        const block = nameless.closest(".block");
        const label = block?.querySelector("[data-testid=block-info], [data-testid=block-label]");
        const said = (label || root().querySelector(`[data-names="${block?.id}"]`))?.textContent.trim();
        if (said && !nameless.labels?.length) nameless.setAttribute(nameless.matches("img") ? "alt" : "aria-label", said);
      }
    }
  }

  function toggled(text, own) {
    const chosen = parse(text || "") || [];
    const others = chosen.filter((index) => !own.includes(index));
    return written(own.every((index) => chosen.includes(index)) ? others : [...others, ...own]);
  }
  function write(field, text) {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // While the prompt was edited and the server's answer is on its way, the chips and the boxes are of the prompt
  // before. A chip that is chosen then is chosen by its word, once it is there.
  let waiting = [];
  const ofPromptNow = (prompt) => prompt.replace(/\r\n?/g, "\n") === (box("vxa_prompt")?.value ?? "");
  const late = ({ dataset }) => "prompt" in dataset && !ofPromptNow(dataset.prompt);
  const sameWord = (group, word) => [...group.querySelectorAll("[data-word]")].filter((one) => one.dataset.word === word);
  function choose(chip) {
    const group = chip.closest("[data-box]"), { word } = chip.dataset, field = box(group.dataset.box);
    if (!field) return;
    if (late(group)) waiting.push({ box: group.dataset.box, word, place: sameWord(group, word).indexOf(chip) });
    else write(field, toggled(field.value, parse(chip.dataset.indices)));
  }
  function withWaiting(id, text) {
    const group = root().querySelector(`.vxa-chips[data-box="${id}"]`);
    const chips = waiting.filter((one) => one.box === id).map((one) => sameWord(group, one.word)[one.place]);
    waiting = waiting.filter((one) => one.box !== id);
    return chips.filter(Boolean).reduce((now, chip) => toggled(now, parse(chip.dataset.indices)), text);
  }

  // Take over where the selections went in the edited prompt, where it is still that one. A box that was written
  // into since is left alone: what stands there is of the prompt as it is.
  const BOXES = ["vxa_indices", "vxa_against"];
  window.vxaFollow = (followed, anchor, ...boxes) => {
    const { asked, give } = JSON.parse(followed || "{}");
    if (!give || !ofPromptNow(JSON.parse(give[0]).prompt)) return [anchor, ...boxes];
    const now = BOXES.map((id, place) => {
      const untouched = (boxes[place] || "") === (asked[place] || "");
      return withWaiting(id, untouched ? give[place + 1] : boxes[place]);
    });
    // Written here too: the chips are drawn already, and are lit by what stands in the boxes.
    BOXES.forEach((id, place) => { if (box(id)) box(id).value = now[place]; });
    show();
    return [give[0], ...now];
  };
  function writtenNow() {
    const field = box("vxa_anchor"), prompt = box("vxa_prompt")?.value ?? "";
    if (!field?.value || ofPromptNow(JSON.parse(field.value).prompt)) return;
    write(field, JSON.stringify({ prompt, chips: null, boxes: [null, null], since: null }));
  }

  // Where the word of a chip is, while it is pointed at or has the keyboard's focus: asked of the server under a
  // number, shown over the picture, which stays as it is.
  let pointed = null, asking = 0, soon = 0;
  function unpeek() {
    clearTimeout(soon);
    pointed = null;
    asking++;
    root().querySelector(".vxa-peek")?.remove();
  }
  function peek(chip) {
    unpeek();
    const field = box("vxa_pointed");
    if (!field || !root().querySelector("#vxa_picture img")) return;
    pointed = chip;
    soon = setTimeout(() => {
      field.value = `${chip.dataset.indices} #${asking}`;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }, 150);
  }
  function showPeek() {
    const given = root().querySelector(`#vxa_peeked [data-peek="${asking}"]`);
    const holder = root().querySelector("#vxa_picture"), picture = holder?.querySelector("img");
    if (!given || !picture || !pointed) return;
    holder.querySelector(".vxa-peek")?.remove();
    const shown = document.createElement("div"), place = picture.getBoundingClientRect(), around = holder.getBoundingClientRect();
    shown.className = "vxa-peek";
    Object.assign(shown.style, {
      left: `${place.left - around.left - holder.clientLeft}px`, top: `${place.top - around.top - holder.clientTop}px`,
      width: `${place.width}px`, height: `${place.height}px`, backgroundImage: `url(${given.src})`,
    });
    holder.append(shown);
  }

  // Give the image box a file as if it had been chosen there; where it has an image, that one goes first.
  function give(holder, file, tries = 100) {
    const input = holder.querySelector("input[type=file]");
    if (!input) {
      if (tries === 100) holder.querySelector("button[aria-label='Remove Image'], button[aria-label='Clear']")?.click();
      if (tries) setTimeout(give, 50, holder, file, tries - 1);
      return;
    }
    const chosen = new DataTransfer();
    chosen.items.add(file);
    input.files = chosen.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  document.addEventListener("paste", (event) => {
    const holder = root().querySelector("#vxa_image"), given = event.clipboardData;
    const file = [...(given?.files || [])].find((one) => one.type.startsWith("image/"));
    const writing = event.composedPath()[0].matches?.("input, textarea") && given.types.includes("text/plain");
    if (!file || writing || !holder?.offsetParent || event.defaultPrevented) return;
    event.preventDefault();
    give(holder, file);
  });

  // Where gradio drops what happens while it waits for an answer, this asks again once it is there.
  const asked = {};
  const press = (id) => root().querySelector(`#${id}`).click();
  window.vxaPress = (id) => { press(id); return []; };
  window.vxaAsk = (id) => {
    if (asked[id]) asked[id].again = true;
    else { asked[id] = { again: false }; press(id); }
    return [];
  };
  window.vxaAnswered = (id) => {
    const again = asked[id]?.again;
    delete asked[id];
    if (again) window.vxaAsk(id);
    return [];
  };

  // What a webui calls by these names when an image is sent to the tab. Of a gallery the chosen image is asked
  // for, and its number; the PNG Info page has one image and its text.
  window.vxaChosen = (images, told) => {
    if (!Array.isArray(images)) return [null, told, "0"];
    return [extract_image_from_gallery(images)[0], told, String(selected_gallery_index())];
  };
  window.switch_to_vxa = (...given) => {
    const tabs = [...root().querySelectorAll("#tabs > .tabitem")];
    const number = tabs.findIndex((tab) => tab.id === "tab_vxa");
    root().querySelectorAll("#tabs > .tab-nav > button")[number]?.click();
    setTimeout(() => root().querySelector("#vxa_press")?.focus({ preventScroll: true }), 100);
    return given;
  };
  window.recalculate_prompts_vxa = (...given) => given;

  const chipOf = (event) => event.composedPath()[0].closest?.(".vxa-chip");
  document.addEventListener("click", (event) => {
    const chip = chipOf(event);
    if (chip) { unpeek(); choose(chip); }
  });
  document.addEventListener("pointerover", (event) => {
    const chip = event.pointerType === "touch" ? null : chipOf(event);
    if (chip && chip !== pointed) peek(chip);
  });
  document.addEventListener("pointerout", (event) => {
    if (pointed && chipOf(event) === pointed && !pointed.contains(event.relatedTarget)) unpeek();
  });
  document.addEventListener("focusin", (event) => {
    const chip = chipOf(event);
    if (chip?.matches(":focus-visible")) peek(chip);
  });
  document.addEventListener("focusout", (event) => { if (pointed && chipOf(event) === pointed) unpeek(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && pointed) unpeek(); });
  // On a phone a wide figure is scrolled within its place, and any other fits it: the style asks which it is.
  document.addEventListener("load", ({ target }) => {
    const holder = target.matches?.("#vxa_picture img") && target.closest("#vxa_picture");
    if (holder) holder.toggleAttribute("data-wide", target.naturalWidth > 1.75 * holder.clientWidth);
  }, true);
  document.addEventListener("input", (event) => {
    if (event.composedPath()[0].closest?.("#vxa_indices, #vxa_against")) { show(); writtenNow(); }
  });
  // The server draws chips for a prompt, and may have been asked before the last click.
  new MutationObserver((changes) => {
    const came = (what) =>
      changes.some(({ addedNodes }) => [...addedNodes].some((node) => node.matches?.(what) || node.querySelector?.(what)));
    if (came(".vxa-chip")) show();
    if (came("[data-peek]") || changes.some(({ type }) => type === "attributes")) showPeek();
    if (pointed && !pointed.isConnected) unpeek();
    if (came(NAMELESS)) name();
  }).observe(document.documentElement, { childList: true, subtree: true, attributeFilter: ["data-peek"] });
})();
