// What the SQL page edits with: loaded when that page is opened.
export { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
export { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
export { HighlightStyle, bracketMatching, syntaxHighlighting } from "@codemirror/language";
export { StandardSQL, keywordCompletionSource } from "@codemirror/lang-sql";
export { EditorState, StateEffect, StateField } from "@codemirror/state";
export { Decoration, EditorView, keymap } from "@codemirror/view";
export { tags } from "@lezer/highlight";
