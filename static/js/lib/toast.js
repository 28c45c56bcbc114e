// Short messages at the bottom of the page, which screen readers read out.

/** Show `text` for a number of seconds. */
export function toast(text, seconds = 5) {
  const box = document.createElement("div");
  box.className = "toast";
  box.textContent = text;
  document.getElementById("toasts").append(box);
  setTimeout(() => box.remove(), seconds * 1000);
}
