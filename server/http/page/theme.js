// Loaded before anything is drawn, so that a chosen theme is there from the first pixel. A plain script for that reason.
"use strict";
try {
  const chosen = localStorage.getItem("attendant-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // No storage: the system's theme.
}
