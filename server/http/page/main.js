// Puts the page together: which view is open, the theme, the first question to the server.

import { AttentionView } from "./attention_view.js";
import { byId } from "./dom.js";
import { ServerView } from "./server_view.js";
import { session } from "./session.js";
import { SimilarityView } from "./similarity_view.js";

const VIEWS = ["attention", "similarity", "server"];

function open(name) {
  for (const view of VIEWS) {
    byId(view).hidden = view !== name;
    const link = document.querySelector(`nav a[href="#${view}"]`);
    if (view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${name[0].toUpperCase()}${name.slice(1)} · Attendant`;
  document.dispatchEvent(new CustomEvent("viewchange", { detail: name }));
}

function route() {
  const name = location.hash.slice(1);
  if (VIEWS.includes(name)) open(name);
  else if (name === "") open(VIEWS[0]);
}

function themes() {
  const select = byId("theme");
  const told = () => document.dispatchEvent(new Event("themechange"));
  select.value = document.documentElement.dataset.theme ?? "auto";
  select.addEventListener("change", () => {
    if (select.value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = select.value;
    try {
      localStorage.setItem("attendant-theme", select.value);
    } catch {
      // No storage: it holds until the page is left.
    }
    told();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", told);
}

themes();
new AttentionView();
new SimilarityView();
new ServerView();
byId("try-now").addEventListener("click", () => session.tryNow());
byId("key-cancel").addEventListener("click", () => byId("key-dialog").close("cancel"));
addEventListener("hashchange", route);
route();
session.refresh().catch((error) => {
  byId("attention-status").textContent = error.message;
});
