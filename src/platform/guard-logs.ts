import { readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import type { Millis } from "../domain/time.ts"

export interface OldLog {
  readonly path: string
  readonly bytes: number
}

const LOG = /^([0-9a-f]{64})\.log$/
/** Of a guard whose worker was killed. */
const DRAFT = /^running-/

/** Logs in a folder that were written before a moment, up to `limit`; those with a name in `named` are not among them. */
export const oldLogs = (
  folder: string,
  before: Millis,
  named: ReadonlySet<string>,
  limit: number,
): readonly OldLog[] => {
  const found: OldLog[] = []
  for (const name of namesIn(folder)) {
    const hash = LOG.exec(name)?.[1]
    if (hash === undefined ? !DRAFT.test(name) : named.has(hash)) continue
    const path = join(folder, name)
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat === undefined || stat.mtimeMs >= before) continue
    found.push({ path, bytes: stat.size })
    if (found.length === limit) break
  }
  return found
}

const namesIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** One that cannot be removed stays for the next time. */
export const removeLog = ({ path }: OldLog): void => {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch {}
}
