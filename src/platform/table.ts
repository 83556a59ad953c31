import { visibleLine } from "./sanitize.ts"
import { type Piece, pieceText, styled } from "./Terminal.ts"

export interface TableOptions {
  readonly head?: readonly string[]
  /** Cells per line, as {@link Terminal.columns}; undefined = nothing is cut. */
  readonly width?: number | undefined
  /** Columns that are cut last: half an id, a state or a time says nothing. */
  readonly whole?: readonly number[] | undefined
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

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

/** As `shrinkAll`; `whole` columns are cut only where the others, at their narrowest, leave no room for them. */
const shrink = (natural: readonly number[], width: number, whole: readonly number[]): readonly number[] => {
  const kept = natural.filter((_, column) => whole.includes(column))
  const others = natural.filter((_, column) => !whole.includes(column))
  const rest = width - sum(kept) - GAP * kept.length
  const narrowest = sum(others.map((cells) => Math.min(cells, NARROWEST))) + GAP * (others.length - 1)
  if (others.length === 0 || narrowest > rest) return shrinkAll(natural, width)
  const cut = [...shrinkAll(others, rest)]
  return natural.map((cells, column) => (whole.includes(column) ? cells : cut.shift()!))
}

/** Cuts all columns to the same greatest width that fits, so short columns (ids, states) stay whole. */
const shrinkAll = (natural: readonly number[], width: number): readonly number[] => {
  const budget = width - GAP * (natural.length - 1)
  if (sum(natural) <= budget) return natural
  const cutTo = (cap: number) => natural.map((cells) => Math.min(cells, cap))
  let cap = NARROWEST
  while (sum(cutTo(cap + 1)) <= budget) cap++
  let spare = Math.max(0, budget - sum(cutTo(cap)))
  return natural.map((cells) => (cells > cap && spare-- > 0 ? cap + 1 : Math.min(cells, cap)))
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
  const widths = options.width === undefined ? natural : shrink(natural, options.width, options.whole ?? [])
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
