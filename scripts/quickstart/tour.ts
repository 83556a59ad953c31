import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, type Ground, run } from "./run.ts"
import type { Screen } from "./screen.ts"
import { BAD, GOOD, PROJECT, policy } from "./tour-files.ts"
import { makeWorkshop, type Workshop } from "./workshop.ts"

interface Shown {
  readonly entry: { readonly id: number; readonly state: string; readonly reason_code: string | null }
  readonly approvals: readonly { readonly approver: string }[]
  readonly receipt: {
    readonly flags: readonly string[]
    readonly commit: string
    readonly result_tree: string
    readonly guard_outputs: readonly {
      readonly tree: string
      readonly result: string
      readonly sandbox: string
    }[]
  } | null
}

export interface Toured {
  readonly folder: string
  readonly landed: number
  /** Whether an approval was taken; false inside a coding agent. */
  readonly approved: boolean
  readonly refused: number
  readonly auditRows: number
  readonly seconds: number
}

/** What the request is split into. */
const TASKS = ["polite-1", "polite-2"] as const

/** The program that runs the guard: one that works in the environment of the demo. */
const runtime = (ground: Ground): string => {
  const works = (program: string) => {
    try {
      return run({ argv: [program, "--version"], cwd: ground.folder, env: ground.env }).code === 0
    } catch {
      return false
    }
  }
  return works("node") ? "node" : process.execPath
}

/** A request travels through every station into a fresh repository; a second one is stopped by the guard. */
export const tour = (screen: Screen, ground: Ground, binary: string): Toured => {
  const start = performance.now()
  const shop = makeWorkshop(screen, ground, binary, "greeter")
  mkdirSync(shop.folder)
  prepare(screen, ground, shop)
  ask(screen, shop)
  prove(screen, shop)
  const attended = decide(screen, ground, shop)
  land(screen, shop)
  refuse(screen, shop)
  const auditRows = account(screen, shop, attended)
  return {
    folder: shop.folder,
    landed: TASKS.length,
    approved: attended,
    refused: 1,
    auditRows,
    seconds: (performance.now() - start) / 1000,
  }
}

const put = ({ folder }: Workshop, name: string, text: string) => writeFileSync(join(folder, name), text)
const putRequest = ({ folder }: Workshop, document: { readonly request_id: string }) =>
  writeFileSync(join(folder, "..", `${document.request_id}.json`), `${JSON.stringify(document, null, 2)}\n`)
const state = (shop: Workshop, id: string): Shown => shop.ask("show", id) as Shown
const tip = (shop: Workshop): string => shop.git("rev-parse", "main")

const prepare = (screen: Screen, ground: Ground, shop: Workshop): void => {
  screen.step("A repository with a check of its own")
  for (const [name, text] of Object.entries(PROJECT)) put(shop, name, text)
  put(shop, "hyperion.json", policy(runtime(ground), { required: 1, presence: "none", unattended: true }))
  screen.say(
    "A small project in an empty folder: a function, and check.js, which fails when the function no longer greets by name. " +
      "hyperion.json makes that check a guard.",
  )
  shop.type(["git", "init", "-q", "-b", "main"])
  shop.type(["git", "add", "."])
  shop.type(["git", "commit", "-q", "-m", "A greeter and its check"])
  shop.type(["cat", "greet.js", "hyperion.json"])

  screen.step("Make it a Hyperion workspace")
  const text = shop.type(["hyperion", "init"])
  expect(/passed on the base/.test(text), "the guard did not run green on the base")
  screen.checked("The guard ran for real on the base, in a copy outside the repository, and passed.")
  screen.say(
    "This demo must run without a terminal, so its policy says approvals.unattended: an approval needs nobody at a keyboard. " +
      "A policy that `hyperion init` writes for you asks a person at a terminal, who types digits of what they approve.",
  )
}

const ask = (screen: Screen, shop: Workshop): void => {
  screen.step("A person asks: request, engineer, orchestrator, agent, validator, queue")
  putRequest(shop, GOOD)
  screen.say(
    "polite.json asks for two files to change and brings their exact content, so the built-in stub agent can answer without a model. " +
      "Each agent gets files of its own; its answer is data, checked, sealed with a checksum as a cast, and queued.",
  )
  shop.type(["hyperion", "request", "../polite.json"])
  const { entries } = shop.ask("list") as { readonly entries: readonly { readonly state: string }[] }
  expect(
    entries.length === 2 && entries.every((entry) => entry.state === "pending"),
    "two pending entries were expected",
  )
  expect(
    readFileSync(join(shop.folder, "greet.js"), "utf8") === PROJECT["greet.js"],
    "greet.js has changed already",
  )
  screen.checked("Two entries wait in the queue. No file of the repository has changed.")
}

const prove = (screen: Screen, shop: Workshop): void => {
  screen.step("The worker proves each change: candidate, guards")
  const before = tip(shop)
  shop.type(["hyperion", "worker", "--drain"])
  for (const id of TASKS) {
    const { entry } = state(shop, id)
    expect(entry.state === "awaiting_approval", `${id} is ${entry.state}, not awaiting_approval`)
  }
  expect(tip(shop) === before, "the branch has moved before anybody approved")
  screen.checked(
    "Both are proven on the tree that would land, and wait. Green guards are not enough: the branch has not moved.",
  )
  shop.type(["hyperion", "why", TASKS[0]])
}

