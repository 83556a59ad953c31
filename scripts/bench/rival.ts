import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { must, run } from "../quickstart/run.ts"

type Env = Readonly<Record<string, string>>

interface Proposed {
  readonly changes: readonly { readonly patch?: string; readonly patch_encoding?: string }[]
  readonly provenance: {
    readonly author_name: string
    readonly author_email: string
    readonly author_date: string
    readonly message: string
  }
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/**
 * A shell script that lands the same patches with git alone: one `git apply` and one `git commit` each, nothing else.
 * Patches and messages are prepared beforehand; hooks, signing and collection are off.
 */
export const prepareRival = (changes: string, folder: string, checkedOut: boolean): string => {
  mkdirSync(folder, { recursive: true })
  const apply = `git apply --whitespace=nowarn ${checkedOut ? "--index" : "--cached"}`
  const lines = readFileSync(changes, "utf8").split("\n").slice(0, -1)
  const steps = lines.map((line, n) => {
    const { changes, provenance } = JSON.parse(line) as Proposed
    const patch = Buffer.concat(
      changes.map(({ patch = "", patch_encoding }) =>
        Buffer.from(patch, patch_encoding === "base64" ? "base64" : "utf8"),
      ),
    )
    writeFileSync(join(folder, `${n}.patch`), patch)
    writeFileSync(join(folder, `${n}.message`), provenance.message)
    return (
      `${apply} ${quoted(join(folder, `${n}.patch`))}\n` +
      `GIT_AUTHOR_NAME=${quoted(provenance.author_name || "-")} GIT_AUTHOR_EMAIL=${quoted(provenance.author_email)} ` +
      `GIT_AUTHOR_DATE=${quoted(`@${provenance.author_date}`)} git commit -q --no-verify --no-gpg-sign ` +
      `--allow-empty-message --cleanup=verbatim -F ${quoted(join(folder, `${n}.message`))}\n`
    )
  })
  const script = join(folder, "land.sh")
  writeFileSync(script, `set -e\n${steps.join("")}`)
  return script
}

/** The same patches as one mailbox for `git am`, which commits what it applies. */
export const prepareMailbox = (changes: string, folder: string): string => {
  mkdirSync(folder, { recursive: true })
  const lines = readFileSync(changes, "utf8").split("\n").slice(0, -1)
  const mails = lines.map((line) => {
    const { changes, provenance } = JSON.parse(line) as Proposed
    const [subject = "", ...body] = provenance.message.split("\n")
    const [seconds] = provenance.author_date.split(" ")
    const head = [
      `From ${"0".repeat(40)} Mon Sep 17 00:00:00 2001`,
      `From: ${provenance.author_name || "-"} <${provenance.author_email || "a@b"}>`,
      `Date: ${new Date(Number(seconds) * 1000).toUTCString()}`,
      `Subject: [PATCH] ${subject || "-"}`,
      "MIME-Version: 1.0",
      "Content-Type: text/plain; charset=UTF-8",
      "Content-Transfer-Encoding: 8bit",
      "",
      // A line that looks like the start of a mail would end this one.
      ...body.map((text) => (/^From |^---|^diff |^Index: /.test(text) ? ` ${text}` : text)),
      "---",
      "",
    ].join("\n")
    const patches = changes.map(({ patch = "", patch_encoding }) =>
      Buffer.from(patch, patch_encoding === "base64" ? "base64" : "utf8"),
    )
    return Buffer.concat([Buffer.from(`${head}\n`), ...patches, Buffer.from("-- \n2.39.5\n\n")])
  })
  const mailbox = join(folder, "mailbox")
  writeFileSync(mailbox, Buffer.concat(mails))
  return mailbox
}

/** How far `git am` came (it stops at the first patch it cannot take) and how long that took. */
export const runMailbox = (
  mailbox: string,
  repository: string,
  env: Env,
): { seconds: number; landed: number } => {
  mkdirSync(repository, { recursive: true })
  const call = (...argv: readonly string[]) => must({ argv, cwd: repository, env }).trim()
  call("git", "init", "-q", "-b", "main")
  call("git", "config", "gc.auto", "0")
  const start = performance.now()
  run({
    argv: ["git", "am", "-q", "--keep-cr", "--whitespace=nowarn", "--no-gpg-sign", mailbox],
    cwd: repository,
    env,
  })
  const seconds = (performance.now() - start) / 1000
  const count = run({ argv: ["git", "rev-list", "--count", "main"], cwd: repository, env })
  return { seconds, landed: count.code === 0 ? Number(count.stdout) : 0 }
}

/** Runs it in a fresh repository. Seconds, and the tree it ended with. */
export const runRival = (script: string, repository: string, env: Env): { seconds: number; tree: string } => {
  mkdirSync(repository, { recursive: true })
  const call = (...argv: readonly string[]) => must({ argv, cwd: repository, env }).trim()
  call("git", "init", "-q", "-b", "main")
  call("git", "config", "gc.auto", "0")
  const start = performance.now()
  call("sh", script)
  return { seconds: (performance.now() - start) / 1000, tree: call("git", "rev-parse", "main^{tree}") }
}
