// A short message at the foot of the page, read out by screen readers.

/** Show `text` for some seconds. */
export function toast(text, seconds = 5) {
  const box = document.createElement("div");
  box.className = "toast";
  box.textContent = text;
  document.getElementById("toasts").append(box);
  setTimeout(() => box.remove(), seconds * 1000);
}
