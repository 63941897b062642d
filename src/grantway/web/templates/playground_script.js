"use strict";
// Comfort only: every page works without it.
for (const frame of document.querySelectorAll(".code-frame")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy: " + frame.firstElementChild.getAttribute("aria-label"));
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(frame.firstElementChild.textContent.trimEnd());
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  frame.append(button);
}

// An answer in the fragment: what a single-page client's script does with it.
const fragmentForm = document.getElementById("fragment-form");
if (fragmentForm && location.hash.length > 1) {
  fragmentForm.elements.namedItem("fragment").value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  fragmentForm.submit();
}

// A JWT is decoded here, and sent nowhere.
const decodeForm = document.getElementById("decode-form");
if (decodeForm) {
  const read = (part) => {
    const bytes = Uint8Array.from(atob(part.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    const content = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof content !== "object" || content === null || Array.isArray(content)) throw new TypeError("no object");
    return content;
  };
  const build = (members) => {
    const list = document.createElement("dl");
    list.className = "claims";
    for (const [name, value] of Object.entries(members)) {
      const row = document.createElement("div");
      for (const [tag, text] of [["dt", name], ["dd", typeof value === "string" ? value : JSON.stringify(value)]]) {
        const code = document.createElement("code");
        code.textContent = text;
        const cell = document.createElement(tag);
        cell.append(code);
        row.append(cell);
      }
      list.append(row);
    }
    return list;
  };
  const show = () => {
    const text = decodeForm.elements.namedItem("jwt").value.trim();
    const parts = text.split(".");
    let lists = [];
    try {
      lists = parts.length === 3 ? parts.slice(0, 2).map(read).map(build) : [];
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
    document.getElementById("decoded-parts").replaceChildren(...lists);
    document.getElementById("decoded").hidden = lists.length === 0;
    document.getElementById("jwt-error").hidden = text === "" || lists.length > 0;
  };
  decodeForm.addEventListener("input", show);
  decodeForm.addEventListener("submit", (event) => { event.preventDefault(); show(); });
}
