// Light or dark: as the system says, until somebody chooses.

import { computed, effect, signal } from "../vendor/ui.js";

const KEPT = "gallop.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", () => { systemDark.value = system.matches; });

/** `light`, `dark` or, as the system has it, empty. */
export const choice = signal(localStorage.getItem(KEPT) ?? "");
/** Whether the page is dark now. */
export const dark = computed(() => (choice.value ? choice.value === "dark" : systemDark.value));

effect(() => {
  document.documentElement.dataset.theme = dark.value ? "dark" : "light";
});

/** The other one. */
export function toggle() {
  choice.value = dark.value ? "light" : "dark";
  localStorage.setItem(KEPT, choice.value);
}

/** A colour of the style sheet, for canvases. @param {string} name */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
