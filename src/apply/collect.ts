import * as Effect from "effect/Effect"
import { StoreFailed } from "../platform/git/errors.ts"
import { blobOid, type Oid } from "../platform/git/objects.ts"
import type { Displaced } from "./exchange.ts"
import { fileName } from "./folders.ts"
import { holds } from "./holds.ts"

import { dropName } from "./placing.ts"
import { unfinishedStage } from "./stage.ts"
import { failedAt, type LandingDependencies } from "./surroundings.ts"

const STRAY = /^hyperion-(.+)\.(?:lock|index|ref|reflock)$/

/** Clearing of stages. A byte that is nowhere else is moved out of the way of the broom. */
export const makeCollect = ({ git, files }: Pick<LandingDependencies, "git" | "files">) => {
  const failed = (stageDir: string) => (error: unknown) =>
    new StoreFailed({ operation: "collect", path: stageDir, code: failedAt("collect", stageDir, error).code })

  const attempt = <A>(stageDir: string, act: () => A) => Effect.try({ try: act, catch: failed(stageDir) })

  /** What of a stage is not as the landing that displaced it had it, with the blob it would be. */
  const doubtful = (stageDir: string, displaced: readonly Displaced[]) => {
    const known = new Map(displaced.map((file) => [file.stored, file]))
    const found: { readonly stored: string; readonly path: string; readonly oid: Oid | null }[] = []
    for (const name of files.stat(stageDir) === null ? [] : files.list(stageDir)) {
      const stored = `${stageDir}/${name}`
      const file = known.get(stored)
      if (file && holds(files, stored, file.before, false)) continue
      const stat = files.stat(stored)
      if (stat === null) continue
      const path = file?.path ?? name
      if (stat.isSymbolicLink()) found.push({ stored, path, oid: blobOid(files.readLink(stored)) })
      else if (stat.isFile()) found.push({ stored, path, oid: blobOid(files.read(stored)) })
      // We stage neither folders nor special files: whoever put one in a file's place has it nowhere else.
      else found.push({ stored, path, oid: null })
    }
    return found
  }

  const collect = (stageDir: string, displaced: readonly Displaced[], rescueDir: string) =>
    Effect.gen(function* () {
      const found = yield* attempt(stageDir, () => doubtful(stageDir, displaced))
      const oids = found.flatMap(({ oid }) => (oid === null ? [] : [oid]))
      const objects = yield* Effect.mapError(git.readObjects(oids), failed(stageDir))
      const known = new Set(oids.filter((_, at) => objects[at] !== null))
      return yield* attempt(stageDir, () => {
        const stage = fileName(stageDir.slice(stageDir.lastIndexOf("/") + 1))
        const rescued: string[] = []
        for (const [at, { stored: from, path, oid }] of found.entries()) {
          if (oid !== null && known.has(oid)) continue
          files.makeFolders(rescueDir)
          const kept = `${rescueDir}/${stage}-${at}-${fileName(path)}`
          files.rename(from, kept)
          rescued.push(kept)
        }
        files.removeAll(stageDir)
        files.removeAll(unfinishedStage(stageDir))
        return rescued as readonly string[]
      })
    })

  /** Small files of landings that are over, in the git directories. `open`: ids whose files are still needed. */
  const tidy = (open: ReadonlySet<string>) =>
    Effect.gen(function* () {
      const { commonDir } = git.layout
      const trees = yield* Effect.mapError(git.worktrees, failed(commonDir))
      yield* attempt(commonDir, () => {
        const kept = new Set(Array.from(open, fileName))
        for (const folder of new Set([commonDir, ...trees.map((tree) => tree.gitDir)])) {
          for (const name of files.list(folder)) {
            const landing = STRAY.exec(name)?.[1]
            if (landing !== undefined && !kept.has(landing)) dropName(files, `${folder}/${name}`)
          }
        }
      })
    })

  return { collect, tidy }
}