/** Whether an approval was taken; false inside a coding agent, where it is refused. */
const decide = (screen: Screen, ground: Ground, shop: Workshop): boolean => {
  screen.step("A person approves exactly this")
  screen.say("The approval binds a digest of the resulting files: another byte, and it no longer counts.")
  const text = shop.type(["hyperion", "approve", "polite", "--note", "read both"], [0, APPROVAL_MISSING])
  const approved = TASKS.every((id) => state(shop, id).approvals.length === 1)
  if (approved) return true
  expect(/coding agent/.test(text), "the approval was refused")
  screen.checked("Refused: this runs inside a coding agent, and only people approve. So it must be.")
  screen.say(
    "For the demo to go on, its policy now asks for no approval at all; the request is withdrawn and made again under it. " +
      "A tracked policy counts as it is on the branch, so the edit is a commit, and every receipt will say that nobody was asked.",
  )
  put(shop, "hyperion.json", policy(runtime(ground), { required: 0, presence: "none", unattended: true }))
  shop.type(["git", "commit", "-q", "-a", "-m", "Ask nobody"])
  shop.type(["hyperion", "cancel", "polite", "--reason", "no person here"])
  shop.type(["hyperion", "request", "../polite.json"])
  return false
}

const APPROVAL_MISSING = 4

const land = (screen: Screen, shop: Workshop): void => {
  screen.step("The worker lands it: all of a change or nothing")
  const before = Number(shop.git("rev-list", "--count", "main"))
  shop.type(["hyperion", "worker", "--drain"])
  // Both touch different files: one run of the guard proved the tree they make together.
  const tip = shop.git("rev-parse", "main^{tree}")
  for (const id of TASKS) {
    const { entry, receipt } = state(shop, id)
    expect(entry.state === "applied" && receipt !== null, `${id} is ${entry.state}, not applied`)
    const landed = receipt!
    expect(
      shop.git("rev-parse", `${landed.commit}^{tree}`) === landed.result_tree &&
        landed.guard_outputs.length > 0 &&
        landed.guard_outputs.every(({ tree, result }) => tree === tip && result === "passed"),
      `${id} landed with a tree that its guard has not seen`,
    )
  }
  expect(Number(shop.git("rev-list", "--count", "main")) === before + 2, "two commits were expected")
  for (const { path, content } of GOOD.requested_changes)
    expect(
      readFileSync(join(shop.folder, path), "utf8") === content,
      `${path} has other bytes than requested`,
    )
  expect(shop.git("status", "--porcelain") === "", "the working tree is not clean")
  screen.checked(
    "Two commits. The tree of each is the very tree its guard ran on, the files hold the requested bytes, the working tree is clean.",
  )
  shop.type(["git", "log", "-1"])
  screen.say("The trailers lead from a commit back to its cast, task, request and approval.")
}

const refuse = (screen: Screen, shop: Workshop): void => {
  screen.step("A change that breaks the check does not land")
  putRequest(shop, BAD)
  const before = tip(shop)
  shop.type(["hyperion", "request", "../shorter.json"])
  shop.type(["hyperion", "worker", "--drain"])
  const { entry } = state(shop, "shorter-1")
  expect(
    entry.state === "failed" && entry.reason_code === "guard_failed",
    `the bad change is ${entry.state} (${entry.reason_code}), not failed by its guard`,
  )
  expect(tip(shop) === before && shop.git("status", "--porcelain") === "", "the refused change left a trace")
  const text = shop.type(["hyperion", "why", "shorter"])
  expect(text.includes("it no longer greets by name"), "why does not show what the guard said")
  screen.checked("Red, with the guard's own words as evidence. Branch and files are untouched.")
}

const FLAGS: Readonly<Record<string, string>> = {
  unattended: "nobody was asked at a terminal, which this policy allows",
  "sandbox:none": "the guard ran without a sandbox: bubblewrap does not work here",
}

const account = (screen: Screen, shop: Workshop, attended: boolean): number => {
  screen.step("Everything is on record")
  shop.type(["hyperion", "list"])
  shop.type(["hyperion", "show", TASKS[0]])
  const { receipt, approvals } = state(shop, TASKS[0])
  expect(receipt?.flags.includes("unattended") === true, "the receipt does not say unattended")
  expect(approvals.length === (attended ? 1 : 0), "the receipt has other approvals than were given")
  for (const flag of receipt!.flags)
    screen.say(`The receipt's flag ${flag}: ${FLAGS[flag] ?? "see the docs"}.`)
  const text = shop.type(["hyperion", "audit", "verify"])
  const rows = Number(/^ok: (\d+) rows/m.exec(text)?.[1] ?? 0)
  expect(rows > 0, "the audit log does not verify")
  screen.checked("Every step is a row of a hash chain; verify computed all of it again.")
  return rows
}
