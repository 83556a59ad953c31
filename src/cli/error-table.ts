import { dirname } from "node:path"
import type { LandingFailed } from "../apply/errors.ts"
import type { ApprovalOutdated, ApprovalRefused } from "../approval/errors.ts"
import type { BlobCorrupt } from "../audit/BlobStore.ts"
import type { MaterializeError } from "../candidate/CandidateService.ts"
import type { ProposeFailed } from "../intake/history.ts"
import type { ArchiveRefused } from "../operations/archive-errors.ts"
import type { NeedsYes } from "../operations/config.ts"
import type { UnknownId, WrongState } from "../operations/errors.ts"
import type { ReplayFailed } from "../operations/replay-tree.ts"
import type { NeedsClarification, NotARequest } from "../operations/request.ts"
import type { SettingsInvalid } from "../operations/settings.ts"
import type { SegmentsForeign } from "../operations/ship.ts"
import type { DatabaseError, DatabaseFault } from "../platform/Database.ts"
import type { FolderNotEmpty } from "../platform/empty-folder.ts"
import type {
  ReadError,
  RepositoryNotFound,
  RepositoryUnsupported,
  StoreFailed,
} from "../platform/git/errors.ts"
import type { PolicyError } from "../platform/PolicyStore.ts"
import type { InputUnreadable } from "../platform/read-input.ts"
import type { Problem } from "../platform/stdio.ts"
import type { UserConfigInvalid } from "../platform/user-config.ts"
import type { QueueFull } from "../queue/QueueService.ts"
import type { LandingDisputed, NoBranch } from "../worker/base.ts"
import { Exit, type ExitCode } from "./exit-codes.ts"

/** Every typed error a command can end with. */
export type AppError =
  | ArchiveRefused
  | ApprovalOutdated
  | ApprovalRefused
  | DatabaseError
  | QueueFull
  | UnknownId
  | WrongState
  | InputUnreadable
  | NeedsYes
  | BlobCorrupt
  | FolderNotEmpty
  | ReplayFailed
  | SegmentsForeign
  | SettingsInvalid
  | UserConfigInvalid
  | LandingDisputed
  | NoBranch
  | PolicyError
  | ReadError
  | RepositoryNotFound
  | RepositoryUnsupported
  | StoreFailed
  | ProposeFailed
  | MaterializeError
  | LandingFailed
  | NotARequest
  | NeedsClarification

interface Told {
  readonly code: string
  readonly hint: string
  readonly exit: ExitCode
  readonly retryable?: boolean
}

type Table = {
  readonly [Tag in AppError["_tag"]]: (error: Extract<AppError, { readonly _tag: Tag }>) => Told
}

const DATABASE: Readonly<Record<DatabaseFault, Told>> = {
  busy: { code: "database_busy", hint: "try again in a moment", exit: Exit.tryLater, retryable: true },
  corrupt: {
    code: "database_corrupt",
    hint: "keep the file; put a backup in its place, or rebuild the queue with hyperion replay --from SEGMENTS --to DIR",
    exit: Exit.failed,
  },
  read_only: {
    code: "database_read_only",
    hint: "give yourself write permission: chmod -R u+w FOLDER",
    exit: Exit.failed,
  },
  full: {
    code: "disk_full",
    hint: "free space and run the same command again: nothing was lost",
    exit: Exit.tryLater,
    retryable: true,
  },
  missing: { code: "database_missing", hint: "hyperion init", exit: Exit.usage },
  foreign: {
    code: "database_foreign",
    hint: "name the queue's own file with --db FILE, or move this one aside and run hyperion init",
    exit: Exit.usage,
  },
  too_new: { code: "database_too_new", hint: "use the newer hyperion that wrote it", exit: Exit.failed },
  outdated: {
    code: "database_outdated",
    hint: "let the running workers end (hyperion doctor names them), then run the same command again",
    exit: Exit.tryLater,
    retryable: true,
  },
  other: { code: "database", hint: "run the same command with HYPERION_LOG=debug", exit: Exit.failed },
}

