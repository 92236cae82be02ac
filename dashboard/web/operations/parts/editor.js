// The SQL editor: colours, and completion of tables, columns and words.
//
// It stands in a shadow root: only there its styles are sheets of the document, which the page's policy lets be.

import * as cm from "../../vendor/editor.js";
import { columnsOf, tables } from "./catalog.js";

const theme = cm.EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "var(--surface)", border: "1px solid var(--strong-line)", borderRadius: "10px", fontSize: "13px" },
  "&.cm-focused": { outline: "2.5px solid var(--accent)", outlineOffset: "1px" },
  ".cm-scroller": { fontFamily: 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace', lineHeight: "1.55", minHeight: "112px", maxHeight: "320px" },
  ".cm-content": { padding: "12px 0", caretColor: "var(--text)" },
  ".cm-line": { padding: "0 14px" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--accent-soft)", outline: "1px solid var(--accent)" },
  ".cm-wrong": { textDecoration: "underline wavy var(--bad)", textUnderlineOffset: "3px" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", border: "1px solid var(--line)", borderRadius: "8px", boxShadow: "var(--shadow)", overflow: "hidden" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "inherit", maxHeight: "220px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "3px 10px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--accent-text)" },
  ".cm-completionDetail": { color: "var(--quiet)", fontStyle: "normal", marginLeft: "14px" },
  "li[aria-selected] .cm-completionDetail": { color: "var(--accent-text)" },
  ".cm-completionIcon": { display: "none" },
});
const colours = cm.HighlightStyle.define([
  { tag: cm.tags.keyword, color: "var(--accent)", fontWeight: "600" },
  { tag: [cm.tags.string, cm.tags.special(cm.tags.string)], color: "var(--good)" },
  { tag: [cm.tags.number, cm.tags.bool, cm.tags.null], color: "var(--wait)" },
  { tag: cm.tags.comment, color: "var(--quiet)", fontStyle: "italic" },
]);

/** What is underlined, until the text changes. */
const markWrong = cm.StateEffect.define();
const wrong = cm.StateField.define({
  create: () => cm.Decoration.none,
  update: (marks, change) => {
    for (const effect of change.effects) if (effect.is(markWrong)) return cm.Decoration.set([cm.Decoration.mark({ class: "cm-wrong" }).range(effect.value.from, effect.value.to)]);
    return change.docChanged ? cm.Decoration.none : marks;
  },
  provide: (field) => cm.EditorView.decorations.from(field),
});

/** A name as SQL wants it: quoted, where it is more than small letters, and letters alone where case does not count. */
const quoted = (name) => (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

/** Tables, and columns of those that the text names. */
async function names(context) {
  const before = context.matchBefore(/[\w"-]*$/);
  if (!before || (before.from === before.to && !context.explicit)) return null;
  // After a point only the columns of what stands before it make sense.
  const owner = /"?([\w-]+)"?\.$/.exec(context.state.sliceDoc(Math.max(0, before.from - 100), before.from))?.[1];
  const known = await tables(), text = context.state.doc.toString();
  const mentioned = known.filter((table) => text.includes(table) && new RegExp(`(^|[^\\w-])${table.replaceAll(/[^\w]/g, "\\$&")}($|[^\\w-])`).test(text));
  const lists = await Promise.all(mentioned.map(async (table) => (await columnsOf(table)).map(({ name, type }) => ({ label: name, apply: quoted(name), detail: `${type.toLowerCase()}, ${table}`, type: "property", boost: 20 }))));
  if (context.view && !context.view.hasFocus) return null;
  const seen = new Set();
  const columns = lists.flat().filter(({ label }) => !seen.has(label) && seen.add(label));
  const options = owner ? columns : [...columns, ...known.map((name) => ({ label: name, apply: quoted(name), detail: "table", type: "type", boost: 10 }))];
  return { from: before.from, options, validFor: /^[\w"-]*$/ };
}

const words = cm.keywordCompletionSource(cm.StandardSQL, true);
/** Words of SQL, where one has begun. */
const keywords = (context) => (/\.[\w"]*$/.test(context.state.sliceDoc(Math.max(0, context.pos - 60), context.pos)) ? null : words(context));

/** What is typed over a selection: left to the browser, it would keep the colour in an inline style, which the page's policy forbids. */
function typedOver(event, view) {
  if (event.inputType !== "insertText" || event.isComposing || event.data === null || view.state.selection.main.empty) return false;
  view.dispatch(view.state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
  event.preventDefault();
  return true;
}

/**
 * Puts an editor into `box`.
 * @param {HTMLElement} box @param {{text: string, change: (text: string) => void, run: () => void}} options
 */
export function edit(box, { text, change, run }) {
  const root = box.shadowRoot ?? box.attachShadow({ mode: "open" });
  const view = new cm.EditorView({
    parent: root, root,
    state: cm.EditorState.create({
      doc: text,
      extensions: [
        cm.keymap.of([{ key: "Mod-Enter", run: () => { run(); return true; } }]),
        cm.history(), cm.bracketMatching(), cm.closeBrackets(),
        cm.autocompletion({ override: [names, keywords], icons: false }),
        cm.keymap.of([...cm.closeBracketsKeymap, ...cm.completionKeymap, ...cm.defaultKeymap, ...cm.historyKeymap]),
        cm.StandardSQL.extension, cm.syntaxHighlighting(colours), theme, wrong, cm.EditorView.lineWrapping,
        cm.EditorView.contentAttributes.of({ "aria-label": "Query", spellcheck: "false", autocapitalize: "off", "data-gramm": "false" }),
        cm.EditorView.domEventHandlers({ beforeinput: typedOver }),
        cm.EditorView.updateListener.of((update) => { if (update.docChanged) change(update.state.doc.toString()); }),
      ],
    }),
  });
  return {
    focus: () => view.focus(),
    /** Takes another text, if it is another. @param {string} other */
    set: (other) => {
      if (other !== view.state.doc.toString()) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: other } });
    },
    /** Shows what is wrong. @param {number} line @param {number} column both from 1 */
    mark: (line, column) => {
      const row = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines));
      const from = Math.min(row.from + Math.max(column, 1) - 1, row.to);
      const to = Math.min(row.to, from + Math.max(1, /^\w*/.exec(view.state.sliceDoc(from, row.to))[0].length));
      view.dispatch({ selection: { anchor: from }, scrollIntoView: true, ...(to > from && { effects: markWrong.of({ from, to }) }) });
      view.focus();
    },
    close: () => view.destroy(),
  };
}
