import { sha256Hex } from "./hash.ts"

/** Git file modes. `160000` is a gitlink: an opaque entry whose bytes are `Subproject commit <id>\n`. */
export type FileMode = "100644" | "100755" | "120000" | "160000"

/** What git's diffs show as a submodule's content. */
export const gitlinkContent = (commit: string): Uint8Array =>
  new TextEncoder().encode(`Subproject commit ${commit}\n`)

/** One file as git sees it: blob bytes (never decoded text) and mode. For `120000` the bytes are the link's target. */
export interface FileState {
  readonly mode: FileMode
  readonly bytes: Uint8Array
}

/** What a change does to one path. `null` = the path does not exist on that side. */
export interface FileEffect {
  readonly path: string
  readonly before: FileState | null
  readonly after: FileState | null
}

const hashes = new WeakMap<FileState, string>()

/** SHA-256 of the content; computed once per state, because a chain of changes asks for it again and again. */
export const contentHash = (state: FileState): string => {
  const known = hashes.get(state)
  if (known !== undefined) return known
  const hash = sha256Hex(state.bytes)
  hashes.set(state, hash)
  return hash
}
