"use strict";
// Without this script nothing is lost but the buttons, which stay hidden then.
for (const button of document.querySelectorAll("button.copy")) {
  const code = button.closest(".code").querySelector("pre code");
  const label = button.firstChild;
  button.hidden = false;
  button.addEventListener("click", async () => {
    let isDone = false;
    try {
      await navigator.clipboard.writeText(code.textContent);
      isDone = true;
    } catch {
      // Pages opened as files have no clipboard in some browsers: mark the text, and copy that.
      const range = document.createRange();
      range.selectNodeContents(code);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      isDone = document.execCommand("copy");
    }
    label.textContent = isDone ? "Copied" : "Marked: press Ctrl+C";
    setTimeout(() => { label.textContent = "Copy"; }, 2000);
  });
}
// A part that is linked to, or printed, must not stay folded.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
