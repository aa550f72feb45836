/* Shows all of the page's responses: search, filters, a link to each. The items lie gzipped in the page, and the
   document holds only the few that are shown, so that 20,000 of them stay quick. Without it the overview stands. */
"use strict";
(() => {
  // The page of a run that goes on loads itself anew until somebody has unfolded, filtered or followed anything.
  const seconds = Number(document.documentElement.dataset.refresh);
  if (seconds) {
    const timer = setInterval(() => location.reload(), seconds * 1000);
    for (const act of ["click", "input"]) document.addEventListener(act, () => clearInterval(timer), { once: true });
  }

  const AT_A_TIME = 50;
  const part = (name) => document.getElementById(`responses-${name}`);
  const [data, form, list, status, more, rest] = ["data", "filter", "items", "status", "more", "rest"].map(part);
  if (!data) return;
  if (!("DecompressionStream" in window)) {
    if (rest) rest.textContent += " This browser is too old for that: it cannot decompress.";
    return;
  }

  const overview = [...list.childNodes];
  const number = (value) => value.toLocaleString("en");
  const counted = (count) => (count === 1 ? "1 item" : `${number(count)} items`);
  let found = [];
  let shown = 0;

  // After the first paint: the page can be read while the items are unpacked.
  const ready = new Promise((done) => setTimeout(done)).then(unpack);

  async function unpack() {
    const letters = atob(data.textContent);
    data.remove();
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const items = JSON.parse(await new Response(stream).text());
    soon(() => read(items, 0));
    return items;
  }

  function soon(work) {
    if ("requestIdleCallback" in window) requestIdleCallback(work);
    else setTimeout(work, 20);
  }

  /* Derives the text of the items before somebody searches, a few at a time. */
  function read(items, from) {
    const until = performance.now() + 10;
    let at = from;
    while (at < items.length && performance.now() < until) textOf(items[at++]);
    if (at < items.length) soon(() => read(items, at));
  }

  const ENTITIES = { "&lt;": "<", "&gt;": ">", "&#34;": '"', "&#39;": "'", "&amp;": "&" };

  /* What can be read of an item, in lower case, without its headings and its link. */
  function textOf(item) {
    item.text ??= item.html
      .replace(/<(h4|a)[ >].*?<\/\1>|<[^>]*>/gs, "")
      .replace(/&(?:lt|gt|amp|#34|#39);/g, (entity) => ENTITIES[entity])
      .toLowerCase();
    return item.text;
  }

  function matches(item, wanted, terms) {
    for (const name of ["of", "verdict", "skill", "before", "after"]) {
      if (wanted[name] && item[name] !== wanted[name]) return false;
    }
    if (wanted.round && !item.rounds.includes(Number(wanted.round))) return false;
    return terms.every((term) => textOf(item).includes(term));
  }

  function append() {
    const holder = document.createElement("template");
    holder.innerHTML = found.slice(shown, shown + AT_A_TIME).map((item) => item.html).join("");
    const first = holder.content.querySelector("summary");
    list.append(holder.content);
    shown = Math.min(found.length, shown + AT_A_TIME);
    more.hidden = shown === found.length;
    more.textContent = `Show ${Math.min(AT_A_TIME, found.length - shown)} more`;
    return first;
  }

  function show(items, said) {
    found = items;
    shown = 0;
    list.replaceChildren();
    append();
    if (rest) rest.hidden = true;
    say(said);
  }

  function say(said) {
    status.textContent = `${said}${shown < found.length ? `, ${number(shown)} shown` : ""}.`;
  }

  function showOverview() {
    list.replaceChildren(...overview);
    more.hidden = true;
    if (rest) rest.hidden = false;
    status.textContent = "";
  }

  function chosen() {
    return Object.fromEntries([...new FormData(form)].filter(([, value]) => value.trim()));
  }

  function fill(wanted) {
    for (const field of form.querySelectorAll("[name]")) {
      field.value = wanted.get(field.name) ?? "";
      if (field.selectedIndex === -1) field.value = "";
    }
  }

  async function filter() {
    const items = await ready;
    const wanted = chosen();
    const terms = (wanted.q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    const kept = items.filter((item) => matches(item, wanted, terms));
    show(kept, `${counted(kept.length)} of ${number(items.length)}`);
  }

  async function open(id) {
    if (!document.getElementById(`i-${id}`)) {
      const items = await ready;
      const kept = items.filter((item) => item.id === id);
      fill(new URLSearchParams());
      show(kept, kept.length ? `Item ${id} alone, by its link` : `No item ${id} is in this report`);
    }
    const item = document.getElementById(`i-${id}`)?.closest("details");
    if (item) item.open = true;
    arrive(item ? item.querySelector("summary") : status);
  }

  function arrive(place) {
    place.focus({ preventScroll: true });
    place.scrollIntoView();
  }

  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text; // a per cent sign that stands for itself
    }
  }

  async function follow() {
    const hash = location.hash.slice(1);
    if (hash.startsWith("i-")) await open(decoded(hash.slice(2)));
    else if (hash.startsWith("responses?")) {
      fill(new URLSearchParams(hash.slice("responses?".length)));
      await filter();
      arrive(status);
    }
  }

  function remember(hash) {
    try {
      history.replaceState(null, "", hash);
    } catch {
      // a page inside another one may have no address of its own
    }
  }

  form.addEventListener("input", () => {
    remember(`#responses?${new URLSearchParams(chosen())}`);
    filter();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    remember("#responses");
    showOverview();
  });
  more.addEventListener("click", () => {
    const said = status.textContent.replace(/(, [0-9,]+ shown)?\.$/, "");
    append().focus();
    say(said);
  });
  window.addEventListener("hashchange", follow);
  form.hidden = false;
  for (const link of document.querySelectorAll("#responses .explore")) link.hidden = false;
  // Not before the browser has gone to the address by itself: it would take the focus from the item again.
  window.addEventListener("load", () => requestAnimationFrame(follow));
})();
