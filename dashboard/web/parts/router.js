// Which page is open: what stands behind the # of the address.

import { computed, signal } from "../vendor/ui.js";

const address = signal(location.hash);
addEventListener("hashchange", () => { address.value = location.hash; });

/** Name of the open page, and what stands behind it: `#/records/wildrydes` is `records` and `["wildrydes"]`. */
export const open = computed(() => {
  const [name, ...rest] = address.value.replace(/^#\/?/, "").split("/");
  return { name: name || "map", rest: rest.map(decodeURIComponent) };
});
