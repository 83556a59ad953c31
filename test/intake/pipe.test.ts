import { afterAll, beforeAll, expect, test } from "bun:test"
import { GitFailed } from "../../src/platform/git/errors.ts"
import { type GitPipe, openGitPipe } from "../../src/platform/git/pipe.ts"
import { makeRepository, type TestRepository } from "./support.ts"

let repository: TestRepository
const pipes: GitPipe[] = []
const open = (): GitPipe => {
  const pipe = openGitPipe(
    { PATH: process.env["PATH"] },
    { command: "cat-file", args: ["cat-file", "--batch"], gitDir: repository.gitDir },
  )
  pipes.push(pipe)
  return pipe
}
beforeAll(() => {
  repository = makeRepository()
})
afterAll(() => {
  for (const pipe of pipes) pipe.close()
  repository.remove()
})

const mark = Buffer.from("\n==end==\n")
const store = (content: string): string => repository.git(["hash-object", "-w", "--stdin"], content).trim()

test("a mark is found wherever the chunks of the pipe end", async () => {
  const pipe = open()
  // Sizes around those a pipe delivers at once, and text full of beginnings of the mark.
  for (const size of [0, 1, 8, 9, 4_090, 4_096, 65_500, 65_530, 65_536, 65_540, 131_072, 300_001]) {
    const content = "\n==end=".repeat(Math.ceil(size / 7)).slice(0, size)
    const oid = store(`${content}${mark.toString()}rest`)
    pipe.write(`${oid}\n`)
    const head = `${oid} blob ${content.length + mark.length + 4}\n`
    expect((await pipe.readUntil(mark, 1_000_000))?.toString()).toBe(head + content)
    expect((await pipe.readUntil(Buffer.from("\n"), 100))?.toString()).toBe("rest")
  }
})

test("answers that arrive together are read one by one", async () => {
  const pipe = open()
  const oids = ["a", "b", "c"].map((text) => store(`${text}${mark.toString()}`))
  pipe.write(`${oids.join("\n")}\n`)
  pipe.end()
  for (const text of ["a", "b", "c"])
    expect((await pipe.readUntil(mark, 1_000))?.toString().trim().endsWith(`\n${text}`)).toBe(true)
})

test("more than the limit is refused, before or after the mark arrived", async () => {
  const oid = store(`${"x".repeat(1_000)}${mark.toString()}`)
  const limit = `${oid} blob 1009\n`.length + 1_000
  for (const [max, length] of [
    [limit, limit],
    [limit - 1, undefined],
    [5, undefined],
  ] as const) {
    const pipe = open()
    pipe.write(`${oid}\n`)
    expect((await pipe.readUntil(mark, max))?.length).toBe(length)
  }
})

test("git that ends before it answered is an error", async () => {
  const pipe = open()
  pipe.end()
  const error: unknown = await pipe.readUntil(mark, 10).catch((cause: unknown) => cause)
  expect(error).toBeInstanceOf(GitFailed)
})
