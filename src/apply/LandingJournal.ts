import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Oid } from "../platform/git/objects.ts"
import type { BlobEntry } from "../platform/git/tree-edit.ts"

/** One path of a landing. `slot` names its file in the stage: new content first, the displaced old one after. */
export interface RecordedFile {
  readonly path: string
  readonly before: BlobEntry | null
  readonly after: BlobEntry | null
  readonly slot: string
  /** Not checked out (sparse checkout): only the index entry changes. */
  readonly indexOnly: boolean
}

/** What a landing does to the working tree that has the branch checked out. */
export interface RecordedWorktree {
  readonly root: string
  readonly gitDir: string
  readonly stageDir: string
  /** The lock is ours only while it holds exactly `content`; it is a second name of `mark`. */
  readonly lock: { readonly path: string; readonly content: string; readonly mark: string }
  /** The new index before it is renamed into place. */
  readonly newIndex: string
  readonly files: readonly RecordedFile[]
  /** Folders that did not exist before, parents first. */
  readonly newFolders: readonly string[]
}

/** Everything needed to finish or undo a landing after the process died in it. Plain JSON. */
export interface LandingRecord {
  readonly landingId: string
  readonly mode: "commit" | "worktree"
  /** `refs/heads/…` */
  readonly branch: string
  readonly base: Oid | null
  readonly tip: Oid
  readonly durable: boolean
  readonly entryIds: readonly string[]
  /** null: only the ref moves. */
  readonly worktree: RecordedWorktree | null
}

/** The journal could not be written. */
export class JournalFailed extends Data.TaggedError("JournalFailed")<{ readonly reason: string }> {
  override get message() {
    return `landing journal: ${this.reason}`
  }
}

/** `fallback`: the file system cannot swap names, so files were absent for a moment. `none`: no file was touched. */
export type ExchangeMode = "atomic" | "fallback" | "none"

export interface LandingJournalShape {
  /** Durable (when the record says so) before it returns, and before the first visible write of the landing. */
  readonly begin: (record: LandingRecord) => Effect.Effect<void, JournalFailed>
  /** Everything of the record is in place; how its files got there is what the receipt can promise. */
  readonly done: (landingId: string, exchange: ExchangeMode) => Effect.Effect<void, JournalFailed>
  /** Nothing of the record is in place. */
  readonly undone: (landingId: string) => Effect.Effect<void, JournalFailed>
}

export class LandingJournal extends Context.Tag("hyperion/apply/LandingJournal")<
  LandingJournal,
  LandingJournalShape
>() {
  /** Remembers nothing: a kill in a landing needs the operator. For previews and tests. */
  static readonly none = Layer.succeed(LandingJournal, {
    begin: () => Effect.void,
    done: () => Effect.void,
    undone: () => Effect.void,
  })
}
