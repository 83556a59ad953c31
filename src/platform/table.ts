import { visibleLine } from "./sanitize.ts"
import { type Piece, pieceText, styled } from "./Terminal.ts"

export interface TableOptions {
  readonly head?: readonly string[]
  /** Cells per line, as {@link Terminal.columns}; undefined = nothing is cut. */
  readonly width?: number | undefined
}

const GAP = 2
/** A column is never cut below this: an ellipsis and enough of the value to tell rows apart. */
const NARROWEST = 6

/** `text` cut to `width` terminal cells; a cut is shown by `…`. Expects sanitised text. */
export const fit = (text: string, width: number): string => {
  if (Bun.stringWidth(text) <= width) return text
  let used = 0
  let kept = ""
  for (const character of text) {
    const cells = Bun.stringWidth(character)
    if (used + cells > width - 1) break
    used += cells
    kept += character
  }
  return `${kept}…`
}

/** Takes cells from the widest column until the row fits, so short columns (ids, states) stay whole. */
const shrink = (natural: readonly number[], width: number): readonly number[] => {
  const widths = [...natural]
  let excess = widths.reduce((sum, cells) => sum + cells, 0) + GAP * (widths.length - 1) - width
  while (excess > 0) {
    const widest = Math.max(...widths)
    if (widest <= NARROWEST) break
    const next = Math.max(NARROWEST, ...widths.filter((cells) => cells < widest))
    const column = widths.indexOf(widest)
    const taken = Math.min(excess, Math.max(1, widest - next))
    widths[column] = widest - taken
    excess -= taken
  }
  return widths
}

/**
 * Left-aligned columns for a listing, one line per row, no trailing newline, ready for `Output.data`. Every cell is
 * sanitised to one line, so a value can neither forge a row nor move the cursor.
 */
export const table = (rows: readonly (readonly Piece[])[], options: TableOptions = {}): readonly Piece[] => {
  const head = options.head?.map((title) => styled("bold", title))
  const lines = (head ? [head, ...rows] : rows).map((row) =>
    row.map((cell) => ({ cell, text: visibleLine(pieceText(cell)) })),
  )
  const count = Math.max(0, ...lines.map((line) => line.length))
  const natural = Array.from({ length: count }, (_, column) =>
    Math.max(0, ...lines.map((line) => Bun.stringWidth(line[column]?.text ?? ""))),
  )
  const widths = options.width === undefined ? natural : shrink(natural, options.width)
  const pieces: Piece[] = []
  for (const [index, line] of lines.entries()) {
    if (index > 0) pieces.push("\n")
    for (const [column, { cell, text }] of line.entries()) {
      const width = widths[column] ?? 0
      const shown = fit(text, width)
      pieces.push(typeof cell === "string" ? shown : styled(cell.style, shown))
      if (column < line.length - 1) pieces.push(" ".repeat(width - Bun.stringWidth(shown) + GAP))
    }
  }
  return pieces
}
