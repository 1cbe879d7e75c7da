// What makes the console quicker for those who have scripts; every page reads and every form works without this file.
"use strict";

(() => {
  const pad = (n) => String(n).padStart(2, "0");
  const cookie = (name) => document.cookie.split("; ").find((c) => c.startsWith(name + "="))?.slice(name.length + 1);

  // The viewer's zone: told to the server for the next page, applied to this one.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const told = decodeURIComponent(cookie("surefoot_zone") || "");
  document.cookie = `surefoot_zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; SameSite=Strict`;

  function localTimes(root) {
    for (const time of root.querySelectorAll("time.at, time.second")) {
      const at = new Date(time.dateTime);
      if (isNaN(at)) continue;
      const seconds = time.className === "second" ? `:${pad(at.getSeconds())}` : "";
      time.textContent =
        `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${pad(at.getHours())}:${pad(at.getMinutes())}${seconds}`;
    }
  }
  if (told !== zone) localTimes(document);

  // Keys: / searches, g and a letter goes to a page, Escape closes what is open.
  let leading = false;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      for (const open of document.querySelectorAll("details.act[open], details.menu[open]")) open.open = false;
      return;
    }
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    if (leading) {
      leading = false;
      document.querySelector(`.side a[data-key="${CSS.escape(event.key)}"]`)?.click();
    } else if (event.key === "g") {
      leading = true;
      setTimeout(() => (leading = false), 1500);
    } else if (event.key === "/") {
      const search = document.querySelector("input[type=search]");
      if (search) {
        event.preventDefault();
        search.focus();
      }
    }
  });

  // A page that refreshes itself waits while somebody reads a confirmation, and catches up once it is closed.
  document.addEventListener("htmx:before:request", (event) => {
    const from = event.detail?.ctx?.sourceElement;
    if (from?.id === "now" && document.querySelector("details.act[open]")) event.preventDefault();
  });
  document.addEventListener("htmx:after:swap", () => localTimes(document));
  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.("details.act") && !event.target.open) document.body.dispatchEvent(new Event("closed"));
  }, true);
  // A filter that finds as one types keeps what it asks in the address, so that it can be sent to somebody.
  document.addEventListener("input", (event) => {
    const form = event.target.closest?.("form[data-live]");
    if (!form) return;
    const asked = new URLSearchParams([...new FormData(form)].filter(([, text]) => text));
    history.replaceState(null, "", asked.size ? `${form.action}?${asked}` : form.action);
  });

  // One open panel at a time.
  document.addEventListener("toggle", (event) => {
    const opened = event.target;
    if (!opened.matches?.("details.act") || !opened.open) return;
    for (const other of document.querySelectorAll("details.act[open]")) if (other !== opened) other.open = false;
  }, true);
})();
