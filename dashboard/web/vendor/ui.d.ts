// What the page uses of ui.js, for the type checker.
export interface Signal<T> { value: T; peek(): T; subscribe(hear: (value: T) => void): () => void }
export function signal<T>(value: T): Signal<T>;
export function computed<T>(compute: () => T): Signal<T>;
export function effect(run: () => void): () => void;
export function batch<T>(run: () => T): T;
export function h(...parts: any[]): any;
export function render(what: any, into: Element): void;
export function html(strings: TemplateStringsArray, ...values: any[]): any;
export function useEffect(run: () => void | (() => void), inputs?: any[]): void;
export function useLayoutEffect(run: () => void | (() => void), inputs?: any[]): void;
export function useMemo<T>(compute: () => T, inputs: any[]): T;
export function useCallback<T>(callback: T, inputs: any[]): T;
export function useRef<T = any>(value: T): { current: T };
export function useState<T>(value: T): [T, (next: T | ((known: T) => T)) => void];
export const Fragment: any;
