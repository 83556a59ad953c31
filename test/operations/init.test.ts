import { afterEach, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { dispatch } from "../../src/cli/dispatch.ts"

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const repository = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "hyperion-init-"))
  folders.push(folder)
  Bun.spawnSync(["git", "init", "-q", "-b", "main", folder])
  return folder
}

/** Runs the command line in this process; stdout parsed as JSON where it is. */
const hyperion = async (root: string, argv: readonly string[], env: Record<string, string> = {}) => {
  const written = { out: "", err: "" }
  const sink = (stream: "out" | "err") => () => ({
    terminal: { isTTY: false, columns: undefined, color: false },
    write: (text: string) => {
      written[stream] += text
    },
  })
  const exit = await dispatch(["--root", root, "--format", "json", ...argv], {
    env: { PATH: process.env["PATH"], HOME: root, HYPERION_CACHE: join(root, ".cache"), ...env },
    open: () => Promise.resolve({ stdout: sink("out")(), stderr: sink("err")() }),
  })
  return { exit, out: written.out === "" ? null : JSON.parse(written.out), err: written.err }
}

describe("init and trust", () => {
  test("what it wrote is trusted; what was edited since is not, however often init runs", async () => {
    const root = repository()
    expect((await hyperion(root, ["init"])).out.policy).toMatchObject({ written: true, trusted: true })
    expect((await hyperion(root, ["init"])).out.policy).toMatchObject({ written: false, trusted: true })
    const file = join(root, "hyperion.json")
    writeFileSync(file, readFileSync(file, "utf8").replace('"required": 1', '"required": 0'))
    expect((await hyperion(root, ["init"])).out.policy).toMatchObject({ written: false, trusted: false })
    const list = await hyperion(root, ["validate-change", file])
    expect(list.exit).toBe(1)
    expect(JSON.parse(list.err).error.code).toBe("policy_untrusted")
  })

  test("an agent cannot have its own policy trusted, nor switch approvals off", async () => {
    const root = repository()
    writeFileSync(join(root, "hyperion.json"), '{"version":1,"approvals":{"required":0,"unattended":true}}')
    const planted = await hyperion(root, ["init"], { CLAUDECODE: "1" })
    expect(planted.out.policy).toMatchObject({ written: false, trusted: false })
    const replay = await hyperion(repository(), ["init", "--profile", "replay"], { CLAUDECODE: "1" })
    expect(replay.exit).toBe(4)
    expect(JSON.parse(replay.err).error.code).toBe("approval_agent_environment")
  })

  test("an agent cannot have a trusted policy that is gone replaced by another one", async () => {
    const root = repository()
    await hyperion(root, ["init"])
    const file = join(root, "hyperion.json")
    rmSync(file)
    const again = await hyperion(root, ["init"], { CLAUDECODE: "1" })
    expect(again.exit).toBe(4)
    expect(JSON.parse(again.err).error.code).toBe("approval_agent_environment")
    expect(existsSync(file)).toBe(false)
    expect((await hyperion(root, ["init"])).out.policy).toMatchObject({ written: true, trusted: true })
  })
})
