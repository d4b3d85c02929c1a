// The few lines that stand in for a framework.

// h("button", {class: "quiet", onclick: f, "aria-pressed": "true"}, "text", element, ...)
export function h(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

export function svg(name, properties = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), properties, children);
}

function fill(element, properties, children) {
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

// Calls f when the calls have ceased for a while.
export function debounced(wait_ms, f) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(f, wait_ms, ...args);
  };
}

// Calls f once before the next frame, however often it is asked for.
export function perFrame(f) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      f();
    });
  };
}

// For screen readers: said when they have finished what they say.
export function announce(text) {
  byId("announcer").textContent = text;
}

// A canvas of that many CSS pixels, as sharp as the screen; returns its context, in CSS pixels.
export function sized(canvas, width, height, most = 3) {
  const ratio = Math.min(window.devicePixelRatio || 1, most);
  const [w, h2] = [Math.max(Math.round(width * ratio), 1), Math.max(Math.round(height * ratio), 1)];
  if (canvas.width !== w || canvas.height !== h2) Object.assign(canvas, { width: w, height: h2 });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

export function download(name, blob) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function option(value, text) {
  return h("option", { value }, text);
}

// An error in words at the control that it is about; an empty text takes it away.
export function showError(control, place, text) {
  place.textContent = text;
  place.hidden = text === "";
  if (text) {
    control.setAttribute("aria-invalid", "true");
    control.setAttribute("aria-errormessage", place.id);
  } else {
    control.removeAttribute("aria-invalid");
    control.removeAttribute("aria-errormessage");
  }
}
