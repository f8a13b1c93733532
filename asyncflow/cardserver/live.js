// Redraws what the server says has changed. Everything that comes as markup was escaped by the server's templates.
"use strict";

const main = document.querySelector("main");
const board = document.querySelector("#board");
const link = document.querySelector("#link");
const LOOK = "asyncflow-cards-look";

function fragment(html) {
  const made = document.createElement("template");
  made.innerHTML = html;
  return made.content;
}

// What was unfolded stays unfolded, what was scrolled stays where it is.
function keep(before, after) {
  const old = before.querySelectorAll("details");
  after.querySelectorAll("details").forEach((one, at) => { if (old[at]) one.open = old[at].open; });
  const scrolled = [...before.querySelectorAll(".scroll")].map((one) => [one.scrollTop, one.scrollLeft]);
  return () => after.querySelectorAll(".scroll").forEach((one, at) => {
    if (scrolled[at]) [one.scrollTop, one.scrollLeft] = scrolled[at];
  });
}

function redraw(told) {
  for (const [number, html] of Object.entries(told.parts)) {
    const after = fragment(html).firstElementChild;
    const before = main.querySelector(`:scope > section[data-node="${Number(number)}"]`);
    const then = before ? keep(before, after) : () => {};
    if (before) before.replaceWith(after); else main.append(after);
    then();
  }
  for (const section of main.querySelectorAll(":scope > section[data-node]"))
    if (Number(section.dataset.node) >= told.count) section.remove();
  const head = document.querySelector(".top");
  head.querySelector("h1 .live")?.remove();
  if (told.live) {
    const badge = document.createElement("span");
    badge.className = "live";
    badge.textContent = "live";
    head.querySelector("h1").append(" ", badge);
  }
  const status = head.querySelector(".status");
  if (status) {
    status.textContent = told.status;
    status.className = `status is-${told.status}`;
  }
  document.body.dataset.version = told.version;
}

function state(word) {
  link.textContent = word;
  link.dataset.state = word;
}

function remember() {
  for (const choice of document.querySelectorAll(".look input")) {
    if (localStorage.getItem(LOOK) === choice.id) choice.checked = true;
    choice.addEventListener("change", () => localStorage.setItem(LOOK, choice.id));
  }
}

function listen() {
  const told = new EventSource(board.dataset.events);
  told.addEventListener("open", () => state("connected"));
  told.addEventListener("error", () => state("not connected"));
  told.addEventListener("card", (event) => redraw(JSON.parse(event.data)));
  told.addEventListener("reload", () => location.reload());
  told.addEventListener("list", (event) => {
    const list = board.querySelector(".tasks");
    const then = keep(list, list);
    list.replaceChildren(fragment(JSON.parse(event.data)));
    then();
  });
  told.addEventListener("over", () => { told.close(); state("all is told"); });
  told.addEventListener("bye", () => { told.close(); state("server ended"); });
  addEventListener("pagehide", () => told.close());
}

remember();
if (board.dataset.events) listen();
