// The filter of a job shows what the address says, and writes short addresses.

const form = document.querySelector(".result-filter");

// Going back shows a page as it was left, with the choice that led away from it, over the old table.
window.addEventListener("pageshow", () => form?.reset());

// Fields without a value stay out of the address.
form?.addEventListener("submit", () => {
  const empty = [...form.elements].filter((field) => field.name && !field.value);
  for (const field of empty) field.disabled = true;
  // The form is usable again if the person comes back to this page.
  setTimeout(() => { for (const field of empty) field.disabled = false; }, 0);
});
