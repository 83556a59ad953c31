import { readFileSync } from "node:fs"
import { join, posix } from "node:path"

export const ROOT = join(import.meta.dir, "../..")

export interface Page {
  /** Relative to the root of the repository. */
  readonly path: string
  readonly text: string
}

const GENERATED = new Set(["docs/SCHEMAS.md", "docs/state-machine.md", "docs/benchmarks.md"])

/** Every page a person wrote. */
export const pages = (): readonly Page[] =>
  ["*.md", "docs/**/*.md", "skills/**/*.md", "execution/**/*.md"]
    .flatMap((pattern) => [...new Bun.Glob(pattern).scanSync({ cwd: ROOT })])
    .filter((path) => !GENERATED.has(path) && path !== "CLAUDE.md")
    .sort()
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }))

export const page = (path: string): Page => ({ path, text: readFileSync(join(ROOT, path), "utf8") })

export interface Block {
  /** What stands behind the opening fence. */
  readonly language: string
  readonly text: string
}

const FENCE = /^```(\S*)[^\n]*\n([\s\S]*?)^```$/gm

export const blocks = (text: string): readonly Block[] =>
  [...text.matchAll(FENCE)].map(([, language, body]) => ({ language: language!, text: body! }))

export const withoutBlocks = (text: string): string => text.replace(FENCE, "")

/** Targets of inline links, without those that lead to another site. */
export const links = (text: string): readonly string[] =>
  [...withoutBlocks(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target))

/** A link's file, relative to the root, and its heading. */
export const targetOf = (from: string, link: string): { readonly path: string; readonly heading: string } => {
  const [file = "", heading = ""] = link.split("#")
  return { path: file === "" ? from : posix.join(posix.dirname(from), file), heading }
}

/** Headings as GitHub names them in addresses. */
export const anchors = (text: string): ReadonlySet<string> =>
  new Set(
    [...withoutBlocks(text).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  )

/** Everything written as code: fenced blocks line by line, inline spans. */
export const code = (text: string): readonly string[] => [
  ...blocks(text).flatMap((block) => block.text.split("\n")),
  ...[...withoutBlocks(text).matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!),
]

export interface NamedTest {
  readonly file: string
  readonly name: string
}

/** Lines of the form ``- `test/x.test.ts`: "name"``. */
export const namedTests = (text: string): readonly NamedTest[] =>
  [...text.matchAll(/^\s*- `(test\/[^`]+)`: "(.+)"$/gm)].map(([, file, name]) => ({
    file: file!,
    name: name!,
  }))
