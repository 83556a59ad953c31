import { afterAll, expect, test } from "bun:test"
import { closeSync, constants, createReadStream, mkdtempSync, openSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

const folder = mkdtempSync(join(tmpdir(), "hyperion-sink-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test("writes everything into a non-blocking pipe that is read slowly, then the process may exit", async () => {
  const fifo = join(folder, "fifo")
  expect(Bun.spawnSync(["mkfifo", fifo]).exitCode).toBe(0)
  const pipe = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
  const module = resolve(import.meta.dir, "../../src/platform/fd-sink.ts")
  const script = `import { fdSink } from ${JSON.stringify(module)}
    fdSink(1, {}).write("é".repeat(1_000_000))
    process.exit(7)`
  const child = Bun.spawn([process.execPath, "-e", script], {
    stdin: "ignore",
    stdout: pipe,
    stderr: "inherit",
  })
  const reader = createReadStream(fifo, { highWaterMark: 4096 })
  const chunks: Buffer[] = []
  const read = (async () => {
    for await (const chunk of reader) chunks.push(chunk as Buffer)
  })()
  expect(await child.exited).toBe(7)
  closeSync(pipe)
  await read
  expect(Buffer.concat(chunks).toString()).toBe("é".repeat(1_000_000))
})

test("what is not a terminal has no width, and colour only when forced", () => {
  const script = (env: string) =>
    `import { fdSink } from ${JSON.stringify(resolve(import.meta.dir, "../../src/platform/fd-sink.ts"))}
     const { isTTY, columns, color } = fdSink(1, ${env}).terminal
     process.stderr.write(JSON.stringify([isTTY, columns ?? null, color]))`
  const ask = (env: string, stdout: "pipe" | "ignore"): string =>
    Bun.spawnSync([process.execPath, "-e", script(env)], {
      stdin: "ignore",
      stdout,
      stderr: "pipe",
    }).stderr.toString()
  expect(ask("{}", "pipe")).toBe("[false,null,false]")
  expect(ask("{}", "ignore")).toBe("[false,null,false]")
  expect(ask("{ FORCE_COLOR: '1' }", "pipe")).toBe("[false,null,true]")
})
