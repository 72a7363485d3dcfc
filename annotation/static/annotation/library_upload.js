// Sends the file of a library in parts that can be resumed, then the form with the number of the upload.
// Without scripts the form sends the file itself.

import { UploadStopped, upload } from "./upload.js";

const MIB = 2 ** 20;

class LibraryUpload {
  constructor(form) {
    this.form = form;
    this.input = form.querySelector("input[type=file]");
    this.part = form.querySelector("input[name=part]");
    this.progress = form.querySelector("[data-upload-progress]");
    this.status = form.querySelector("[data-upload-status]");
    this.button = form.querySelector("button[type=submit]");
    // A part that the server has already needs no file again.
    this.input.required = !this.part.value;
    this.input.addEventListener("change", () => { this.part.value = ""; this.input.required = true; });
    form.addEventListener("submit", (event) => this.send(event));
  }

  async send(event) {
    const [file] = this.input.files;
    if (!file) return; // nothing to send, or the part is known
    event.preventDefault();
    const most = Number(this.form.dataset.maxBytes);
    if (file.size > most) {
      this.say(`The file is larger than ${Math.floor(most / MIB)} MiB. Pack it with gzip.`);
      return;
    }
    this.button.disabled = true;
    try {
      const owner = this.form.querySelector("[name=owner]").value;
      const { part, key } = await upload(file, this.form.dataset.libraryUpload, owner, (sent) => this.show(sent, file.size));
      try { localStorage.removeItem(key); } catch { /* Without storage there is nothing to forget. */ }
      this.part.value = part;
      this.input.required = false;
      this.input.value = "";
      this.form.submit();
    } catch (problem) {
      if (!(problem instanceof UploadStopped)) throw problem;
      this.say(problem.message);
      this.button.disabled = false;
    }
  }

  show(sent, size) {
    this.progress.hidden = false;
    this.progress.max = Math.max(size, 1);
    this.progress.value = sent;
    this.say(`Uploading, ${Math.floor(100 * sent / Math.max(size, 1))} %`);
  }

  say(text) {
    this.status.hidden = false;
    this.status.textContent = text;
  }
}

document.querySelectorAll("form[data-library-upload]").forEach((form) => new LibraryUpload(form));
