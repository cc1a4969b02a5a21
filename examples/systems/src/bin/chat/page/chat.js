// The page of the chat. What it is sent is shown as text, never as HTML.
"use strict";

const RETRY_FIRST = 500; // milliseconds; doubled up to the last, and spread
const RETRY_LAST = 15_000;
const SHOWN = 2000; // messages that stay on the page
const FINAL = new Map([
  [4001, "name"], [4002, "taken"], [4003, "replaced"], // closed for a reason that trying again keeps
]);

const $ = (id) => document.getElementById(id);
const random = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

let me = ""; // my name
let socket = null;
let last = null; // every message up to this number is on the page, or was too old for it
let wait = RETRY_FIRST;
let to = null; // the recipient; null is all
let isLive = false;
const present = new Set();
const shown = new Set(); // numbers
const unsaved = new Map(); // by key: what was sent and is not acknowledged yet
let toSee = 0; // the last private message to me, not reported as seen yet

// --- the door ---

/// A secret per name, kept by the browser: it is what the name belongs to.
function token(name) {
  const stored = localStorage.getItem("token-" + name) ?? random();
  localStorage.setItem("token-" + name, stored);
  return stored;
}

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  enter(folded($("name").value));
});

/// As the server writes it; it says in `hello` what it made of it.
function folded(name) {
  return name.trim().normalize("NFC").toLowerCase().normalize("NFC");
}

function enter(name) {
  me = name;
  history.replaceState(null, "", "?nick=" + encodeURIComponent(name));
  $("door").hidden = true;
  $("chat").hidden = false;
  $("text").focus();
  connect();
}

function backToDoor(error) {
  $("chat").hidden = true;
  $("door").hidden = false;
  $("door-error").textContent = error;
  $("name").value = me;
  $("name").select();
}

// --- the connection ---

