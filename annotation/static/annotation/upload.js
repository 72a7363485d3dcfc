// Uploads one file in parts. An interrupted upload continues where the server has it, also after the page was closed.

const PART_BYTES = 8 * 2 ** 20;
const WAITS_MS = [1000, 2000, 4000, 8000, 16000];
const KEY = "glmr-upload";

// The upload cannot continue by itself. The message is for people.
export class UploadStopped extends Error {
  constructor(message, { signIn = false } = {}) {
    super(message);
    this.signIn = signIn;
  }
}

// The token changes when a person signs in again in another tab, so the cookie is read each time.
function csrfToken() {
  const cookie = document.cookie.split("; ").find((pair) => pair.startsWith("csrftoken="));
  return cookie ? cookie.slice("csrftoken=".length) : document.querySelector("[name=csrfmiddlewaretoken]").value;
}

// XMLHttpRequest, because fetch reports no progress of what it sends. A failed connection has the status 0.
function send(method, url, body, onProgress = () => {}) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    request.setRequestHeader("X-CSRFToken", csrfToken());
    if (body instanceof Blob) request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
    request.addEventListener("loadend", () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* an error page */ }
      resolve({ status: request.status, answer });
    });
    request.send(body);
  });
}

const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

// Repeats a request while the connection fails or the server is busy.
async function persist(method, url, body, onProgress) {
  for (let attempt = 0; ; attempt += 1) {
    const { status, answer } = await send(method, url, body, onProgress);
    const temporary = status === 0 || status >= 500;
    if (!temporary) return { status, answer };
    if (attempt === WAITS_MS.length) {
      throw new UploadStopped(answer.problem ?? "The server does not answer. Try again when the connection is back.");
    }
    await pause(WAITS_MS[attempt]);
  }
}

function check({ status, answer }) {
  if (status === 401) throw new UploadStopped(answer.problem, { signIn: true });
  if (status === 403) throw new UploadStopped("Your session has changed. Sign in again; the chosen files stay here.", { signIn: true });
  if (status >= 400) throw new UploadStopped(answer.problem ?? `The server refused the file (${status}).`);
  return answer;
}

function remembered(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}

function remember(key, url) {
  try {
    if (url) localStorage.setItem(key, url);
    else localStorage.removeItem(key);
  } catch { /* Without storage an upload cannot continue after a reload. */ }
}

// Where the upload of this file continues: one that was interrupted, or a new one.
async function begin(file, start, project, key) {
  const known = remembered(key);
  if (known) {
    const { status, answer } = await persist("GET", known);
    if (status === 200) return { part: answer.part, url: known, offset: answer.offset };
    if (status === 401) check({ status, answer });
  }
  const fields = new FormData();
  fields.append("project", project);
  fields.append("name", file.name);
  fields.append("size", file.size);
  const begun = check(await persist("POST", start, fields));
  remember(key, begun.url);
  return begun;
}

// Sends the bytes of the file and returns what `finish` needs. Throws UploadStopped.
export async function upload(file, start, project, onProgress) {
  const key = [KEY, project, file.name, file.size, file.lastModified].join(":");
  const { part, url, offset } = await begin(file, start, project, key);
  let at = offset;
  onProgress(at);
  while (at < file.size) {
    const from = at;
    const bytes = file.slice(from, from + PART_BYTES);
    const sent = await persist("POST", `${url}?offset=${from}`, bytes, (loaded) => onProgress(from + loaded));
    // 409: the server has other bytes than expected, such as those of a part whose answer was lost.
    if (sent.status !== 409) check(sent);
    at = sent.answer.offset;
  }
  onProgress(file.size);
  return { part, key };
}

// Lets the server read files together, and returns what it found in each, by part. Throws UploadStopped.
export async function finish(sent, start) {
  const fields = new FormData();
  sent.forEach(({ part }) => fields.append("part", part));
  const { uploads } = check(await persist("POST", `${start}finish/`, fields));
  sent.forEach(({ key }) => remember(key, null));
  return new Map(uploads.map((stored) => [stored.part, stored]));
}
