import { afterEach, beforeEach, expect, test } from "bun:test"
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import { GitRepository } from "../../src/platform/git/GitRepository.ts"
import { blobOid, makeObject } from "../../src/platform/git/objects.ts"
import { type Fixture, makeFixture } from "./fixture.ts"

let fixture: Fixture
beforeEach(() => {
  fixture = makeFixture()
})
afterEach(() => fixture.remove())

const check = (paths: readonly string[]) =>
  fixture.run(
    Effect.gen(function* () {
      const git = yield* GitRepository
      const tree = yield* git.treeOf(fixture.git("rev-parse", "HEAD"))
      return Object.fromEntries(yield* git.checkAttributes(paths, tree))
    }),
  )

test("attributes that change checkout bytes are found per path, by the tree's own files", async () => {
  fixture.write({
    ".gitattributes": "*.bin filter=lfs\n*.id ident\n*.utf16 working-tree-encoding=UTF-16\n*.crlf eol=crlf\n",
    "dir/.gitattributes": "*.bin -filter\n[attr]x\n*.lf text eol=lf\n",
    "a.txt": "a\n",
  })
  fixture.commit("attributes")
  // Only the tree counts, not what lies about in the working tree.
  fixture.write({ "dir/.gitattributes": "* ident\n" })
  const paths = ["a.txt", "x.bin", "x.id", "x.utf16", "x.crlf", "dir/x.bin", "dir/x.lf", "dir/é.crlf"]
  expect(await check(paths)).toEqual({
    "a.txt": null,
    "x.bin": null,
    "x.id": "ident",
    "x.utf16": "working-tree-encoding",
    "x.crlf": "eol",
    "dir/x.bin": null,
    "dir/x.lf": null,
    "dir/é.crlf": "eol",
  })
  fixture.git("config", "filter.lfs.smudge", "cat")
  expect(await check(["x.bin", "dir/x.bin"])).toEqual({ "x.bin": "filter", "dir/x.bin": null })
})

test("line-ending settings and attribute files outside the tree count too", async () => {
  fixture.write({ "a.txt": "a\n" })
  fixture.commit("base")
  expect(await check(["a.txt"])).toEqual({ "a.txt": null })
  writeFileSync(`${fixture.home}/.gitconfig`, "[core]\n autocrlf = true\n")
  expect(await check(["a.txt"])).toEqual({ "a.txt": "eol" })
  writeFileSync(`${fixture.home}/.gitconfig`, "[core]\n autocrlf = input\n eol = crlf\n")
  expect(await check(["a.txt"])).toEqual({ "a.txt": null })
  writeFileSync(`${fixture.home}/.gitconfig`, "[core]\n eol = crlf\n")
  writeFileSync(`${fixture.root}/.git/info/attributes`, "*.txt text\n")
  expect(await check(["a.txt", "b"])).toEqual({ "a.txt": "eol", b: null })
  mkdirSync(`${fixture.home}/.config/git`, { recursive: true })
  writeFileSync(`${fixture.home}/.config/git/attributes`, "b ident\n")
  expect(await check(["b"])).toEqual({ b: "ident" })
})

test("no program of the repository's or the user's configuration ever runs", async () => {
  fixture.write({ "a.txt": "a\n", "b.bin": "b\n" })
  fixture.commit("base")
  const canary = `${fixture.folder}/canary`
  const script = `${fixture.folder}/program`
  writeFileSync(script, `#!/bin/sh\necho "$0 $*" >> ${canary}\ncat\n`)
  chmodSync(script, 0o755)
  const config = [
    `[core]\n fsmonitor = ${script}\n pager = ${script}\n editor = ${script}\n sshCommand = ${script}`,
    `[filter "x"]\n smudge = ${script}\n clean = ${script}\n process = ${script}\n required = true`,
    `[diff]\n external = ${script}\n[diff "x"]\n command = ${script}\n textconv = ${script}`,
    `[gpg]\n program = ${script}\n[commit]\n gpgSign = true\n[credential]\n helper = !${script}`,
    `[alias]\n cat-file = !${script}\n update-ref = !${script}\n`,
  ].join("\n")
  writeFileSync(`${fixture.home}/.gitconfig`, config)
  writeFileSync(`${fixture.root}/.git/config`, config, { flag: "a" })
  fixture.write({ ".gitattributes": "*.bin filter=x diff=x\n" })
  mkdirSync(`${fixture.root}/.git/hooks`, { recursive: true })
  for (const hook of ["reference-transaction", "post-index-change", "pre-commit", "post-checkout"]) {
    writeFileSync(`${fixture.root}/.git/hooks/${hook}`, `#!/bin/sh\necho ${hook} >> ${canary}\n`, {
      mode: 0o755,
    })
  }
  Object.assign(fixture.env, {
    GIT_EXTERNAL_DIFF: script,
    GIT_TRACE: canary,
    GIT_SSH_COMMAND: script,
    GIT_DIR: "/nowhere",
  })
  await fixture.run(
    Effect.gen(function* () {
      const git = yield* GitRepository
      const oid = (yield* git.head).oid!
      const tree = yield* git.treeOf(oid)
      const blob = makeObject("blob", Buffer.from("new\n"))
      const edited = yield* git.editTree(tree, new Map([["b.bin", { mode: "100644", oid: blob.oid }]]))
      yield* git.writeObjects([blob, ...edited.trees], { durable: true })
      yield* git.readBlobs([blob.oid, blobOid(Buffer.from("b\n"))])
      yield* git.checkAttributes(["b.bin", "a.txt"], tree)
      yield* git.identity
      yield* git.worktrees
      yield* git.updateRef({
        ref: "refs/heads/side",
        newOid: oid,
        expected: null,
        message: "test",
        durable: false,
      })
    }),
  )
  expect(existsSync(canary) ? readFileSync(canary, "utf8") : "").toBe("")
  // The canary is alive: a plain git wakes it.
  fixture.tryGit(["status"], { env: { GIT_DIR: `${fixture.root}/.git`, GIT_TRACE: "0" } })
  expect(existsSync(canary)).toBe(true)
})
