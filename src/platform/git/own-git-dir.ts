import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import type { RepositoryLayout } from "./layout.ts"

const quoted = (path: string): string =>
  /[\n"#\\]/.test(path) ? `"${path.replace(/["\\]/g, "\\$&").replaceAll("\n", "\\n")}"` : path

const FILES = (objectDir: string): Readonly<Record<string, string>> => ({
  HEAD: "ref: refs/heads/none\n",
  config: [
    "[core]",
    "\trepositoryformatversion = 0",
    "\tbare = true",
    "\thooksPath = /dev/null",
    "\tfsmonitor = false",
    "\tattributesFile = /dev/null",
    "\texcludesFile = /dev/null",
    "",
  ].join("\n"),
  "info/attributes": "* -filter -text -eol -ident -working-tree-encoding\n",
  "objects/info/alternates": `${quoted(objectDir)}\n`,
})

const writeOnce = (path: string, text: string): void => {
  try {
    if (readFileSync(path, "utf8") === text) return
  } catch {
    // Absent: written below.
  }
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, text, { mode: 0o600 })
  renameSync(temporary, path)
}

/**
 * Hyperion's own git directory over the repository's objects: no hooks, filters, monitors or attributes of anybody
 * act there. Made by writing four files, idempotently; safe beside another process doing the same.
 */
export const makeOwnGitDir = (cacheDir: string, layout: RepositoryLayout): string => {
  const name = new Bun.CryptoHasher("sha256").update(layout.commonDir).digest("hex").slice(0, 16)
  const gitDir = `${cacheDir}/git/${name}`
  for (const folder of ["info", "refs/heads", "objects/info", "objects/pack"]) {
    mkdirSync(`${gitDir}/${folder}`, { recursive: true, mode: 0o700 })
  }
  for (const [path, text] of Object.entries(FILES(layout.objectDir))) writeOnce(`${gitDir}/${path}`, text)
  return gitDir
}
