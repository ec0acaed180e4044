// What HTML and htmx cannot do alone: the contact picker's keys, the counter, news of what changed.
"use strict";

// ── Contact picker: a combobox with a list box, as the ARIA Authoring Practices describe it ──────────
// The server fills the list (hx-get); these functions only move through it.
const listOf = (input) => document.getElementById(input.getAttribute("aria-controls"));
const optionsOf = (input) => [...listOf(input).querySelectorAll("[role=option]:not([aria-disabled])")];
function show(input, open) {
  const list = listOf(input);
  list.hidden = !open || !list.children.length;
  input.setAttribute("aria-expanded", String(!list.hidden));
  if (list.hidden) mark(input, null);
}
function mark(input, option) {
  for (const other of optionsOf(input)) other.setAttribute("aria-selected", String(other === option));
  if (option) {
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  } else input.removeAttribute("aria-activedescendant");
}
const tell = (input, text) => { document.getElementById(input.dataset.tells).textContent = text; };
function choose(input, option) {
  input.value = option.dataset.name;
  document.getElementById(input.dataset.value).value = option.dataset.to;
  tell(input, "Goes to " + option.dataset.shown);
  show(input, false);
  refreshPreview();
}
function onPickerKey(event) {
  const input = event.target;
  if (!input.matches?.("[role=combobox]")) return;
  const all = optionsOf(input);
  const at = all.findIndex((option) => option.id === input.getAttribute("aria-activedescendant"));
  const open = input.getAttribute("aria-expanded") === "true";
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    if (!open) show(input, true);
    if (all.length) mark(input, all[(at < 0 && step < 0 ? all.length - 1 : at + step + all.length) % all.length]);
  } else if (event.key === "Enter" && open && at >= 0) {
    event.preventDefault();
    choose(input, all[at]);
  } else if (event.key === "Escape" && open) {
    event.preventDefault();
    show(input, false);
  }
}
document.addEventListener("keydown", onPickerKey);
document.addEventListener("mousedown", (event) => {     // before the input loses the focus
  const option = event.target.closest(".pick [role=option]:not([aria-disabled])");
  if (!option) return;
  event.preventDefault();
  choose(document.querySelector(`[aria-controls="${option.parentElement.id}"]`), option);
});
document.addEventListener("focusout", (event) => { if (event.target.matches("[role=combobox]")) show(event.target, false); });
document.addEventListener("htmx:after:swap", (event) => {
  const input = event.detail.ctx.sourceElement;
  if (input.matches("[role=combobox]")) {
    const asked = new URL(event.detail.ctx.request.action, location).searchParams.get("q");
    if (asked !== input.value) listOf(input).replaceChildren();  // an answer that comes late
    mark(input, null);                                    // the option that was marked is gone
    show(input, document.activeElement === input);
    if (asked !== input.value) return;
    const found = optionsOf(input).length;
    document.getElementById(input.dataset.heard).textContent = found ? `${found} found` : "Nobody found";
  }
  if (input.matches("#form")) document.querySelector("#form [aria-invalid=true]")?.focus();
  const outcome = input.matches(".do") && input.querySelector(".outcome p");
  if (outcome) {
    outcome.focus();
    input.closest("[data-row]").dataset.s = outcome.dataset.s;  // the stream tells this too
  }
  prepare();
});

// ── Fields ───────────────────────────────────────────────────────────────────────────────────────────
function count(field) {
  const left = document.getElementById(field.dataset.count);
  if (left) left.textContent = `${[...field.value].length.toLocaleString("en-GB")} of 65,536`;
}
function refreshPreview() {
  const template = document.getElementById("template");
  if (template?.value) htmx.trigger(template, "change");
}
function takePlace(select) {                              // a template in place of the text
  const field = document.getElementById(select.dataset.instead);
  field.disabled = select.value !== "" && field.value === "";
}
function checkSize(field) {                                // said before anything is uploaded
  const size = field.files[0]?.size ?? 0, most = Number(field.dataset.most), isTooLarge = size > most;
  const text = `This file has ${(size / 1048576).toFixed(1)} MB; up to ${most / 1048576} MB can be sent.`;
  field.setCustomValidity(isTooLarge ? text : "");
  field.setAttribute("aria-invalid", String(isTooLarge));
  document.getElementById(field.dataset.tells).textContent = isTooLarge ? text : "";
}
document.addEventListener("submit", (event) => {
  const field = [...event.target.elements].find((each) => each.type === "file" && !each.validity.valid);
  if (!field) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  field.focus();
}, true);
document.addEventListener("input", (event) => {
  const field = event.target;
  if (field.matches("[data-count]")) count(field);
  if (field.matches("[role=combobox]")) {                 // what was chosen is no longer what is written
    document.getElementById(field.dataset.value).value = "";
    listOf(field).replaceChildren();                      // what was found was found for another text
    show(field, false);
    tell(field, "Choose one of the list, or write all of a number.");
  }
});
document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.dataset.fills && field.value) {
    const other = document.getElementById(field.dataset.fills);
    other.value = field.value.replace("T", " ");
    field.value = "";
    htmx.trigger(other, "input");
  }
  if (field.type === "file") checkSize(field);
  if (field.matches("[data-instead]")) takePlace(field);
  if (field.id === "theme") field.form.requestSubmit();
});
function prepare() {
  for (const button of document.querySelectorAll(".without-script")) button.classList.add("gone");
  for (const field of document.querySelectorAll("[data-count]")) count(field);
  for (const field of document.querySelectorAll("[data-instead]")) takePlace(field);
}
document.addEventListener("DOMContentLoaded", () => {
  prepare();
  document.querySelector("[data-first]")?.focus();
});

