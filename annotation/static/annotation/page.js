// Conveniences of single pages: filters that apply themselves, and the keyboard in review.
// Each of them stands on a plain form or link that works without scripts.

const ENTERING = "input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]";

// Shows the element within the box that scrolls it. The page stays where it is, so the plot stays on the screen. On a
// narrow screen the box does not scroll by itself, and then the page moves as little as possible.
function reveal(element) {
  const box = element.closest("[data-keeps-scroll], .scroll");
  if (box && box.scrollHeight > box.clientHeight) {
    const outer = box.getBoundingClientRect();
    const inner = element.getBoundingClientRect();
    const head = box.querySelector("thead")?.offsetHeight ?? 0;
    if (inner.top < outer.top + head) box.scrollTop -= outer.top + head - inner.top;
    else if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom;
  }
  const { top, bottom } = element.getBoundingClientRect();
  if (top < 0 || bottom > window.innerHeight) element.scrollIntoView({ block: "nearest" });
}

function focusInPlace(element) {
  element.closest("details:not([open])")?.setAttribute("open", "");
  element.focus({ preventScroll: true });
  reveal(element);
}

class ReviewKeys {
  constructor(form) {
    this.form = form;
    this.decisions = Object.fromEntries(
      [...form.querySelectorAll("[data-key]")].map((input) => [input.dataset.key, input]));
    document.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    if (event.defaultPrevented || event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      if (event.key === "Enter" && this.form.contains(event.target)) this.form.requestSubmit();
      return;
    }
    // No shortcut while anything is being entered.
    if (event.isComposing || event.target.matches(ENTERING)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const input = this.decisions[event.key];
    if (event.key === "j" || event.key === "k") this.move(event.key === "j" ? 1 : -1);
    else if (event.key === "n" || event.key === "b") this.follow(event.key === "n" ? "next" : "prev");
    else if (input) this.decide(input);
    else return;
    event.preventDefault();
  }

  move(step) {
    const picks = [...document.querySelectorAll("[data-pick]")];
    const current = picks.findIndex((pick) => pick.closest("tr").classList.contains("chosen"));
    const pick = picks[Math.min(Math.max(current + step, 0), picks.length - 1)];
    if (!pick) return;
    pick.focus({ preventScroll: true });
    const row = pick.closest("tr");
    const table = row.closest(".scroll");
    if (table.scrollHeight > table.clientHeight) reveal(row);
    pick.click();
  }

  follow(rel) { document.querySelector(`a[rel=${rel}]`)?.click(); }

  decide(input) {
    input.checked = true;
    // "Accept" needs no reason, so Enter saves it. Every other decision needs an entry first.
    const selectors = { accept: "button[type=submit]", propose: "[name=proposed_smiles]" };
    focusInPlace(this.form.querySelector(selectors[input.value] ?? "[name=reason]"));
  }
}

// The selected candidate is also the one that "Choose another candidate" records.
function markChosen(pick) {
  document.querySelectorAll("tr.chosen").forEach((row) => row.classList.remove("chosen"));
  document.querySelectorAll("[data-pick][aria-current]").forEach((other) => other.removeAttribute("aria-current"));
  pick.closest("tr").classList.add("chosen");
  pick.setAttribute("aria-current", "true");
  const field = document.querySelector("[data-review] [name=candidate]");
  if (field) field.value = pick.dataset.pick;
  const shown = document.querySelector("[data-chosen-rank]");
  if (shown) shown.value = pick.dataset.pick;
}

// A proposed molecule becomes the own structure of the verdict form. The curator still writes the reason.
function proposeStructure(smiles) {
  const form = document.querySelector("[data-review]");
  const field = form.querySelector("[name=proposed_smiles]");
  form.querySelector("[name=decision][value=propose]").checked = true;
  field.closest("details").open = true;
  field.value = smiles;
  focusInPlace(form.querySelector("[name=reason]"));
}

// Level 2a needs a reference spectrum, which the reason names.
function cite(text) {
  const reason = document.querySelector("[data-review] [name=reason]");
  reason.value = [reason.value.trim(), text].filter(Boolean).join(" ");
  reason.focus();
}

// The active peak highlights its fragment in the candidate's structure. The delay spares the server a request for
// each peak that the pointer crosses.
let pendingHighlight = 0;
document.addEventListener("spectrum:peak", (event) => {
  const picture = document.querySelector("[data-fragments]");
  if (!picture) return;
  clearTimeout(pendingHighlight);
  pendingHighlight = setTimeout(() => {
    const { fragments } = picture.dataset;
    const source = event.detail.atoms ? `${fragments}&atoms=${event.detail.atoms}` : fragments;
    if (picture.getAttribute("src") !== source) picture.setAttribute("src", source);
  }, 60);
});

// A part that a person opened stays open when another candidate replaces it.
const opened = new Set();
document.addEventListener("toggle", (event) => {
  const name = event.target.dataset?.staysOpen;
  if (!name || !event.target.isConnected) return;
  if (event.target.open) opened.add(name);
  else opened.delete(name);
}, true);
document.addEventListener("htmx:load", (event) => {
  event.target.parentElement?.querySelectorAll?.("[data-stays-open]").forEach((part) => {
    if (opened.has(part.dataset.staysOpen)) part.open = true;
  });
});

// A verdict that was begun is not lost by a slip: the browser asks before it leaves the page.
function askBeforeLeaving(form) {
  const isBegun = () => [...form.elements].some((field) =>
    field.matches("textarea, input[type=text]") && field.value.trim() !== "");
  let isSent = false;
  form.addEventListener("submit", () => { isSent = true; });
  window.addEventListener("beforeunload", (event) => { if (!isSent && isBegun()) event.preventDefault(); });
}

document.querySelectorAll("[data-review]").forEach((form) => { new ReviewKeys(form); askBeforeLeaving(form); });
document.querySelector("[data-review] [aria-invalid=true]")?.focus();
if (document.querySelector("[data-review]")) {
  document.querySelectorAll("[data-propose], [data-cite]").forEach((button) => { button.hidden = false; });
}
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-apply] select")) event.target.form.requestSubmit();
});
document.addEventListener("click", (event) => {
  const proposed = event.target.closest("[data-propose]");
  if (proposed) proposeStructure(proposed.dataset.propose);
  const cited = event.target.closest("[data-cite]");
  if (cited) cite(cited.dataset.cite);
  const pick = event.target.closest("[data-pick]");
  if (pick) markChosen(pick);
});