/** The one table from typed errors to code, hint and exit code. A new error without a row does not compile. */
const TABLE: Table = {
  ArchiveRefused: ({ reason, hint }) => ({
    code: `archive_${reason}`,
    hint,
    exit: reason === "inside" ? Exit.usage : reason === "changed" ? Exit.tryLater : Exit.failed,
    retryable: reason === "changed",
  }),
  NeedsYes: () => ({ code: "needs_yes", hint: "add --yes", exit: Exit.usage }),
  SettingsInvalid: ({ problems }) => ({
    code: "setting_invalid",
    hint: problems[0]?.hint ?? "hyperion config --show-origin",
    exit: Exit.usage,
  }),
  BlobCorrupt: () => ({
    code: "content_damaged",
    hint: "hyperion verify --all names the landings it belongs to; compare with a backup or the shipped segments",
    exit: Exit.failed,
  }),
  FolderNotEmpty: () => ({
    code: "folder_not_empty",
    hint: "name an empty folder, or one that is not there yet",
    exit: Exit.usage,
  }),
  ReplayFailed: () => ({
    code: "replay_failed",
    hint: "hyperion audit verify and hyperion verify --all name what is damaged; --until SEQ replays up to there, into another folder",
    exit: Exit.failed,
  }),
  SegmentsForeign: () => ({
    code: "segments_foreign",
    hint: "ship to an empty folder, and compare the two with audit verify --file",
    exit: Exit.failed,
  }),
  UserConfigInvalid: ({ violations }) => ({
    code: "user_config_invalid",
    hint: violations[0]?.hint ?? "hyperion help documents lists the keys",
    exit: Exit.usage,
  }),
  ApprovalRefused: ({ reason, hint }) => ({
    code: `approval_${reason}`,
    hint,
    exit: reason === "bad_name" || reason === "not_sensitive" ? Exit.usage : Exit.approvalMissing,
  }),
  ApprovalOutdated: ({ entries }) => ({
    code: "approval_outdated",
    hint: `look again: hyperion approve ${entries.join(" ")}`,
    exit: Exit.approvalMissing,
    retryable: true,
  }),
  DatabaseError: ({ fault, file }) => {
    const told = DATABASE[fault]
    return { ...told, hint: told.hint.replace("FOLDER", dirname(file)) }
  },
  QueueFull: () => ({
    code: "queue_full",
    hint: "hyperion worker --drain, then try again",
    exit: Exit.tryLater,
    retryable: true,
  }),
  UnknownId: () => ({ code: "unknown_id", hint: "hyperion list", exit: Exit.usage }),
  WrongState: ({ advice }) => ({ code: "wrong_state", hint: advice, exit: Exit.failed }),
  LandingDisputed: () => ({
    code: "landing_disputed",
    hint: "make landing in hyperion.json the same on both branches, or git switch to the one changes land on",
    exit: Exit.failed,
  }),
  NoBranch: () => ({
    code: "no_branch",
    hint: "git switch to the branch that changes land on, or set landing.branch in hyperion.json",
    exit: Exit.failed,
  }),
  PolicyInvalid: ({ violations }) => ({
    code: "policy_invalid",
    hint: violations[0]?.hint ?? "hyperion help documents lists its keys",
    exit: Exit.failed,
  }),
  PolicyUntrusted: () => ({
    code: "policy_untrusted",
    hint: "read the file, then hyperion config trust",
    exit: Exit.failed,
  }),
  PolicyUnreadable: () => ({
    code: "policy_unreadable",
    hint: "hyperion init writes a new hyperion.json",
    exit: Exit.failed,
  }),
  GitFailed: () => ({ code: "git_failed", hint: "check that git works here: git status", exit: Exit.failed }),
  ObjectUnreadable: () => ({ code: "git_object", hint: "git fsck names what is damaged", exit: Exit.failed }),
  RepositoryNotFound: () => ({ code: "no_repository", hint: "git init", exit: Exit.usage }),
  RepositoryUnsupported: () => ({
    code: "repository_unsupported",
    hint: "Hyperion reads SHA-1 repositories with the usual extensions",
    exit: Exit.failed,
  }),
  StoreFailed: ({ code, path }) => {
    if (code === "ENOSPC")
      return {
        code: "disk_full",
        hint: "free space and run it again; nothing was lost",
        exit: Exit.tryLater,
        retryable: true,
      }
    if (code === "EEXIST")
      return { code: "file_exists", hint: `name another file, or move ${path} away first`, exit: Exit.usage }
    return { code: "store_failed", hint: `check the permissions of ${path}`, exit: Exit.failed }
  },
  CandidateFailed: () => ({
    code: "candidate_failed",
    hint: "check free space and permissions of the cache folder (HYPERION_CACHE)",
    exit: Exit.failed,
  }),
  SlotsBusy: () => ({
    code: "slots_busy",
    hint: "try again when other workers have finished",
    exit: Exit.tryLater,
    retryable: true,
  }),
  PrepareFailed: ({ stderrTail }) => ({
    code: "prepare_failed",
    hint:
      stderrTail === ""
        ? "run the prepare command of hyperion.json by hand"
        : `it said: ${stderrTail.slice(-300)}`,
    exit: Exit.failed,
  }),
  SandboxUnavailable: ({ hint }) => ({ code: "sandbox_unavailable", hint, exit: Exit.failed }),
  LandingFailed: ({ outcome }) => ({
    code: "landing_failed",
    hint:
      outcome === "undone"
        ? "nothing was landed and nothing was lost; mend what it names and run the worker again"
        : "the landing's journal is open: start hyperion worker again, it finishes or undoes it",
    exit: Exit.failed,
  }),
  NotARequest: ({ violations }) => ({
    code: violations[0]?.code ?? "not_a_request",
    hint: violations[0]?.hint ?? "hyperion help documents describes a task request",
    exit: Exit.rejected,
  }),
  NeedsClarification: ({ requestId }) => ({
    code: "needs_clarification",
    hint: `answer in the request's context or changes and run hyperion request again; ${requestId} is kept`,
    exit: Exit.usage,
  }),
  ProposeFailed: () => ({
    code: "propose_failed",
    hint: "git log shows the revisions there are",
    exit: Exit.failed,
  }),
  InputUnreadable: ({ file }) => ({
    code: "input_unreadable",
    hint: `check that ${file} exists and can be read`,
    exit: Exit.usage,
  }),
}

/** What is said about a typed error, and the exit code. */
export const tell = (error: AppError): { readonly problem: Problem; readonly exit: ExitCode } => {
  // The table has a row for every tag; the compiler cannot see that the row fits this very error.
  const row = TABLE[error._tag] as (error: AppError) => Told
  const { code, hint, exit, retryable = false } = row(error)
  return { problem: { code, message: error.message, hint, retryable }, exit }
}
