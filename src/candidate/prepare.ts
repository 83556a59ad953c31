import { existsSync, lstatSync, mkdirSync, renameSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { commandArgv } from "../domain/command.ts"
import { canonicalDigest } from "../domain/hash.ts"
import type { PrepareSpec, SandboxMode } from "../domain/policy.ts"
import type { ProcessRunnerShape } from "../platform/ProcessRunner.ts"
import { ranInside, type SandboxShape } from "../platform/Sandbox.ts"
import { CandidateFailed, detailOf, PrepareFailed } from "./errors.ts"
import type { Manifest, Oid } from "./manifest.ts"
import { parentOf } from "./manifest.ts"
import { remove } from "./tree-files.ts"

/** Half an hour: a cold install of a large project, over a slow network. */
const TIMEOUT_MS = 30 * 60_000
const TAIL_BYTES = 4_096

/** The key files as the tree has them; empty when it has none, and then there is nothing to prepare. */
export const preparedFrom = (spec: PrepareSpec, manifest: Manifest): ReadonlyMap<string, Oid> =>
  new Map(
    spec.key.flatMap((path) => {
      const entry = manifest.get(path)
      return entry === undefined ? [] : [[path, entry.oid] as const]
    }),
  )

export const prepareDigest = (
  spec: PrepareSpec,
  keep: readonly string[],
  made: ReadonlyMap<string, Oid>,
  label: "bwrap" | "none",
): string =>
  canonicalDigest({
    command: spec.command,
    keep,
    made: Object.fromEntries(made),
    label,
    machine: `${process.platform}-${process.arch}`,
  })

const hasRealParents = (root: string, path: string): boolean => {
  for (let folder = parentOf(path); folder !== ""; folder = parentOf(folder)) {
    if (!lstatSync(join(root, folder), { throwIfNoEntry: false })?.isDirectory()) return false
  }
  return true
}

/** Moves the outputs into the store, which appears whole. Another process that was faster wins. */
const harvest = (tree: string, keep: readonly string[], store: string): void => {
  const draft = `${store}.${process.pid}.new`
  remove(draft)
  mkdirSync(draft, { recursive: true, mode: 0o700 })
  for (const path of keep) {
    if (!hasRealParents(tree, path) || !existsSync(join(tree, path))) continue
    mkdirSync(dirname(join(draft, path)), { recursive: true })
    renameSync(join(tree, path), join(draft, path))
  }
  try {
    renameSync(draft, store)
  } catch (error) {
    if (!existsSync(store)) throw error
    remove(draft)
  }
}

export interface PrepareRun {
  readonly spec: PrepareSpec
  readonly keep: readonly string[]
  /** Candidate folder, already exactly the tree. Dirty afterwards. */
  readonly tree: string
  /** Folder to appear with the outputs. */
  readonly store: string
  readonly sandbox: SandboxMode
  readonly env: Readonly<Record<string, string>>
  readonly hidden: readonly string[]
}

/** Runs the policy's `prepare` in the candidate and stores what it made. */
export const runPrepare = Effect.fn("candidate.prepare")(function* (
  runner: ProcessRunnerShape,
  sandbox: SandboxShape,
  run: PrepareRun,
) {
  const argv = commandArgv(run.spec.command)
  const failed = (reason: PrepareFailed["reason"], exitCode: number | null, stderrTail: string) =>
    new PrepareFailed({ command: [run.spec.command].flat(), reason, exitCode, stderrTail })
  if (!argv.ok) return yield* failed("invalid", null, argv.error)
  const command = yield* sandbox.wrap({
    mode: run.sandbox,
    argv: argv.value,
    candidateDir: run.tree,
    network: run.spec.network,
    readOnlyBinds: [],
    env: run.env,
    hidden: run.hidden,
  })
  yield* storing(run.store, () => mkdirSync(dirname(run.store), { recursive: true, mode: 0o700 }))
  const outcome = yield* runner
    .run({ ...command, timeoutMs: TIMEOUT_MS, logFile: `${run.store}.log` })
    .pipe(Effect.mapError((error) => failed("not_started", null, error.message)))
  const tail = Buffer.from(outcome.stderr).subarray(-TAIL_BYTES).toString("utf8")
  if (outcome.timedOut) return yield* failed("timeout", null, tail)
  if (command.label === "bwrap" && !ranInside(outcome.status)) {
    return yield* failed("sandbox", outcome.exitCode, tail)
  }
  if (outcome.exitCode !== 0) return yield* failed("exit", outcome.exitCode, tail)
  return yield* storing(run.store, () => harvest(run.tree, run.keep, run.store))
})

const storing = (path: string, action: () => unknown) =>
  Effect.try({
    try: action,
    catch: (error) => new CandidateFailed({ operation: "store_prepared", path, detail: detailOf(error) }),
  })
