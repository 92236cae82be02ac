// One module for all that draws: the libraries share one copy of preact.
import { h } from "preact";
import htm from "htm";

export { h, render, Fragment } from "preact";
export { useEffect, useLayoutEffect, useMemo, useRef, useState, useCallback } from "preact/hooks";
export { signal, computed, effect, batch, useSignal, useComputed } from "@preact/signals";
export const html = htm.bind(h);
