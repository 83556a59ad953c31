export type PatchOperation = "add" | "update" | "delete"

/** What the change says about itself: the patch must agree. */
export interface ExpectedChange {
  readonly path: string
  readonly operation: PatchOperation
}

/** Larger patches and files are refused as `too_large`. */
export const maxPatchBytes = 32 * 1024 * 1024
export const maxFileBytes = 64 * 1024 * 1024