function connect() {
  state("away", "connecting …");
  const query = new URLSearchParams({ nick: me, token: token(me) });
  if (last !== null) query.set("after", last);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}/ws?${query}`);
  socket.onmessage = (event) => hear(JSON.parse(event.data));
  socket.onclose = closed;
}

function closed(event) {
  isLive = false;
  present.clear();
  showPresent();
  const final = FINAL.get(event.code);
  if (final === "replaced") return state("away", "in use in another window");
  if (final) return backToDoor(event.reason);
  const pause = wait * (0.75 + Math.random() / 2); // not all pages at the same moment
  wait = Math.min(wait * 2, RETRY_LAST);
  state("away", event.code === 4004 ? "the room is full; trying again …" : "reconnecting …");
  setTimeout(connect, pause);
}

// A page that was left may be kept, frozen, for the way back: it is not here meanwhile.
window.addEventListener("pagehide", () => socket?.close());

window.addEventListener("online", () => {
  if (socket?.readyState === WebSocket.CLOSED) wait = RETRY_FIRST;
});

function state(name, text) {
  $("state").dataset.state = name;
  $("state").textContent = text;
}

const hearing = {
  hello(frame) {
    if (frame.you !== me) { // a name that the server folds in another way than this browser
      localStorage.setItem("token-" + frame.you, token(me));
      me = frame.you;
    }
    if (last !== null && frame.last < last) startOver(); // another database
  },
  present(frame) { // the past is over: it is live
    frame.who.forEach((who) => present.add(who));
    showPresent();
    isLive = true;
    wait = RETRY_FIRST;
    state("live", `connected as ${me}`);
    for (const message of unsaved.values()) if (!message.failed) send(message);
  },
  joined(frame) {
    present.add(frame.who);
    showPresent();
  },
  left(frame) {
    present.delete(frame.who);
    showPresent();
  },
  message(frame) {
    if (frame.key) settle(frame.key);
    if (!shown.has(frame.id)) show(frame);
    advance(frame.id);
    if (frame.to === me) see(frame.id);
  },
  ack(frame) {
    const message = settle(frame.key);
    if (message && !shown.has(frame.id)) show({ ...message, id: frame.id, from: me, at: Date.now() });
    advance(frame.id);
  },
  error(frame) {
    const message = unsaved.get(frame.key);
    if (!message) return report(frame.error);
    message.failed = frame.error;
    drawPending(message);
  },
};

function hear(frame) {
  hearing[frame.type]?.(frame);
}

function advance(id) {
  last = Math.max(last ?? 0, id);
}

/// Reported once in a while, and not for each.
function see(id) {
  if (toSee === 0) {
    setTimeout(() => {
      if (isLive) socket.send(JSON.stringify({ seen: toSee }));
      toSee = 0;
    }, 300);
  }
  toSee = Math.max(toSee, id);
}

function startOver() {
  last = null;
  shown.clear();
  $("messages").replaceChildren();
}

// --- the messages ---

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) made.textContent = text; // text, whatever is in it
  return made;
}

function draw({ from, to, msg, at }) {
  const item = element("li", "message");
  item.classList.toggle("own", from === me);
  item.classList.toggle("private", Boolean(to));
  const head = element("div", "head");
  head.append(from === me ? element("span", "who", "you") : author(from));
  if (to) head.append(element("span", "whom", to === me ? "only to you" : `only to ${to}`));
  const time = element("time", "", new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = new Date(at).toISOString();
  time.title = new Date(at).toLocaleString();
  head.append(time);
  item.append(head, element("div", "text", msg));
  return item;
}

/// Their name, to write to them only, whether they are here or not.
function author(name) {
  const button = element("button", "who", name);
  button.type = "button";
  button.title = `Write to ${name} only`;
  button.addEventListener("click", () => writeTo(name));
  return button;
}

/// In the order of the numbers; almost always that is the end. What is not saved yet stays below.
function show(message) {
  const list = $("messages");
  const item = draw(message);
  item.dataset.id = message.id;
  shown.add(message.id);
  const stay = isAtEnd();
  let next = list.querySelector(".pending");
  let before = next ? next.previousElementSibling : list.lastElementChild;
  while (before && Number(before.dataset.id) > message.id) {
    next = before;
    before = before.previousElementSibling;
  }
  list.insertBefore(item, next);
  if (list.childElementCount > SHOWN) list.firstElementChild.remove();
  follow(stay || message.from === me);
}

function isAtEnd() {
  const list = $("messages");
  return list.scrollHeight - list.scrollTop - list.clientHeight < 80;
}

function follow(stay) {
  const list = $("messages");
  if (stay) list.scrollTo({ top: list.scrollHeight, behavior: "instant" });
  $("newer").hidden = stay;
}

$("newer").addEventListener("click", () => follow(true));
$("messages").addEventListener("scroll", () => {
  if (isAtEnd()) $("newer").hidden = true;
});

// --- saying something ---

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const msg = $("text").value;
  if (!msg.trim()) return;
  if (new TextEncoder().encode(msg).length > 4000) return report("This is too long for one message.");
  report("");
  const message = { key: random(), msg, to };
  unsaved.set(message.key, message);
  drawPending(message);
  if (isLive) send(message); // otherwise when it is connected again
  $("text").value = "";
  grow();
});

/// The same key each time: however often it is sent, it is saved once.
function send({ key, msg, to }) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(to ? { msg, to, key } : { msg, key }));
}

function drawPending(message) {
  const item = draw({ from: me, to: message.to, msg: message.msg, at: Date.now() });
  item.classList.add("pending");
  if (message.failed) {
    item.classList.remove("pending");
    item.classList.add("failed");
    const fate = element("div", "fate");
    const again = element("button", "", "Send again");
    again.type = "button";
    again.addEventListener("click", () => {
      message.failed = null;
      drawPending(message);
      send(message);
    });
    fate.append(element("span", "", message.failed), again);
    item.append(fate);
  }
  if (message.item) message.item.replaceWith(item);
  else $("messages").append(item);
  message.item = item;
  follow(true);
}

function settle(key) {
  const message = unsaved.get(key);
  unsaved.delete(key);
  message?.item.remove();
  return message;
}

function report(error) {
  $("error").textContent = error;
}

$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("say").requestSubmit();
  }
  if (event.key === "Escape") writeTo(null);
});
$("text").addEventListener("input", grow);

function grow() {
  const text = $("text");
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}

// --- the users who are here ---

function showPresent() {
  const names = [...present].sort();
  $("count").textContent = names.length;
  $("present").replaceChildren(...names.map((name) => {
    const item = document.createElement("li");
    const button = element("button", "", name === me ? `${name} (you)` : name);
    button.type = "button";
    button.disabled = name === me;
    button.setAttribute("aria-pressed", String(name === to));
    button.addEventListener("click", () => writeTo(name === to ? null : name));
    item.append(button);
    return item;
  }));
}

function writeTo(name) {
  to = name;
  $("to").hidden = !name;
  $("to-name").textContent = name ?? "";
  $("text").placeholder = name ? `Message to ${name} only` : "Message to all";
  showPresent();
  $("people").classList.remove("open");
  $("people-button").setAttribute("aria-expanded", "false");
  $("text").focus();
}

$("to-all").addEventListener("click", () => writeTo(null));
$("people-button").addEventListener("click", () => {
  const isOpen = $("people").classList.toggle("open");
  $("people-button").setAttribute("aria-expanded", String(isOpen));
});

// A name in the address enters at once: a reload, or a link of one's own.
const named = new URLSearchParams(location.search).get("nick");
if (named) enter(folded(named));
else $("name").focus();
