import * as Effect from "effect/Effect"
import { BlobStore } from "../audit/BlobStore.ts"
import { type Change, payloadBytes } from "../domain/change-request.ts"
import { contentHash, type FileState } from "../domain/files.ts"
import { sha256Hex } from "../domain/hash.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import { applyPatch } from "../patch/apply.ts"
import { parsePatch } from "../patch/parse.ts"
import { blobOid } from "../platform/git/objects.ts"
import type { ScratchIndex } from "../platform/git/scratch-index.ts"
import type { BlobEntry } from "../platform/git/tree-edit.ts"
import { type CheckedReceipt, faultOf, type ProvenEffect, type VerifyFault } from "./verify-evidence.ts"

/**
 * How a path's new content was recomputed: `patch` and `canonical` (the repaired form) by git apply, `content` from
 * the whole file the cast carries, `post-image` from what was stored, since a merge is not determined by the patch.
 */
export type VerifyMethod = "patch" | "canonical" | "content" | "post-image"

export interface VerifiedPath {
  readonly path: string
  readonly method: VerifyMethod
}

interface Step extends VerifiedPath {
  /** For git apply; the canonical form is what it falls back on. */
  readonly patch: Uint8Array | null
  readonly canonical: Uint8Array | null
  readonly effect: ProvenEffect
}

const GITLINK = /^Subproject commit ([0-9a-f]{40})\n?$/

/** The tree entry of a file; null for none. A submodule's is the commit its line names. */
export const treeEntry = (state: FileState | null): BlobEntry | null => {
  if (state === null) return null
  if (state.mode !== "160000") return { mode: state.mode, oid: blobOid(state.bytes) }
  const oid = GITLINK.exec(Buffer.from(state.bytes).toString("latin1"))?.[1]
  return { mode: state.mode, oid: oid ?? blobOid(state.bytes) }
}

/** Base plus patches in a scratch index that holds `base_tree` already; the tree they give. */
export const recomputeTree = Effect.fn("operations.recomputeTree")(function* (
  index: ScratchIndex,
  checked: CheckedReceipt,
) {
  const steps = yield* stepsOf(checked)
  if (!steps.ok) return steps
  const byImage = steps.value.filter(({ patch }) => patch === null)
  const byPatch = steps.value.filter(({ patch }) => patch !== null)
  yield* index.put(new Map(byImage.map(({ effect }) => [effect.path, treeEntry(effect.after)])))
  const methods: VerifiedPath[] = byImage.map(({ path, method }) => ({ path, method }))
  if (byPatch.length > 0) {
    const whole = yield* index.apply(Buffer.concat(byPatch.map(({ patch }) => patch!)))
    if (whole.exitCode === 0) methods.push(...byPatch.map(({ path, method }) => ({ path, method })))
    else
      for (const step of byPatch) {
        const said = yield* applyOne(index, step)
        if (!said.ok) return said
        methods.push({ path: step.path, method: said.value })
      }
  }
  return ok({ tree: yield* index.writeTree, methods })
})

/** Git refuses a few forms that agents write and the strict parser takes as they are: then the canonical one counts. */
const applyOne = Effect.fn("operations.applyOne")(function* (index: ScratchIndex, step: Step) {
  const asWritten = yield* index.apply(step.patch!)
  if (asWritten.exitCode === 0) return ok(step.method)
  const canonical = step.canonical === null ? asWritten : yield* index.apply(step.canonical)
  return canonical.exitCode === 0
    ? ok("canonical" as const)
    : faultOf(
        "patch",
        step.path,
        `git apply refuses the patch of ${step.path}: ${firstLine(canonical.stderr)}`,
      )
})

const firstLine = (text: string): string => text.split("\n", 1)[0] ?? ""

/** How each path is to be recomputed, its patch held against the hash the receipt names. */
const stepsOf = Effect.fn("operations.stepsOf")(function* ({ receipt, cast, effects }: CheckedReceipt) {
  const store = yield* BlobStore
  const steps: Step[] = []
  for (const effect of effects) {
    const { path } = effect
    const patches = receipt.patches.filter((patch) => patch.path === path)
    const changes = cast?.change_request.changes.filter((change) => change.path === path)
    for (const [at, { patch_hash }] of patches.entries()) {
      const change = changes?.[at]
      const bytes = change
        ? payloadBytes(change)
        : yield* Effect.orElseSucceed(store.get(patch_hash), () => null)
      if (bytes === null || sha256Hex(bytes) !== patch_hash)
        return faultOf(
          "patch_hash",
          path,
          bytes === null
            ? `the patch of ${path} is gone`
            : `the patch of ${path} is not the one of the receipt`,
        )
      // A delete and an add of one path are two patches; what matters is what came out.
      if (patches.length === 1) steps.push(stepOf(effect, patches[0]!.operation, bytes, change))
    }
    if (patches.length !== 1) steps.push({ path, method: "post-image", patch: null, canonical: null, effect })
  }
  return ok(steps) as Result<readonly Step[], VerifyFault>
})

const stepOf = (
  effect: ProvenEffect,
  operation: Change["operation"],
  bytes: Uint8Array,
  change: Change | undefined,
): Step => {
  const { path, before, after } = effect
  const image = (method: VerifyMethod): Step => ({ path, method, patch: null, canonical: null, effect })
  const same = (state: FileState | null) =>
    state === null || after === null
      ? state === after
      : state.mode === after.mode && contentHash(state) === contentHash(after)
  // It was there already.
  if (same(before)) return image("post-image")
  const isContent = change
    ? change.patch === undefined
    : after !== null && sha256Hex(bytes) === contentHash(after)
  if (isContent)
    return image(after === null || sha256Hex(bytes) === contentHash(after) ? "content" : "post-image")
  const parsed = parsePatch(bytes, { path, operation, paths: "posix" })
  const applied = parsed.ok ? applyPatch(parsed.value, before) : fail(null)
  // A merge: the patch alone does not say what came out.
  if (!applied.ok || !same(applied.value.after)) return image("post-image")
  const { canonical, repairs } = applied.value
  return repairs.length === 0
    ? { path, method: "patch", patch: bytes, canonical, effect }
    : { path, method: "canonical", patch: canonical, canonical: null, effect }
}

/** The first path on which two trees differ. */
export const firstDifference = (
  expected: ReadonlyMap<string, BlobEntry>,
  found: ReadonlyMap<string, BlobEntry>,
): string | null => {
  const paths = [...new Set([...expected.keys(), ...found.keys()])].sort()
  return (
    paths.find((path) => {
      const [left, right] = [expected.get(path), found.get(path)]
      return left?.oid !== right?.oid || left?.mode !== right?.mode
    }) ?? null
  )
}
