// The chat page. No cookies, nothing of the talk in the browser's storage: only a random key for this tab, gone with it.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const settings = JSON.parse(byId("settings").textContent);
  const log = byId("log"), form = byId("form"), box = byId("box"), state = byId("state"), language = byId("language");
  let strings = settings.strings;
  let token = recall("k") || renew();
  let after = Number(recall("n") || 0);
  let started = after > 0, stopped = false, waiting = 0, slowTimer = 0, offline = false, busy = false;
  const unsent = [];

  function recall(name) { try { return sessionStorage.getItem(name); } catch { return null; } }
  function keep(name, value) { try { sessionStorage.setItem(name, value); } catch { /* private mode: the tab's memory must do */ } }
  function renew() {
    const made = Array.from(crypto.getRandomValues(new Uint8Array(32)), (b) => b.toString(16).padStart(2, "0")).join("");
    keep("k", made); keep("n", "0");
    return made;
  }
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  async function ask(path, body, limit) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), limit);
    try {
      return await fetch(path, { method: "POST", headers: { "Content-Type": "application/json", Authorization: "Bearer " + token },
        body: JSON.stringify(body), signal: stop.signal, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" });
    } finally { clearTimeout(timer); }
  }

  // --- sending: one after another, each until the server has it; the same id makes a repeat harmless
  function send(message) {
    const id = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
    unsent.push({ id, language: language.value, ...message });
    started = true;
    tell(strings.waiting);
    clearTimeout(slowTimer);
    slowTimer = setTimeout(() => tell(strings.slow), 12000);
    drain();
  }
  async function drain() {
    if (busy) return;
    busy = true;
    let tries = 0;
    while (unsent.length && !stopped) {
      try {
        const answer = await ask("/channels/web/messages", unsent[0], 15000);
        if (answer.ok) { unsent.shift(); tries = 0; connected(); waiting += 1; continue; }
        if (answer.status === 413 || answer.status === 422 || answer.status === 400) {
          unsent.shift();
          tell(answer.status === 413 ? strings.too_long : strings.failed);
          continue;
        }
      } catch { /* no connection: again below */ }
      disconnected();
      tries += 1;
      await pause(Math.min(15000, 500 * 2 ** Math.min(tries, 5)) * (0.75 + Math.random() / 2));
    }
    busy = false;
  }

  // --- receiving: a request that waits; `after` acknowledges what has been shown
  async function listen() {
    let tries = 0;
    while (!stopped) {
      if (!started) { await pause(300); continue; }
      const asked = token;
      try {
        const answer = await ask("/channels/web/poll", { after }, 40000);
        if (!answer.ok) throw new Error();
        const news = await answer.json();
        tries = 0;
        connected();
        if (asked !== token) continue;
        for (const message of news.messages) {
          if (message.n <= after) continue;
          after = message.n;
          keep("n", String(after));
          show(message);
        }
      } catch {
        tries += 1;
        if (tries > 1) disconnected();
        await pause(Math.min(10000, 400 * 2 ** Math.min(tries, 5)));
      }
    }
  }
  function connected() { if (offline) { offline = false; tell(strings.online); } }
  function disconnected() { if (!offline) { offline = true; tell(strings.offline); } }
  function tell(text) { fill(state, text); }

  // --- showing: text nodes only; numbers become links that call
  const numbers = new RegExp("(" + settings.numbers.map((n) => n.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|") + ")", "u");
  function fill(place, text) {
    place.textContent = "";
    for (const part of text.split(numbers)) {
      if (settings.numbers.includes(part)) {
        const link = document.createElement("a");
        link.href = "tel:" + part.replace(/[^\d+]/g, "");
        link.dir = "ltr";
        link.textContent = part;
        place.append(link);
      } else if (part) place.append(part);
    }
  }
  function bubble(who, text, own, direction, tongue) {
    const item = document.createElement("div");
    item.className = own ? "message own" : "message";
    const speaker = document.createElement("span");
    speaker.className = "hear";
    speaker.textContent = who + ": ";
    const body = document.createElement("div");
    body.className = "text";
    body.dir = direction;
    if (tongue) body.lang = tongue;
    if (own) body.textContent = text; else fill(body, text);
    item.append(speaker, body);
    log.append(item);
    item.scrollIntoView({ block: "end" });
    return item;
  }
  function show(message) {
    clearTimeout(slowTimer);
    tell("");
    for (const old of log.querySelectorAll(".choices")) old.remove();
    const tongue = message.language || "";
    if (tongue && tongue !== language.value && settings.languages.includes(tongue)) { language.value = tongue; dress(tongue); }
    const item = bubble(message.author === "worker" ? strings.worker : strings.service, message.text, false, message.direction || "auto", tongue);
    if (!message.buttons || !message.buttons.length) return;
    const choices = document.createElement("div");
    choices.className = "choices";
    choices.dir = message.direction || "auto";
    for (const choice of message.buttons) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = choice.label;
      button.addEventListener("click", () => {
        const next = choice.id;
        choices.remove();
        if (next === "delete_conversation") return erase();
        bubble(strings.you, choice.label, true, "auto", "");
        send({ button: next });
        box.focus();
      });
      choices.append(button);
    }
    item.append(choices);
    item.scrollIntoView({ block: "end" });
  }

  // --- language: the person's own choice wins, so it is sent as one once a talk has begun
  async function dress(code) {
    try {
      const answer = await fetch("/strings/" + encodeURIComponent(code), { credentials: "omit", referrerPolicy: "no-referrer" });
      if (!answer.ok) return;
      const found = await answer.json();
      strings = found.strings;
      document.documentElement.lang = code;
      document.documentElement.dir = found.direction;
      document.title = strings.title;
      for (const place of document.querySelectorAll("[data-text]")) {
        if (place.dataset.text === "keeps" || place.dataset.text in strings) fill(place, strings[place.dataset.text]);
      }
      for (const place of document.querySelectorAll("[data-label]")) place.textContent = strings[place.dataset.label];
      log.setAttribute("aria-label", strings.log);
      form.setAttribute("aria-label", strings.write);
      byId("draft").hidden = !found.draft;
    } catch { /* the old words stay */ }
  }
  language.addEventListener("change", async () => {
    const code = language.value;
    await dress(code);
    if (started) send({ button: "lang:" + code });
  });

  // --- erasing and leaving
  function erase() {
    log.textContent = "";
    send({ button: "delete_conversation" });
  }
  byId("erase").addEventListener("click", () => { if (started) erase(); else log.textContent = ""; });
  function leave() {
    stopped = true;
    try { sessionStorage.clear(); } catch { /* nothing to clear */ }
    document.title = "";
    document.body.textContent = "";
    location.replace(settings.exit);
  }
  byId("leave").addEventListener("click", leave);
  let escaped = 0;
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const now = performance.now();
    if (now - escaped < 1500) leave();
    escaped = now;
  });
  // A page brought back from the browser's memory would show the talk again.
  addEventListener("pageshow", (event) => { if (event.persisted) { log.textContent = ""; location.reload(); } });
  addEventListener("online", drain);

  // --- writing
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = box.value;
    if (!text.trim()) return;
    for (const old of log.querySelectorAll(".choices")) old.remove();
    bubble(strings.you, text, true, "auto", "");
    box.value = "";
    box.focus();
    send({ text });
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
  });
  for (const place of document.querySelectorAll("[data-text]")) fill(place, place.textContent);
  listen();
})();
