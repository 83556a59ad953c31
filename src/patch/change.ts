import type { Operation } from "../domain/change-request.ts"

/** What the change says about itself: the patch must agree. */
export interface ExpectedChange {
  readonly path: string
  readonly operation: Operation
  /** `posix` takes a submodule as an opaque entry whose bytes are `Subproject commit <id>\n`; `portable` (default) refuses it. */
  readonly paths?: "portable" | "posix"
}

/** Larger patches and files are refused as `too_large`. */
export const maxPatchBytes = 32 * 1024 * 1024
export const maxFileBytes = 64 * 1024 * 1024
