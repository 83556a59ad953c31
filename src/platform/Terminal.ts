import { fstatSync, statSync } from "node:fs"
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

/** Pipes, files and /dev/null are told apart by stat: loading `node:tty` alone would double the CPU of `--version`. */
const isTerminal = (fd: 1 | 2): boolean => {
  try {
    const stat = fstatSync(fd)
    if (!stat.isCharacterDevice()) return false
    if (stat.rdev === statSync("/dev/null", { throwIfNoEntry: false })?.rdev) return false
    return process.getBuiltinModule("node:tty").isatty(fd)
  } catch {
    return false // a closed descriptor
  }
}

/** `fd` 1 = stdout, 2 = stderr. Everything is found out when it is first asked for. */
export const detectTerminal = (fd: 1 | 2, env: Environment, noColor = false): Terminal => {
  let isTTY: boolean | undefined
  return {
    get isTTY() {
      isTTY ??= isTerminal(fd)
      return isTTY
    },
    get color() {
      return decideColor(this.isTTY, env, noColor)
    },
    get columns() {
      if (!this.isTTY) return undefined
      return (fd === 1 ? process.stdout : process.stderr).columns || 80
    },
  }
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
export const paint = (text: Text, terminal: Terminal): string =>
  (isPieces(text) ? text : [text])
    .map((piece) =>
      typeof piece === "string" || !terminal.color
        ? visibleText(pieceText(piece))
        : `\u001b[${SGR[piece.style]}m${visibleText(piece.text)}\u001b[0m`,
    )
    .join("")
