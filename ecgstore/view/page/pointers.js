// Moves and zooms the paper by mouse, fingers and wheel, and by the arrow keys.

import { clamp } from "./layout.js";

/** Let the paper of a panel be moved. */
export function listen(panel) {
  const { sheet } = panel;
  const held = new Map();
  let pinch = null;
  const distance = () => {
    const [a, b] = [...held.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };
  sheet.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    sheet.setPointerCapture(event.pointerId);
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (held.size === 2) pinch = distance();
    sheet.classList.add("rec-held");
  });
  sheet.addEventListener("pointermove", (event) => {
    const last = held.get(event.pointerId);
    if (!last || !panel.layout) return;
    const across = event.clientX - last.x;
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (held.size === 2) {
      const now = distance();
      const middle = [...held.values()].reduce((sum, { x }) => sum + x / 2, 0);
      if (pinch > 0) panel.zoom(now / pinch, middle - sheet.getBoundingClientRect().left);
      pinch = now;
    } else if (across) panel.moveTo(panel.view.start - across / (panel.scale * panel.view.speed));
  });
  const release = (event) => {
    held.delete(event.pointerId);
    if (!held.size) sheet.classList.remove("rec-held");
  };
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) sheet.addEventListener(name, release);
  sheet.addEventListener(
    "wheel",
    (event) => {
      if (!panel.layout) return;
      if (event.ctrlKey) {
        event.preventDefault();
        panel.zoom(Math.exp(-clamp(event.deltaY, -100, 100) / 300), event.clientX - sheet.getBoundingClientRect().left);
        return;
      }
      const across = event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX;
      if (!across || Math.abs(across) < Math.abs(event.deltaY) && !event.shiftKey) return;
      event.preventDefault();
      panel.moveTo(panel.view.start + across / (panel.scale * panel.view.speed));
    },
    { passive: false },
  );
  sheet.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -0.1, ArrowRight: 0.1, Home: -Infinity, End: Infinity }[event.key];
    if (steps === undefined || event.target !== sheet || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    panel.moveTo(panel.view.start + steps * (panel.layout?.seconds ?? 0) * (event.shiftKey ? 5 : 1));
  });
}
