// Small conveniences of single pages: the drop zone, filters that apply themselves, and the keyboard in review.
// Every one of them has a plain form or link behind it.

function dropZone(zone) {
  const input = zone.querySelector("input[type=file]");
  const list = zone.querySelector("[data-chosen]");
  const limit = Number(zone.dataset.maxBytes);
  const tell = () => {
    const files = [...input.files];
    list.replaceChildren(...files.map((file) => {
      const line = document.createElement("li");
      line.textContent = `${file.name} (${(file.size / 2 ** 20).toFixed(2)} MiB)`;
      return line;
    }));
    const total = files.reduce((sum, file) => sum + file.size, 0);
    const most = `${Math.floor(limit / 2 ** 20)} MiB`;
    input.setCustomValidity(total > limit ? `Together the files may have ${most}. Send fewer at once, or gzip them.` : "");
    input.reportValidity();
  };
  input.addEventListener("change", tell);
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    input.files = event.dataTransfer.files;
    tell();
  });
  input.form.addEventListener("submit", () => {
    const button = input.form.querySelector("button[type=submit]");
    button.disabled = true;
    button.textContent = "Reading the spectra…";
  });
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

  move(by) {
    const picks = [...document.querySelectorAll("[data-pick]")];
    const now = picks.findIndex((pick) => pick.closest("tr").classList.contains("chosen"));
    const pick = picks[Math.min(Math.max(now + by, 0), picks.length - 1)];
    if (!pick) return;
    pick.focus();
    pick.scrollIntoView({ block: "nearest" });
    pick.click();
  }

  follow(rel) { document.querySelector(`a[rel=${rel}]`)?.click(); }

  decide(input) {
    input.checked = true;
    // What accepts needs no reason: Enter saves. All else asks for one first.
    const next = input.value === "accept" ? "button[type=submit]" : input.value === "propose" ? "[name=proposed_smiles]" : "[name=reason]";
    this.form.querySelector(next).focus();
  }
}

// The candidate that is looked at is the one that "choose" means.
function markChosen(pick) {
  document.querySelectorAll("tr.chosen").forEach((row) => row.classList.remove("chosen"));
  document.querySelectorAll("[data-pick][aria-current]").forEach((other) => other.removeAttribute("aria-current"));
  pick.closest("tr").classList.add("chosen");
  pick.setAttribute("aria-current", "true");
  const field = document.querySelector("[data-review] [name=candidate]");
  if (field) field.value = pick.dataset.pick;
}

// The peak that is pointed at shows its fragment in the candidate's structure.
let waiting = 0;
document.addEventListener("spectrum:peak", (event) => {
  const picture = document.querySelector("[data-fragments]");
  if (!picture) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    const wanted = event.detail.atoms ? `${picture.dataset.fragments}?atoms=${event.detail.atoms}` : picture.dataset.fragments;
    if (picture.getAttribute("src") !== wanted) picture.setAttribute("src", wanted);
  }, 60);
});

document.querySelectorAll("[data-drop]").forEach(dropZone);
document.querySelectorAll("[data-review]").forEach((form) => new ReviewKeys(form));
document.querySelector("[data-review] [aria-invalid=true]")?.focus();
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-apply] select")) event.target.form.requestSubmit();
});
// A proposed molecule becomes the curator's own structure in the verdict's form; the reason is still theirs.
function takeAsOwn(smiles) {
  const form = document.querySelector("[data-review]");
  const field = form.querySelector("[name=proposed_smiles]");
  form.querySelector("[name=decision][value=propose]").checked = true;
  field.closest("details").open = true;
  field.value = smiles;
  form.querySelector("[name=reason]").focus();
}

// A reference spectrum is named in the reason in the way that level 2a asks for.
function cite(text) {
  const reason = document.querySelector("[data-review] [name=reason]");
  reason.value = [reason.value.trim(), text].filter(Boolean).join(" ");
  reason.focus();
}

if (document.querySelector("[data-review]")) {
  document.querySelectorAll("[data-propose], [data-cite]").forEach((button) => { button.hidden = false; });
}
document.addEventListener("click", (event) => {
  const proposed = event.target.closest("[data-propose]");
  if (proposed) takeAsOwn(proposed.dataset.propose);
  const cited = event.target.closest("[data-cite]");
  if (cited) cite(cited.dataset.cite);
  const pick = event.target.closest("[data-pick]");
  if (pick) markChosen(pick);
  const copy = event.target.closest("[data-copy]");
  if (copy) navigator.clipboard?.writeText(copy.dataset.copy).then(() => { copy.textContent = "Copied"; });
});
