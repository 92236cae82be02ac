// What the page uses of plot.js, for the type checker.
declare const Plot: any;
export default Plot;
