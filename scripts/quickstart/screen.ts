const SGR = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33", cyan: "36" } as const
type Style = keyof typeof SGR

const WIDTH = 96

/** Words of `text` on lines of at most `width` cells. */
export const wrap = (text: string, width: number): readonly string[] => {
  const lines: string[] = []
  for (const word of text.split(" ")) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}

/** Whether colours are shown: the same rules as the program's own. */
export const wantsColor = (isTTY: boolean, env: Readonly<Record<string, string | undefined>>): boolean => {
  if (env["NO_COLOR"]) return false
  const force = env["FORCE_COLOR"]
  if (force) return force !== "0" && force !== "false"
  return isTTY && env["TERM"] !== "dumb"
}

/** What a person reads while it runs. Colour only underlines what the words say. */
export const makeScreen = (write: (text: string) => void, color: boolean) => {
  const paint = (style: Style, text: string) => (color ? `\u001b[${SGR[style]}m${text}\u001b[0m` : text)
  const line = (text = "") => write(`${text}\n`)
  let steps = 0
  return {
    color,
    line,
    paint,
    part: (title: string) => {
      line()
      line(paint("bold", `━━ ${title} ${"━".repeat(Math.max(3, WIDTH - title.length - 4))}`))
    },
    step: (title: string) => {
      steps++
      line()
      line(`${paint("cyan", `${steps}`.padStart(2))}  ${paint("bold", title)}`)
    },
    say: (text: string) => {
      for (const row of wrap(text, WIDTH - 4)) line(`    ${row}`)
    },
    /** A command as a person types it. */
    command: (text: string) => line(`    ${paint("green", "$")} ${paint("bold", text)}`),
    output: (text: string) => {
      if (text.trim() === "") return
      for (const row of text.trimEnd().split("\n")) line(row === "" ? "" : `      ${row}`)
    },
    /** What was checked, so that nobody has to believe the text above it. */
    checked: (text: string) => {
      for (const [index, row] of wrap(text, WIDTH - 6).entries())
        line(`    ${index === 0 ? paint("green", "✓") : " "} ${row}`)
    },
  }
}

export type Screen = ReturnType<typeof makeScreen>
