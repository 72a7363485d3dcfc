// The submit pages: choose files in several goes, remove some of them, and upload each in parts with its progress.
// Without scripts the same forms send the files in one request.

import { UploadStopped, finish, upload } from "./upload.js";

const MIB = 2 ** 20;

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function size(bytes) {
  // As the report shows it after the upload (Django's filesizeformat).
  if (bytes < 1024) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  return bytes < MIB ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / MIB).toFixed(1)} MB`;
}

// One chosen file with its row in the list.
class ChosenFile {
  constructor(file, remove) {
    this.file = file;
    this.sent = null; // once the server has all bytes
    this.stored = null; // the numbers of its uploads, once the server has read the file
    this.row = document.createElement("li");
    this.row.dataset.file = file.name;
    this.remove = element("button", "btn small", "Remove");
    this.remove.type = "button";
    this.remove.setAttribute("aria-label", `Remove ${file.name}`);
    this.remove.addEventListener("click", () => remove(this));
    this.progress = document.createElement("progress");
    this.progress.max = Math.max(file.size, 1);
    this.progress.hidden = true;
    this.progress.setAttribute("aria-label", `Progress of ${file.name}`);
    this.state = element("span", "state small", "");
    const name = element("span", "break", `${file.name} (${size(file.size)})`);
    this.row.append(name, this.remove, this.progress, this.state);
  }

  isSame(file) {
    return this.file.name === file.name && this.file.size === file.size && this.file.lastModified === file.lastModified;
  }

  show(sent) {
    this.progress.hidden = false;
    this.progress.value = sent;
    const percent = Math.floor(100 * sent / this.progress.max);
    this.say(sent < this.file.size ? `Uploading, ${percent} %` : "The server reads the file…", "sending");
  }

  say(text, state) {
    this.state.textContent = text;
    this.row.dataset.state = state;
  }

  // Sends the bytes, unless the server has them already.
  async send(start, project) {
    if (this.sent) return;
    this.sent = await this.guarded(() => upload(this.file, start, project, (bytes) => this.show(bytes)));
  }

  // What the server found. A quantification table is not an upload.
  found(stored) {
    this.progress.hidden = true;
    this.stored = stored ? [stored.upload] : [];
    if (!stored) this.say("Quantification table, kept with the features", "read");
    else this.say(stored.problem ? `${stored.label}: ${stored.problem}` : stored.label, stored.condition);
  }

  // The result, or null with the reason in the row.
  async guarded(action) {
    this.remove.hidden = true;
    try {
      return await action();
    } catch (problem) {
      if (!(problem instanceof UploadStopped)) throw problem;
      this.stopped(problem);
      return null;
    } finally {
      this.remove.hidden = false;
    }
  }

  stopped(problem) {
    this.say(problem.message, "stopped");
    if (problem.signIn) this.state.append(" ", this.signInLink());
  }

  signInLink() {
    const link = element("a", "", "Sign in in a new tab");
    link.href = "/sign-in/";
    link.target = "_blank";
    return link;
  }
}

class FileList {
  constructor(form) {
    this.form = form;
    this.zone = form.querySelector("[data-drop]");
    this.input = form.querySelector("input[type=file]");
    this.list = form.querySelector("[data-file-list]");
    this.status = form.querySelector("[data-file-status]");
    this.button = form.querySelector("button[type=submit]");
    this.chosen = [];
    this.input.addEventListener("change", () => this.add(this.input.files));
    this.zone.addEventListener("dragover", (event) => { event.preventDefault(); this.zone.classList.add("over"); });
    this.zone.addEventListener("dragleave", () => this.zone.classList.remove("over"));
    this.zone.addEventListener("drop", (event) => {
      event.preventDefault();
      this.zone.classList.remove("over");
      this.add(event.dataTransfer.files);
    });
    form.addEventListener("submit", (event) => { event.preventDefault(); this.send(); });
  }

  // A second choice adds to the first. The same file chosen again is kept once.
  add(files) {
    const maxBytes = Number(this.zone.dataset.maxBytes);
    for (const file of files) {
      if (this.chosen.some((other) => other.isSame(file))) continue;
      const chosen = new ChosenFile(file, (other) => this.drop(other));
      if (file.size > maxBytes) {
        chosen.say(`Larger than ${Math.floor(maxBytes / MIB)} MiB. Split it, or compress it with gzip.`, "too-large");
      }
      this.chosen.push(chosen);
    }
    // The list holds the files from here on, so the input can be used again.
    this.input.value = "";
    this.show();
  }

  drop(chosen) {
    this.chosen = this.chosen.filter((other) => other !== chosen);
    this.show();
    this.input.focus();
  }

  get waiting() {
    return this.chosen.filter((file) => file.stored === null && file.row.dataset.state !== "too-large");
  }

  show() {
    const n = this.waiting.length;
    this.list.hidden = this.chosen.length === 0;
    this.zone.classList.toggle("has-files", this.chosen.length > 0);
    this.list.replaceChildren(...this.chosen.map((file) => file.row));
    this.input.required = this.chosen.length === 0;
    this.button.textContent = n ? `Upload ${n} file${n === 1 ? "" : "s"}` : "Upload files";
    this.status.hidden = true;
  }

  async send() {
    if (!this.chosen.length) return;
    const project = this.form.querySelector("[name=project]").value;
    this.button.disabled = true;
    this.button.textContent = "Uploading…";
    const start = this.form.dataset.files;
    for (const file of this.waiting) await file.send(start, project);
    await this.finish(start);
    this.button.disabled = false;
    const stored = this.chosen.filter((file) => file.stored !== null);
    if (stored.length === this.chosen.length) {
      const report = new URL(this.form.dataset.report, window.location.href);
      for (const number of stored.flatMap((file) => file.stored)) report.searchParams.append("upload", number);
      window.location.assign(report);
      return;
    }
    this.show();
    this.button.textContent = this.waiting.length ? "Try again" : "Upload files";
    this.status.hidden = false;
    this.status.textContent = `${stored.length} of ${this.chosen.length} files are uploaded. `
      + "The reasons are in the list. Remove the others, or try again: nothing has to be chosen again.";
  }

  // Each file is read by itself. A table is read with the spectra that it belongs to, which the server decides.
  async finish(start) {
    const sent = this.waiting.filter((file) => file.sent);
    const hasTable = sent.some((file) => /\.csv$/i.test(file.file.name));
    if (hasTable && sent.length < this.waiting.length) return;
    const groups = hasTable ? [sent] : sent.map((file) => [file]);
    for (const files of groups) {
      try {
        const stored = await finish(files.map((file) => file.sent), start);
        files.forEach((file) => file.found(stored.get(file.sent.part)));
      } catch (problem) {
        if (!(problem instanceof UploadStopped)) throw problem;
        files.forEach((file) => { file.sent = null; file.stopped(problem); });
      }
    }
  }
}

// The browser reads the file of samples into the text field; the server gets only the text.
function fillSampleList(part) {
  const field = part.closest("[data-sample-list]").querySelector("textarea");
  part.hidden = false;
  part.querySelector("input[type=file]").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (file && file.size <= MIB) field.value = await file.text();
  });
}

document.querySelectorAll("form[data-files]").forEach((form) => new FileList(form));
document.querySelectorAll("[data-sample-file]").forEach(fillSampleList);