// ── What happens meanwhile ───────────────────────────────────────────────────────────────────────────
// The server tells it as a stream. A row that is shown says what became of it where it stands, and what
// is not shown is only announced: nothing moves under the reader's eyes.
let stream = null, place = document.body.dataset.since ?? 0;
const soon = {};
function later(name, act) {
  clearTimeout(soon[name]);
  soon[name] = setTimeout(act, 300);
}
const refresh = (element) => { if (element) htmx.trigger(element, "fresh"); };
function announce(what) {
  const news = document.getElementById("news"), link = news?.querySelector("a");
  if (news?.dataset.of !== what || !link.hidden) return;
  link.hidden = false;
  link.textContent = `${news.dataset.news} ${link.textContent}`;
}
function onQueue(row) {
  later("line", () => refresh(document.getElementById("line")));
  if (!row.id) return;
  const shown = document.getElementById("m-" + row.id), job = document.getElementById("progress");
  if (shown?.querySelector(".htmx-request")) later(shown.id, () => onQueue(row));  // the answer to a button says more
  else if (shown && shown.dataset.s !== row.status) {
    shown.dataset.s = row.status;
    refresh(shown);
  } else if (job && job.dataset.job === row.job_id) later("job", () => refresh(job));
  else if (!shown) announce("queue");
  const waiting = document.getElementById("waiting");
  if (waiting?.dataset.row === row.id && row.status === "sent") waiting.dataset.gone = "true";
  else if (waiting?.dataset.row === row.id && !["pending", "sending"].includes(row.status)) announce("answer");
}
function onMessage(message) {
  const talk = document.getElementById("talk");
  if (talk?.dataset.newer && message.chat_jid === talk.dataset.chat) later("talk", readOn);
  else announce("message");
  const poll = message.message_type === "system" && message.quoted_id;  // a vote changes what it is about
  const shown = poll && talk?.querySelector(`[data-message="${CSS.escape(poll)}"]`);
  if (shown) onChange({ chat_jid: message.chat_jid, message_id: poll, id: shown.id.slice(1) });
}
function onChange(told) {                                 // an edit, a deletion, a reaction, a receipt
  const talk = document.getElementById("talk"), id = "c" + (told.row_id ?? told.id);
  if (talk?.dataset.chat !== told.chat_jid || !document.getElementById(id)) return;
  const where = `${talk.dataset.path}/one?id=${encodeURIComponent(told.message_id)}`;
  later(id, () => htmx.ajax("GET", where, { target: "#" + id, swap: "outerMorph" }));
}
async function readOn() {
  const talk = document.getElementById("talk");
  const isAtEnd = innerHeight + scrollY > document.documentElement.scrollHeight - 80;
  const answer = await fetch(`${talk.dataset.newer}?after=${encodeURIComponent(talk.dataset.after)}`, { headers: { "HX-Request": "true" } });
  if (!answer.ok) return;
  const text = await answer.text(), waiting = document.getElementById("waiting");
  if (waiting?.dataset.gone) waiting.remove();            // at once, so that what comes in its place does not move
  talk.insertAdjacentHTML("beforeend", text);
  const last = talk.querySelector(".last");
  if (last) talk.dataset.after = last.dataset.after;
  last?.remove();
  if (isAtEnd) scrollTo(0, document.documentElement.scrollHeight);
}
function listen() {
  stream = new EventSource(`${document.body.dataset.events}?since=${place}`);
  stream.onerror = () => {
    if (stream?.readyState !== EventSource.CLOSED) return; // the browser connects again by itself
    stream = null;                                        // it was refused: the session has ended, or too many are open
    refresh(document.getElementById("line"));             // which says the former
    setTimeout(watch, 60000);
  };
  for (const type of ["queue", "message", "edited", "deleted", "reaction", "receipt", "connection"]) {
    stream.addEventListener(type, (event) => {
      place = event.lastEventId;
      const told = JSON.parse(event.data).data;
      if (type === "queue") onQueue(told);
      else if (type === "message") onMessage(told);
      else if (type !== "connection") onChange(told);
      else later("line", () => refresh(document.getElementById("line")));
    });
  }
}
function watch() {                                        // a hidden tab holds no connection
  if (document.hidden) {
    stream?.close();
    stream = null;
  } else if (!stream) listen();
}
document.addEventListener("DOMContentLoaded", () => {
  if (!document.body.dataset.events) return;
  watch();
  document.addEventListener("visibilitychange", watch);
});
addEventListener("load", () => {                          // after the browser has gone to what the address names
  if (document.querySelector("#talk[data-newer]") && ["", "#answer"].includes(location.hash) && !location.search) scrollTo(0, document.documentElement.scrollHeight);
});
addEventListener("pagehide", () => stream?.close());

// ── Trouble ──────────────────────────────────────────────────────────────────────────────────────────
document.addEventListener("htmx:error", () => {
  const place = document.getElementById("alert");
  const note = document.createElement("div");
  note.className = "note bad";
  note.textContent = "The server does not answer. What you typed is still here: send it again when it does.";
  place.replaceChildren(note);
});
