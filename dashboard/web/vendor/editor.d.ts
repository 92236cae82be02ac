// What the page uses of editor.js, for the type checker.
export const autocompletion: any, closeBrackets: any, closeBracketsKeymap: any, completionKeymap: any;
export const defaultKeymap: any, history: any, historyKeymap: any;
export const HighlightStyle: any, bracketMatching: any, syntaxHighlighting: any;
export const StandardSQL: any, keywordCompletionSource: any;
export const EditorState: any, StateEffect: any, StateField: any;
export const Decoration: any, EditorView: any, keymap: any;
export const tags: any;
