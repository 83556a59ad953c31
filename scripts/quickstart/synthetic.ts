import { mkdirSync } from "node:fs"
import { must } from "./run.ts"

type Env = Readonly<Record<string, string>>

const ROUNDS = 30

/**
 * A small history for a checkout that has none: files that are added, edited, deleted, renamed, made executable, emptied
 * and left without a last newline, and a binary one. A bare repository in `folder`.
 */
export const syntheticHistory = (folder: string, env: Env): void => {
  mkdirSync(folder, { recursive: true })
  must({ argv: ["git", "init", "-q", "--bare", "-b", "main", "."], cwd: folder, env })
  must({ argv: ["git", "fast-import", "--quiet"], cwd: folder, env, stdin: stream() })
}

const data = (text: string): string => `data ${Buffer.byteLength(text)}\n${text}\n`
const file = (path: string, text: string, mode = "100644"): string =>
  `M ${mode} inline ${path}\n${data(text)}`
const lines = (count: number, changed: number): string =>
  Array.from({ length: count }, (_, n) => `line ${n}${n === changed ? " changed" : ""}\n`).join("")

const stream = (): string => {
  const commits: string[][] = [
    [file("README.md", "# A history\n"), file("src/one.txt", lines(40, -1))],
    [file("bin/tool", "#!/bin/sh\necho hello\n")],
    [file("bin/tool", "#!/bin/sh\necho hello\n", "100755")],
    [file("empty", "")],
    [file("no-newline.txt", "no newline at the end")],
    [file("logo.bin", "\u0000\u0001\u0002 not text \u0000")],
    ["R src/one.txt src/two.txt\n"],
    ["D empty\n"],
    ...Array.from({ length: ROUNDS }, (_, n) => [
      file("src/two.txt", lines(40 + n, n)),
      ...(n % 5 === 0 ? [file(`notes/${n}.md`, `note ${n}\n`)] : []),
    ]),
  ]
  return commits
    .map(
      (changes, n) =>
        `commit refs/heads/main\ncommitter Demo Author <author@example.invalid> ${1_700_000_000 + n * 60} +0000\n` +
        `${data(`Step ${n + 1}\n`)}${changes.join("")}\n`,
    )
    .join("")
}
