// Brings the page up to date every few seconds, without moving who reads it. The page works without it.
"use strict";
(() => {
  const every = 5000;
  let etag = "", paused = false, timer = 0, failures = 0;
  const byId = (id) => document.getElementById(id);

  const pad = (n) => String(n).padStart(2, "0");
  const shown = (t) => `${t.getUTCFullYear()}-${pad(t.getUTCMonth() + 1)}-${pad(t.getUTCDate())} ` +
    `${pad(t.getUTCHours())}:${pad(t.getUTCMinutes())}:${pad(t.getUTCSeconds())} UTC`;

  function setTaken(time) {
    byId("taken").dateTime = time.toISOString();
    byId("taken").textContent = shown(time);
  }

  // replace puts what is new in the place of what is shown, unless somebody fills in the form or marks a text.
  function replace(text) {
    const main = byId("main"), active = document.activeElement;
    const selection = document.getSelection();
    if (active && active.closest("#filter") || selection && !selection.isCollapsed && main.contains(selection.anchorNode)) {
      return false;
    }
    const next = new DOMParser().parseFromString(text, "text/html");
    const fresh = next.getElementById("main");
    if (!fresh) {
      return false;
    }
    const x = window.scrollX, y = window.scrollY;
    const across = [...document.querySelectorAll(".scroll")].map((e) => e.scrollLeft);
    const focused = main.contains(active) ? active.id : "";
    const region = [...document.querySelectorAll(".scroll")].indexOf(active);
    const before = main.querySelector("h1").textContent;
    main.replaceWith(document.adoptNode(fresh));
    document.querySelectorAll(".scroll").forEach((e, i) => {
      e.scrollLeft = across[i] || 0;
      if (i === region) {
        e.focus({ preventScroll: true });
      }
    });
    const again = focused && byId(focused);
    if (again) {
      again.focus({ preventScroll: true });
    }
    window.scrollTo(x, y);
    document.title = next.title;
    const taken = next.getElementById("taken");
    if (taken) {
      setTaken(new Date(taken.dateTime));
    }
    const sentence = fresh.querySelector("h1").textContent;
    if (sentence !== before) {
      byId("announce").textContent = sentence;
    }
    return true;
  }

  async function update() {
    try {
      const answer = await fetch(location.href, { cache: "no-store", headers: etag ? { "If-None-Match": etag } : {} });
      if (answer.status === 304) {
        setTaken(new Date(answer.headers.get("Date")));
      } else if (answer.ok) {
        if (replace(await answer.text())) {
          etag = answer.headers.get("ETag") || "";
        }
      } else {
        throw new Error(answer.statusText);
      }
      failures = 0;
    } catch {
      failures++;
    }
    byId("stale").hidden = failures === 0;
    plan();
  }

  function plan() {
    clearTimeout(timer);
    if (!paused && !document.hidden) {
      timer = setTimeout(update, every * Math.min(1 + failures, 6));
    }
  }

  const button = byId("pause");
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    plan();
  });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!paused && !document.hidden) {
      update();
    }
  });
  plan();
})();
