import { existsSync } from "node:fs"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { ApplyService } from "../../src/apply/ApplyService.ts"
import { LandingJournal } from "../../src/apply/LandingJournal.ts"
import type { LandingStep } from "../../src/apply/plan.ts"
import { type FileOperations, WorktreeFiles } from "../../src/apply/WorktreeFiles.ts"
import type { FileEffect, FileMode, FileState } from "../../src/domain/files.ts"
import { GitRepository, type GitRepositoryShape } from "../../src/platform/git/GitRepository.ts"
import type { Signature } from "../../src/platform/git/objects.ts"
import { type Fixture, makeFixture } from "../git/fixture.ts"
import { runLive } from "../support/effect.ts"
import { type RecordingJournal, recordingJournal } from "./journal.ts"

export const AGENT: Signature = {
  name: "An Agent",
  email: "agent@example.invalid",
  seconds: 1_700_000_100,
  offset: "+0000",
}

/** Text is a regular file, null a deletion. */
export type Wanted = string | null | { readonly mode: FileMode; readonly content: string }

const stateOf = (wanted: Wanted): FileState | null => {
  if (wanted === null) return null
  if (typeof wanted === "string") return { mode: "100644", bytes: Buffer.from(wanted) }
  return { mode: wanted.mode, bytes: Buffer.from(wanted.content) }
}

/** Steps on `base` (path → state), each seeing what the ones before it left. */
export const stepsOn = (
  base: ReadonlyMap<string, FileState>,
  changes: readonly Readonly<Record<string, Wanted>>[],
): readonly LandingStep[] => {
  const now = new Map(base)
  return changes.map((change, at) => {
    const effects = Object.entries(change).map(([path, wanted]): FileEffect => {
      const before = now.get(path) ?? null
      const after = stateOf(wanted)
      if (after) now.set(path, after)
      else now.delete(path)
      return { path, before, after }
    })
    return {
      entryId: `entry-${at + 1}`,
      effects,
      author: AGENT,
      committer: AGENT,
      message: `change ${at + 1}\n`,
    }
  })
}

export interface Bench extends Fixture {
  /** What the journal was told: `begin`, `done`, `undone`, with the records. */
  readonly journal: RecordingJournal
  /** The files of a commit. */
  readonly filesOf: (commit: string) => ReadonlyMap<string, FileState>
  readonly steps: (
    changes: readonly Readonly<Record<string, Wanted>>[],
    base?: string,
  ) => readonly LandingStep[]
  readonly stageDir: string
  readonly apply: <A, E>(
    body: Effect.Effect<A, E, ApplyService | GitRepository | Scope.Scope>,
    doubles?: Doubles,
  ) => Promise<A>
}

/** Wrappers around the live services, where a test puts its faults. */
export interface Doubles {
  readonly files?: (live: FileOperations) => FileOperations
  readonly git?: (live: GitRepositoryShape) => GitRepositoryShape
  readonly start?: string
}

export const makeBench = (): Bench => {
  const fixture = makeFixture()
  const journal = recordingJournal()
  const filesOf = (commit: string) => {
    const files = new Map<string, FileState>()
    const listed = fixture.tryGit(["ls-tree", "-r", "-z", commit]).stdout.toString()
    for (const line of listed.split("\0").filter(Boolean)) {
      const [meta, path] = line.split("\t") as [string, string]
      const [mode, , oid] = meta.split(" ") as [FileMode, string, string]
      files.set(path, { mode, bytes: fixture.tryGit(["cat-file", "blob", oid]).stdout })
    }
    return files
  }
  return {
    ...fixture,
    journal,
    filesOf,
    stageDir: `${fixture.root}/.hyperion/stage/landing-1`,
    steps: (changes, base = "HEAD") => {
      const exists = fixture.tryGit(["rev-parse", "-q", "--verify", base]).exitCode === 0
      return stepsOn(exists ? filesOf(base) : new Map(), changes)
    },
    apply: (body, doubles = {}) => {
      const { start = fixture.root, files = (live) => live, git = (live) => live } = doubles
      const repository = GitRepository.layer({ start, cacheDir: `${fixture.folder}/cache`, env: fixture.env })
      const leaves = Layer.mergeAll(
        Layer.project(repository, GitRepository, GitRepository, git),
        Layer.project(WorktreeFiles.layer, WorktreeFiles, WorktreeFiles, files),
        Layer.succeed(LandingJournal, journal.service),
      )
      return runLive(Layer.provideMerge(ApplyService.layer, leaves), body)
    },
  }
}

/** Our own folder must not show up in `git status`. */
export const ignoreOwnFolder = (bench: Bench): void => {
  bench.write({ ".git/info/exclude": ".hyperion/\n" })
}

export const leftovers = (bench: Bench): readonly string[] =>
  [`${bench.root}/.git/index.lock`, `${bench.root}/.git/hyperion-landing-1.index`, bench.stageDir].filter(
    existsSync,
  )
