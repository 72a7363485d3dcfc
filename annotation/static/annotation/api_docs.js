// Swagger UI gives its list of servers no name for screen readers.
new MutationObserver(() => {
  document.getElementById("servers")?.setAttribute("aria-label", "Server");
}).observe(document.getElementById("swagger-ui"), { childList: true, subtree: true });
