import * as Effect from "effect/Effect"
import type { Change } from "../domain/change-request.ts"
import { changesOf, filesOf, hasLostPath, MAX_DIFF_BYTES } from "../intake/file-changes.ts"
import { ProposeFailed } from "../intake/history.ts"
import { askDiff, DIFF_TREE, END_MARK } from "../intake/tree-diff.ts"
import { makeObjectReader } from "../platform/git/cat-file.ts"
import { GitFailed } from "../platform/git/errors.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import type { Oid } from "../platform/git/objects.ts"
import { openGitPipe } from "../platform/git/pipe.ts"
import { Operator } from "../platform/Operator.ts"

/**
 * The difference between two trees that Hyperion's own store knows, as changes with git's own patches: text, binary,
 * modes and links alike. `what` names it in a refusal.
 */
export const treeChanges = Effect.fn("operations.treeChanges")(function* (from: Oid, to: Oid, what: string) {
  if (from === to) return []
  const { ownGitDir } = yield* GitRepository
  const { env } = yield* Operator
  return yield* Effect.tryPromise({
    try: async (): Promise<Change[]> => {
      const objects = makeObjectReader(ownGitDir, env)
      const git = openGitPipe(env, { command: "diff-tree", args: DIFF_TREE, gitDir: ownGitDir })
      try {
        git.write(askDiff(from, to))
        git.end()
        const files = filesOf(await git.readUntil(END_MARK, MAX_DIFF_BYTES), { from, to }, what)
        if (files.some(hasLostPath))
          throw new ProposeFailed({
            reason: "unexpected_output",
            revision: what,
            detail: "it names a path that is not UTF-8, and JSON has no form for it",
          })
        return await changesOf(objects, files, what, new Map())
      } finally {
        git.close()
        objects.close()
      }
    },
    catch: (error) => {
      if (error instanceof ProposeFailed || error instanceof GitFailed) return error
      throw error
    },
  })
})
