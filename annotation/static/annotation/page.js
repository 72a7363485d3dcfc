// Conveniences of single pages: filters that apply themselves, and the keyboard in review.
// Each of them stands on a plain form or link that works without scripts.

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
    if (event.target.matches("input:not([type=radio]), textarea, select")) {
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
    pick.focus();
    pick.scrollIntoView({ block: "nearest" });
    pick.click();
  }

  follow(rel) { document.querySelector(`a[rel=${rel}]`)?.click(); }

  decide(input) {
    input.checked = true;
    // "Accept" needs no reason, so Enter saves it. Every other decision needs an entry first.
    const selectors = { accept: "button[type=submit]", propose: "[name=proposed_smiles]" };
    this.form.querySelector(selectors[input.value] ?? "[name=reason]").focus();
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
}

// A proposed molecule becomes the own structure of the verdict form. The curator still writes the reason.
function proposeStructure(smiles) {
  const form = document.querySelector("[data-review]");
  const field = form.querySelector("[name=proposed_smiles]");
  form.querySelector("[name=decision][value=propose]").checked = true;
  field.closest("details").open = true;
  field.value = smiles;
  form.querySelector("[name=reason]").focus();
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
    const source = event.detail.atoms ? `${fragments}?atoms=${event.detail.atoms}` : fragments;
    if (picture.getAttribute("src") !== source) picture.setAttribute("src", source);
  }, 60);
});

document.querySelectorAll("[data-review]").forEach((form) => new ReviewKeys(form));
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
