import { afterAll, expect, test } from "bun:test"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { deflateSync } from "node:zlib"
import { readLoose } from "../../src/platform/git/loose.ts"

const root = mkdtempSync(join(tmpdir(), "hyperion-loose-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const git = (...args: string[]): string =>
  Bun.spawnSync(["git", "-C", root, "-c", "user.name=a", "-c", "user.email=a@b", ...args])
    .stdout.toString()
    .trim()
git("init", "-q", "-b", "main")
writeFileSync(join(root, "f"), "hello\n")
git("add", "f")
git("commit", "-qm", "one")
const objects = join(root, ".git", "objects")

test("commit, tree and blob are read as git holds them", () => {
  for (const name of ["HEAD", "HEAD^{tree}", "HEAD:f"]) {
    const oid = git("rev-parse", name)
    const object = readLoose([objects], oid)
    expect(object?.type).toBe(git("cat-file", "-t", oid) as "blob")
    expect(object?.body.length).toBe(Number(git("cat-file", "-s", oid)))
  }
  expect(readLoose([objects], git("rev-parse", "HEAD:f"))?.body.toString()).toBe("hello\n")
})

test("what is not exactly its name is nobody's: another content, a wrong size, damage, no file", () => {
  const oid = git("rev-parse", "HEAD:f")
  const file = join(objects, oid.slice(0, 2), oid.slice(2))
  chmodSync(file, 0o600)
  for (const bytes of [
    deflateSync(Buffer.from("blob 6\0jello\n")),
    deflateSync(Buffer.from("blob 7\0hello\n")),
    Buffer.from("damage"),
    Buffer.alloc(0),
  ]) {
    writeFileSync(file, bytes)
    expect(readLoose([objects], oid)).toBeNull()
  }
  expect(readLoose([objects], "0".repeat(40))).toBeNull()
})
