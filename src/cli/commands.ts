import type { AnyCommand } from "./command.ts"

/** A command's name and summary live here, so that `--help` loads no command at all. */
export interface CommandEntry {
  readonly summary: string
  readonly load: () => Promise<{ readonly default: AnyCommand }>
}

export interface CommandGroup {
  readonly summary: string
  readonly subcommands: Readonly<Record<string, CommandEntry>>
  /** The subcommand meant when none is named. */
  readonly fallback?: string
}

export type CommandNode = CommandEntry | CommandGroup
export type CommandTable = Readonly<Record<string, CommandNode>>

export const COMMANDS: CommandTable = {
  status: {
    summary: "Show the workspace, its queue and what needs attention",
    load: () => import("./commands/status.ts"),
  },
  init: {
    summary: "Prepare this folder: state, policy, detected guards",
    load: () => import("./commands/init.ts"),
  },
  request: {
    summary: "Take a task request to change requests and enqueue them",
    load: () => import("./commands/request.ts"),
  },
  orchestrate: {
    summary: "Split a task request into assignments",
    load: () => import("./commands/orchestrate.ts"),
  },
  propose: {
    summary: "Turn commits of a branch into change requests",
    load: () => import("./commands/propose.ts"),
  },
  "validate-change": {
    summary: "Check a change request and say every problem; changes nothing",
    load: () => import("./commands/validate-change.ts"),
  },
  enqueue: {
    summary: "Queue change requests, casts and bundles",
    load: () => import("./commands/enqueue.ts"),
  },
  watch: {
    summary: "Queue the files that appear in a folder",
    load: () => import("./commands/watch.ts"),
  },
  apply: {
    summary: "Land one change now, through guards and approvals",
    load: () => import("./commands/apply.ts"),
  },
  worker: {
    summary: "Take entries from the queue, prove them and land them",
    load: () => import("./commands/worker.ts"),
  },
  list: { summary: "List the entries of the queue", load: () => import("./commands/list.ts") },
  show: { summary: "Show one entry in full", load: () => import("./commands/show.ts") },
  why: {
    summary: "Say why an entry is where it is and what comes next",
    load: () => import("./commands/why.ts"),
  },
  history: {
    summary: "List what happened, to one entry or to all",
    load: () => import("./commands/history.ts"),
  },
  "list-dead-letters": {
    summary: "List the entries that failed, with their reasons",
    load: () => import("./commands/list-dead-letters.ts"),
  },
  "worker-logs": {
    summary: "List what the workers did",
    load: () => import("./commands/worker-logs.ts"),
  },
  wait: {
    summary: "Wait until entries are landed, decided or in a state",
    load: () => import("./commands/wait.ts"),
  },
  events: {
    summary: "Stream the log, oldest first, and go on with --follow",
    load: () => import("./commands/events.ts"),
  },
  approve: {
    summary: "Approve what would land, bound to its digest",
    load: () => import("./commands/approve.ts"),
  },
  reject: { summary: "Refuse a change, with the reason", load: () => import("./commands/reject.ts") },
  requeue: { summary: "Put a failed entry back", load: () => import("./commands/requeue.ts") },
  cancel: { summary: "Withdraw an entry that has not landed", load: () => import("./commands/cancel.ts") },
  hold: {
    summary: "Keep entries from being worked on and from landing",
    load: () => import("./commands/hold.ts"),
  },
  release: { summary: "Let held entries go on", load: () => import("./commands/release.ts") },
  freeze: { summary: "Stop all landings, with the reason", load: () => import("./commands/freeze.ts") },
  thaw: { summary: "Let landings begin again", load: () => import("./commands/thaw.ts") },
  "mark-applied": {
    summary: "Record that a change is on the branch already",
    load: () => import("./commands/mark-applied.ts"),
  },
  "mark-failed": {
    summary: "Make an entry a dead letter, with the reason",
    load: () => import("./commands/mark-failed.ts"),
  },
  blame: {
    summary: "Say where a line comes from: entry, prompt, approver, guard logs",
    load: () => import("./commands/blame.ts"),
  },
  checkout: {
    summary: "Write the tree of an entry into an empty folder",
    load: () => import("./commands/checkout.ts"),
  },
  amend: {
    summary: "Replace an entry by what you made of its checkout",
    load: () => import("./commands/amend.ts"),
  },
  receipt: { summary: "Show the proof of a landing", load: () => import("./commands/receipt.ts") },
  verify: {
    summary: "Recompute landed trees with git apply and check every hash",
    load: () => import("./commands/verify.ts"),
  },
  revert: { summary: "Undo landings by queueing their inverse", load: () => import("./commands/revert.ts") },
  replay: {
    summary: "Rebuild queue and tree from the log in an empty folder",
    load: () => import("./commands/replay.ts"),
  },
  "queue-metrics": {
    summary: "Show how the queue does: latencies, rates, counts",
    load: () => import("./commands/queue-metrics.ts"),
  },
  cleanup: {
    summary: "Sweep old decided entries; log and receipts stay",
    load: () => import("./commands/cleanup.ts"),
  },
  archive: {
    summary: "Move what is decided and old out of the queue, into a checked archive",
    load: () => import("./commands/archive.ts"),
  },
  backup: {
    summary: "Copy the queue while it is in use, and check the copy",
    load: () => import("./commands/backup.ts"),
  },
  report: {
    summary: "Say what landed, what did not, and who decided",
    load: () => import("./commands/report.ts"),
  },
  doctor: {
    summary: "Look at everything the workspace stands on, and say what mends it",
    load: () => import("./commands/doctor.ts"),
  },
  "inspect-queue": {
    summary: "The same as doctor",
    load: () => import("./commands/inspect-queue.ts"),
  },
  audit: {
    summary: "Work with the tamper-evident log",
    subcommands: {
      verify: {
        summary: "Recompute the log's hash chain and name the first bad row",
        load: () => import("./commands/audit-verify.ts"),
      },
      export: {
        summary: "Write the log as JSON lines, its head last",
        load: () => import("./commands/audit-export.ts"),
      },
      ship: {
        summary: "Append the log to a folder of segments that replay takes",
        load: () => import("./commands/audit-ship.ts"),
      },
    },
  },
  config: {
    summary: "Show the configuration, trust the policy",
    fallback: "show",
    subcommands: {
      show: {
        summary: "Show the configuration in force",
        load: () => import("./commands/config-show.ts"),
      },
      trust: {
        summary: "Record the policy file as read and trusted",
        load: () => import("./commands/config-trust.ts"),
      },
    },
  },
  help: { summary: "Show help for a command or a topic", load: () => import("./commands/help.ts") },
}
