import { contentHashOf, linePatch, patchOf, requestOf } from "../support/workspace.ts"

/** A file of twelve lines, and changes of single lines of it. */
export const LINES = Array.from({ length: 12 }, (_, index) => `line ${index}`)
export const TEXT = `${LINES.join("\n")}\n`
export const withLine = (at: number, text: string) =>
  `${LINES.map((line, index) => (index === at ? text : line)).join("\n")}\n`

/** A change of one line, made for the file as it was at the beginning. */
export const lineChange = (task: string, at: number, text: string) => ({
  ...requestOf(task, {}, { metadata: { intent: task } }),
  changes: [
    patchOf("text.txt", linePatch("text.txt", LINES, at, text), "update", { base_hash: contentHashOf(TEXT) }),
  ],
})
