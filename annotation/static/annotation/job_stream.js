// Asks for the progress of a job when the server says that it changed. The page also polls. While events come,
// the polls rest; when events stop for any reason, such as a proxy that does not pass them on, polling goes on.

const SILENCE_MS = 12000; // the server sends an event at least every 5 s
let source = null;
let heardAt = -Infinity;

function listen() {
  const address = document.querySelector("#progress[data-events]")?.dataset.events;
  if (source || document.hidden || !address) return;
  source = new EventSource(address);
  source.addEventListener("message", () => {
    heardAt = performance.now();
    window.htmx.trigger("#progress", "job-changed");
  });
}

// Browsers allow few connections to a server, so a page that nobody sees holds none.
function rest() {
  source?.close();
  source = null;
  heardAt = -Infinity;
}

document.addEventListener("htmx:beforeRequest", (event) => {
  const isPoll = event.detail.elt.id === "progress" && !event.detail.requestConfig.triggeringEvent;
  if (isPoll && performance.now() - heardAt < SILENCE_MS) event.preventDefault();
});
document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
window.addEventListener("pagehide", rest);
listen();
