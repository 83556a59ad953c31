import { visibleText } from "./sanitize.ts"

/** What one of our two output streams is connected to. */
export interface Terminal {
  readonly isTTY: boolean
  /** Cells per line; undefined = no limit (not a terminal). */
  readonly columns: number | undefined
  readonly color: boolean
}

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * `--no-color` and a non-empty NO_COLOR switch colour off; a non-empty FORCE_COLOR switches it on (`0` and `false`
 * off); otherwise only a terminal whose TERM is not `dumb` has colour.
 */
export const decideColor = (isTTY: boolean, env: Environment, noColor = false): boolean => {
  if (noColor || env["NO_COLOR"]) return false
  const force = env["FORCE_COLOR"]
  if (force) return force !== "0" && force !== "false"
  return isTTY && env["TERM"] !== "dumb"
}

const SGR = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33", cyan: "36" } as const
export type Style = keyof typeof SGR

/** A piece of text with our own styling. The text is sanitised first, so nobody else's escapes pass. */
export interface Styled {
  readonly style: Style
  readonly text: string
}
export type Piece = string | Styled
export type Text = Piece | readonly Piece[]

export const styled = (style: Style, text: string): Styled => ({ style, text })

const isPieces = (text: Text): text is readonly Piece[] => Array.isArray(text)

export const pieceText = (piece: Piece): string => (typeof piece === "string" ? piece : piece.text)

/** Sanitises every piece, then adds colour where the stream has it. */
export const paint = (text: Text, terminal: Pick<Terminal, "color">): string =>
  (isPieces(text) ? text : [text])
    .map((piece) =>
      typeof piece === "string" || !terminal.color
        ? visibleText(pieceText(piece))
        : `\u001b[${SGR[piece.style]}m${visibleText(piece.text)}\u001b[0m`,
    )
    .join("")
