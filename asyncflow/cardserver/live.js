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

// What was unfolded stays unfolded, what was scrolled stays where it is: by title, and by the how-manieth of that title.
function named(root, selector, title) {
  const seen = {};
  return [...root.querySelectorAll(selector)].map((one) => {
    const name = title(one);
    seen[name] = (seen[name] ?? 0) + 1;
    return [`${name} ${seen[name]}`, one];
  });
}

const titles = (root) => named(root, "details", (one) => one.querySelector("summary")?.textContent ?? "");
const wells = (root) => named(root, ".scroll", (one) => one.closest(".node")?.className ?? "");

function remembered(root) {
  const open = new Map(titles(root).map(([name, one]) => [name, one.open]));
  const at = new Map(wells(root).map(([name, one]) => [name, [one.scrollTop, one.scrollLeft]]));
  return () => {
    for (const [name, one] of titles(root)) if (open.has(name) && one.open !== open.get(name)) one.open = open.get(name);
    for (const [name, one] of wells(root)) if (at.has(name)) [one.scrollTop, one.scrollLeft] = at.get(name);
  };
}

function redraw(told) {
  const restore = remembered(main);
  const there = new Map([...main.querySelectorAll(":scope > section[data-node]")].map((one) => [one.dataset.node, one]));
  for (const [name, one] of there) if (!told.order.includes(name)) one.remove();
  let before = null;
  for (const name of told.order) {
    const one = told.parts[name] ? fragment(told.parts[name]).firstElementChild : there.get(name);
    if (!one) continue;
    const next = before ? before.nextElementSibling : main.querySelector(":scope > section[data-node]");
    if (one !== next) main.insertBefore(one, next);
    before = one;
  }
  restore();
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
    list.replaceChildren(fragment(JSON.parse(event.data)));
  });
  told.addEventListener("over", () => { told.close(); state("finished"); });
  told.addEventListener("bye", () => { told.close(); state("server ended"); });
  addEventListener("pagehide", () => told.close());
}

remember();
if (board.dataset.events) listen();
