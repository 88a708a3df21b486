// What a page does by itself: colours, counting times, and fetching itself anew when the ledger changed.
(() => {
  "use strict";

  // --- light and dark

  const root = document.documentElement;
  const said = document.getElementById("said");
  const themes = { "": ["◐", "as the system has them"], light: ["○", "light"], dark: ["●", "dark"] };

  function showTheme() {
    const [sign, words] = themes[root.dataset.theme || ""];
    const button = document.getElementById("theme");
    button.textContent = sign;
    button.setAttribute("aria-label", `Colours: ${words}`);
    button.title = `Colours: ${words}`;
  }

  function nextTheme() {
    const names = Object.keys(themes);
    const name = names[(names.indexOf(root.dataset.theme || "") + 1) % names.length];
    if (name) root.dataset.theme = name; else delete root.dataset.theme;
    try {
      if (name) localStorage.setItem("theme", name); else localStorage.removeItem("theme");
    } catch { /* storage is forbidden: the choice holds for this page */ }
    showTheme();
  }

  // --- times that count on

  // The difference between this machine's clock and the server's, in milliseconds.
  let ahead = 0;

  // A length of time in its two largest units, as text/durations.py shows it.
  function duration(seconds) {
    let left = Math.round(seconds);
    const parts = [];
    for (const [name, size] of [["day", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
      const number = Math.floor(left / size);
      left -= number * size;
      if (number) parts.push(`${number} ${name}${name === "day" && number > 1 ? "s" : ""}`);
    }
    return parts.slice(0, 2).join(" ") || "0 s";
  }

  function countOn() {
    const now = Date.now() - ahead;
    for (const shown of document.querySelectorAll("[data-rel]")) {
      const away = (Number(shown.dataset.rel) - now) / 1000;
      const text = away >= 0 ? `in ${duration(away)}` : `${duration(-away)} ago`;
      if (shown.textContent !== text) shown.textContent = text;
    }
    for (const shown of document.querySelectorAll("[data-since]")) {
      const text = duration(Math.floor(Math.max(0, now - Number(shown.dataset.since)) / 1000));
      if (shown.textContent !== text) shown.textContent = text;
    }
  }

  // --- live regions

  // Each region as the server sent it last, without what counts on by itself.
  const sent = new Map();
  let fetching = false;
  let again = false;
  let slowUntil = 0;

  function bare(region) {
    const copy = region.cloneNode(true);
    for (const shown of copy.querySelectorAll("[data-rel], [data-since]")) shown.textContent = "";
    for (const opened of copy.querySelectorAll("details")) opened.removeAttribute("open");
    // What is shared by all who have a page open has no token; scripts send theirs in a header.
    for (const field of copy.querySelectorAll("[name=csrf_token]")) field.remove();
    return copy.innerHTML;
  }

  function inUse(region) {
    // Nothing is taken from under the hands of somebody who is writing.
    const focus = document.activeElement;
    return region.contains(focus) && focus.matches("input:not([type=hidden], [type=checkbox]), select, textarea");
  }

  // How to find again what has the focus: by its id, or by where it leads.
  function pathOf(focus) {
    if (focus.id) return `#${CSS.escape(focus.id)}`;
    return focus.matches("a[href]") ? `a[href="${CSS.escape(focus.getAttribute("href"))}"]` : "";
  }

  function replace(region, fresh) {
    const focus = document.activeElement;
    const key = region.contains(focus) ? pathOf(focus) : "";
    const open = new Map([...region.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
    const chosen = new Set([...region.querySelectorAll("[form=selected]:checked")].map((one) => one.value));
    const scrolled = [...region.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    region.replaceWith(fresh);
    for (const [id, is] of open) {
      const one = document.getElementById(id);
      if (one) one.open = is;
    }
    for (const one of fresh.querySelectorAll("[form=selected]")) one.checked = chosen.has(one.value);
    fresh.querySelectorAll(".scroll").forEach((one, at) => { one.scrollLeft = scrolled[at] || 0; });
    if (key || region.contains(focus)) {
      // What had the focus may be gone, as a button after its action: then the keyboard goes on from here.
      const same = key && fresh.querySelector(key);
      if (!same) fresh.tabIndex = -1;
      (same || fresh).focus({ preventScroll: true });
    }
    htmx.process(fresh);
    countSelected();
  }

  async function refresh() {
    if (fetching) { again = true; return; }
    fetching = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" } });
      if (answer.status === 401) { location.assign(`${root.dataset.root}/login`); return; }
      if (!answer.ok) return;
      const date = Date.parse(answer.headers.get("date") || "");
      if (date) ahead = Math.abs(Date.now() - date) > 5000 ? Date.now() - date : 0;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const fresh of page.querySelectorAll("[data-live]")) {
        const region = document.getElementById(fresh.id);
        if (!region || inUse(region)) continue;
        const slow = region.hasAttribute("data-slow");
        if (slow && Date.now() < slowUntil) continue;
        if (slow) slowUntil = Date.now() + 20000;
        const content = bare(fresh);
        if (content === sent.get(fresh.id)) continue;
        sent.set(fresh.id, content);
        const places = placesInLogs(region);
        replace(region, document.adoptNode(fresh));
        goTo(places);
      }
      const acts = document.querySelector(".acts");
      const freshActs = page.querySelector(".acts");
      const forms = (region) => [...region.children].map((form) => form.id).join(" ");
      if (acts && freshActs && forms(acts) !== forms(freshActs)) {
        if (acts.contains(document.activeElement)) said.focus();
        acts.replaceWith(document.adoptNode(freshActs));
        htmx.process(freshActs);
      }
      countOn();
    } catch { /* away for a moment: the stream says when it is back */ } finally {
      fetching = false;
      if (again) { again = false; setTimeout(refresh, 500); }
    }
  }

  // --- rows that are selected

  const boxes = () => [...document.querySelectorAll("[form=selected]")];

  // For which actions a row is in a state stands at its box.
  const can = (box, button) => box.dataset.can.split(" ").includes(button.dataset.act);

  function leftOut(button) {
    return boxes().filter((one) => one.checked && !can(one, button));
  }

  // More than these are asked about before anything is done to them.
  const MANY = 10;

  // What is asked before an action on the selected rows; nothing if it is for all of a few and can be undone.
  function question(button, number, left) {
    const label = button.dataset.label;
    if (!left.length) return "ask" in button.dataset || number > MANY ? `${label} ${number} selected?` : "";
    const lines = left.slice(0, 10).map((one) => `${one.value}: ${one.dataset.is}`);
    if (left.length > 10) lines.push(`and ${left.length - 10} more`);
    return `${label} ${number} of the ${number + left.length} selected?\n\nLeft out, as they are:\n${lines.join("\n")}`;
  }

  // Of a list of several pages the other rows cannot be selected here.
  function elsewhere() {
    const list = document.querySelector("[data-total]");
    return list ? Math.max(0, Number(list.dataset.total) - list.tBodies[0].rows.length) : 0;
  }

  function countSelected() {
    const form = document.querySelector("form[data-select]");
    if (!form) return;
    const all = boxes();
    const number = all.filter((one) => one.checked).length;
    const others = number && number === all.length ? elsewhere() : 0;
    const of = others ? `, all on this page; ${others} more ${others === 1 ? "is" : "are"} on other pages` : "";
    document.getElementById("how-many").textContent = `${number} selected${of}`;
    for (const button of form.querySelectorAll("button")) {
      const left = leftOut(button);
      const able = number - left.length;
      button.disabled = !able;
      button.textContent = able && left.length ? `${button.dataset.label} ${able} of ${number}` : button.dataset.label;
      const asked = able ? question(button, able, left) : "";
      if (asked) button.setAttribute("hx-confirm", asked); else button.removeAttribute("hx-confirm");
    }
    const box = document.getElementById("all");
    if (!box) return;
    box.hidden = false;
    box.checked = number > 0 && number === all.length;
    box.indeterminate = number > 0 && number < all.length;
  }

  document.addEventListener("change", (event) => {
    if (event.target.id === "all") {
      for (const one of boxes()) one.checked = event.target.checked;
    }
    countSelected();
  });
  // The form is reset after this event.
  document.addEventListener("reset", () => setTimeout(countSelected));

  // --- a list that is filtered as one types

  let typed = 0;

  function filter(form) {
    const query = new URLSearchParams(new FormData(form));
    for (const [name, value] of [...query]) if (!value) query.delete(name);
    history.replaceState(null, "", `${form.getAttribute("action")}${query.size ? `?${query}` : ""}`);
    refresh();
  }

  for (const form of document.querySelectorAll("form[data-as-typed]")) {
    form.addEventListener("input", () => { clearTimeout(typed); typed = setTimeout(() => filter(form), 150); });
    form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(typed); filter(form); });
  }

  // --- logs that grow

  // How far down each log is scrolled; one that shows its end goes on to show it.
  function placesInLogs(region) {
    return [...region.querySelectorAll("pre[id]")].map((log) => {
      const shows = log.scrollTop + log.clientHeight;
      return [log.id, shows >= log.scrollHeight - 4 ? Infinity : log.scrollTop];
    });
  }

  function goTo(places) {
    for (const [id, place] of places) {
      const log = document.getElementById(id);
      if (log) log.scrollTop = Math.min(place, log.scrollHeight);
    }
  }

  // --- the stream

  let stream = null;
  let gone = 0;

  function say(live) {
    const shown = document.getElementById("live");
    shown.textContent = live ? "● Live." : "○ Not live.";
  }

  function listen() {
    // A hidden page does not listen: a browser grants few connections to one server.
    if (stream || document.hidden) return;
    stream = new EventSource(`${root.dataset.root}/live`);
    stream.addEventListener("here", () => { clearTimeout(gone); say(true); refresh(); });
    stream.addEventListener("ledger", refresh);
    // One that ends in order is opened anew at once. One that is refused for good stays closed: the session may
    // have been ended in another tab, and then nothing is to be seen here either.
    stream.onerror = () => {
      clearTimeout(gone);
      gone = setTimeout(() => say(false), 1000);
      if (stream?.readyState === EventSource.CLOSED) refresh();
    };
  }

  function stopListening() {
    stream?.close();
    stream = null;
    clearTimeout(gone);
    say(false);
  }

  document.addEventListener("visibilitychange", () => document.hidden ? stopListening() : listen());
  addEventListener("pagehide", stopListening);
  addEventListener("pageshow", listen);

  // --- actions

  let clearing = 0;
  // The rows that the last action on several was not asked for.
  let spared = [];

  document.addEventListener("htmx:configRequest", (event) => {
    const button = event.detail.elt;
    if (!("act" in button.dataset)) return;
    spared = leftOut(button).map((one) => one.value);
    const form = event.detail.formData;
    for (const name of ["job_id", "run_id"]) {
      const asked = form.getAll(name).filter((value) => !spared.includes(value));
      form.delete(name);
      for (const value of asked) form.append(name, value);
    }
  });

  // A message that all was done goes by itself, unless the keyboard is at it.
  function clearLater() {
    clearing = setTimeout(() => {
      if (said.matches(":focus-visible") || said.querySelector(":focus-visible")) clearLater();
      else said.textContent = "";
    }, 8000);
  }

  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt.form || event.detail.elt;
    // Of an action on several that was not done for all, those for whom it was not stay selected.
    const partly = event.detail.successful ? said.querySelector(".partly") : null;
    if (event.detail.successful && form instanceof HTMLFormElement) form.reset();
    if (event.detail.successful && form.id === "selected") {
      const left = new Set([...spared, ...(partly ? JSON.parse(partly.dataset.left) : [])]);
      for (const one of boxes()) one.checked = left.has(one.value);
    }
    if (event.detail.xhr.status === 0) said.textContent = "The dashboard does not answer.";
    clearTimeout(clearing);
    // What needs a person stays until the next action.
    if (event.detail.successful && !partly) clearLater();
    // The button that was pressed may not be one to press any more.
    if (form.id === "selected") said.focus();
    refresh();
  });

  for (const region of document.querySelectorAll("[data-live]")) sent.set(region.id, bare(region));
  countSelected();
  goTo([...document.querySelectorAll("pre[data-follow]")].map((log) => [log.id, Infinity]));
  showTheme();
  document.getElementById("theme").addEventListener("click", nextTheme);
  setInterval(countOn, 1000);
  countOn();
  listen();
})();
