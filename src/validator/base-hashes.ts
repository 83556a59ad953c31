import type { Change, ValidatedChangeRequest } from "../domain/change-request.ts"

/**
 * Adds what an agent left out about the base: the revision it worked from, and pre-image hashes. What the validator
 * checked stays as it was, so it stays validated.
 */
export const withBase = (
  request: ValidatedChangeRequest,
  revision: string | null,
  hashOf: (change: Change) => string | undefined,
): ValidatedChangeRequest =>
  ({
    ...request,
    ...(revision !== null && { base_revision: revision }),
    changes: request.changes.map((change) => {
      const hash = change.base_hash === undefined ? hashOf(change) : undefined
      return hash === undefined ? change : { ...change, base_hash: hash }
    }),
  }) as ValidatedChangeRequest
