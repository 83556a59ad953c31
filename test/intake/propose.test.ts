import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { ChangeRequest, payloadBytes } from "../../src/domain/change-request.ts"
import { sha256Hex } from "../../src/domain/hash.ts"
import { parseDocument } from "../../src/domain/parse-document.ts"
import { parseStrictJson } from "../../src/domain/strict-json.ts"
import { parseRange } from "../../src/intake/history.ts"
import { type Proposal, type ProposeInput, propose } from "../../src/intake/propose.ts"
import {
  applyAll,
  collect,
  type Files,
  importCommits,
  makeRepository,
  type TestRepository,
} from "./support.ts"

let repository: TestRepository
beforeEach(() => {
  repository = makeRepository()
})
afterEach(() => repository.remove())

const file = (content: string, mode: "100644" | "100755" = "100644"): Files[string] => [mode, content]
const link = (target: string): Files[string] => ["120000", target]
const gitlink = (digit: string): Files[string] => ["160000", digit.repeat(40)]
const operations = (proposal: Proposal | undefined): readonly string[] =>
  proposal?.change_request.changes.map((change) => `${change.operation} ${change.path}`) ?? []

/** Everything that must hold of any proposal, by other programs than the one under test. */
const checkAll = (proposals: readonly Proposal[]): void => {
  let previous: string | undefined
  for (const { change_request: request, revision } of proposals) {
    const written = new TextEncoder().encode(JSON.stringify(request))
    const read = parseStrictJson(written)
    if (!read.ok) throw new Error(read.error.message)
    const parsed = parseDocument(ChangeRequest, read.value)
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
    expect(parsed.value).toEqual(request)
    expect(request.task_id as string).toBe(revision.slice(0, 12))
    expect(request.depends_on as readonly string[] | undefined).toEqual(previous ? [previous] : undefined)
    previous = request.task_id
    for (const change of request.changes) {
      expect(change.patch_hash).toBe(sha256Hex(payloadBytes(change)!))
      expect(change.base_hash !== undefined).toBe(
        change.operation !== "add" && !change.patch!.includes("Subproject commit"),
      )
    }
  }
}

const noisy = Buffer.from(Array.from({ length: 2_000 }, (_, index) => (index * 7919) % 256)).toString(
  "latin1",
)
const awkward: readonly { readonly name: string; readonly files: Files; readonly want: readonly string[] }[] =
  [
    {
      name: "root: text, empty, executable, symlink, binary, NUL late",
      files: {
        "a.txt": file("one\ntwo\n"),
        empty: file(""),
        "bin/run": file("#!/bin/sh\n", "100755"),
        link: link("a.txt"),
        "noise.bin": file(noisy),
        late: file(`${"line\n".repeat(3_000)}\0==end==\n`),
      },
      want: ["add a.txt", "add bin/run", "add empty", "add late", "add link", "add noise.bin"],
    },
    { name: "mode only", files: { "a.txt": file("one\ntwo\n", "100755") }, want: ["update a.txt"] },
    {
      name: "rename",
      files: { "a.txt": null, "b.txt": file("one\ntwo\n") },
      want: ["delete a.txt", "add b.txt"],
    },
    { name: "file to symlink", files: { "b.txt": link("x y") }, want: ["delete b.txt", "add b.txt"] },
    { name: "symlink to file", files: { link: file("a.txt") }, want: ["delete link", "add link"] },
    { name: "symlink retargeted", files: { "b.txt": link("elsewhere") }, want: ["update b.txt"] },
    {
      name: "text that looks like our marks",
      files: {
        marks: file("==end==\ndiff --git a/x b/x\n\n==end==\n"),
        "==end==": file("==end=="),
        late: file(`${"line\n".repeat(3_000)}\0==end==\ndiff --git a/late b/late\n`),
      },
      want: ["add ==end==", "update late", "add marks"],
    },
    {
      name: "their removal",
      files: { marks: file("diff --git a/x b/x\n"), "==end==": null },
      want: ["delete ==end==", "update marks"],
    },
    {
      name: "line ends and last lines",
      files: {
        crlf: file("a\r\nb\r\n"),
        cr: file("a\rb\r"),
        bare: file("no newline"),
        blank: file("\n\n\n"),
      },
      want: ["add bare", "add blank", "add cr", "add crlf"],
    },
    {
      name: "line ends and last lines changed",
      files: { crlf: file("a\nb\r\n"), cr: file("a\rb"), bare: file("no newline\n"), blank: file("\n \n\n") },
      want: ["update bare", "update blank", "update cr", "update crlf"],
    },
    { name: "binary changed", files: { "noise.bin": file(`${noisy}x`) }, want: ["update noise.bin"] },
    {
      name: "not UTF-8",
      files: { latin: file("caf\xe9\n"), utf8: file("caf\xc3\xa9\n") },
      want: ["add latin", "add utf8"],
    },
    { name: "not UTF-8 changed", files: { latin: file("caf\xe9 noir\n") }, want: ["update latin"] },
    { name: "not UTF-8 any more", files: { utf8: file("\xff\n") }, want: ["update utf8"] },
    {
      name: "paths that git quotes",
      files: {
        "with space": file("1\n"),
        'q"uote': file("1\n"),
        "tab\there": file("1\n"),
        "new\nline": file("1\n"),
        "back\\slash": file("1\n"),
        "\xc3\xbcber/\xe6\x97\xa5": file("1\n"),
        " lead": file(""),
      },
      want: [
        "add  lead",
        "add back\\slash",
        "add new\nline",
        'add q"uote',
        "add tab\there",
        "add with space",
        "add über/日",
      ],
    },
    { name: "empty commit", files: {}, want: [] },
    {
      name: "file to folder",
      files: { crlf: null, "crlf/in": file("x\n") },
      want: ["delete crlf", "add crlf/in"],
    },
    {
      name: "folder to file",
      files: { "crlf/in": null, crlf: file("x\n") },
      want: ["add crlf", "delete crlf/in"],
    },
    { name: "submodule added", files: { sub: gitlink("a") }, want: ["add sub"] },
    { name: "submodule moved", files: { sub: gitlink("b") }, want: ["update sub"] },
    { name: "submodule to file", files: { sub: file("x\n") }, want: ["delete sub", "add sub"] },
    { name: "file to submodule", files: { sub: gitlink("c") }, want: ["delete sub", "add sub"] },
    { name: "submodule removed", files: { sub: null }, want: ["delete sub"] },
    {
      name: "last lines of binary files",
      files: { "noise.bin": null, latin: null },
      want: ["delete latin", "delete noise.bin"],
    },
  ]

describe("a history of awkward commits", () => {
  test("each step is what changed, and git apply makes the same trees of it", async () => {
    importCommits(
      repository,
      awkward.map(({ files, name }) => ({ files, message: `${name}\n` })),
    )
    const proposals = await collect(repository)
    const expected = awkward.filter(({ want }) => want.length > 0)
    expect(proposals.map(operations)).toEqual(expected.map(({ want }) => want))
    expect(proposals.map(({ change_request }) => change_request.metadata.intent)).toEqual(
      expected.map(({ name }) => name),
    )
    checkAll(proposals)
    expect(applyAll(repository, proposals)).toEqual(proposals.map(({ tree }) => tree))
    expect(proposals.at(-1)?.tree).toBe(repository.git(["rev-parse", "main^{tree}"]).trim())
    expect(proposals.flatMap(({ notes }) => notes)).toEqual([])
  })

  test("the same range gives the same bytes, whatever the repository's configuration says", async () => {
    importCommits(
      repository,
      awkward.map(({ files, name }) => ({ files, message: name })),
    )
    const plain = JSON.stringify(await collect(repository))
    const ran = join(repository.gitDir, "ran")
    const hook = `touch '${ran}'; cat`
    for (const [key, value] of [
      ["diff.external", hook],
      ["diff.evil.command", hook],
      ["diff.evil.textconv", hook],
      ["filter.evil.smudge", hook],
      ["filter.evil.clean", hook],
      ["core.fsmonitor", hook],
      ["core.pager", hook],
      ["diff.noprefix", "true"],
      ["diff.mnemonicPrefix", "true"],
      ["diff.context", "9"],
      ["diff.interHunkContext", "9"],
      ["diff.algorithm", "patience"],
      ["diff.suppressBlankEmpty", "true"],
      ["diff.indentHeuristic", "false"],
      ["diff.renames", "copies"],
      ["diff.submodule", "log"],
      ["diff.ignoreSubmodules", "all"],
      ["core.quotePath", "false"],
      ["core.abbrev", "5"],
      ["color.ui", "always"],
    ])
      repository.git(["config", key!, value!])
    writeFileSync(join(repository.gitDir, "info", "attributes"), "* diff=evil filter=evil\n")
    expect(JSON.stringify(await collect(repository))).toBe(plain)
    expect(await Bun.file(ran).exists()).toBe(false)
  })

  test("a pre-image that is stated is the pre-image", async () => {
    importCommits(repository, [
      { files: { a: file("one\n"), b: file("one\n") } },
      { files: { a: file("2\n"), b: null } },
    ])
    const [, second] = await collect(repository)
    for (const change of second!.change_request.changes) expect(change.base_hash).toBe(sha256Hex("one\n"))
  })
})

describe("what a commit says", () => {
  test("author, date and message are kept; the agent is the author", async () => {
    importCommits(repository, [
      {
        files: { a: file("1\n") },
        author: "J\xc3\xb6rg Z <j@example.org> 1234567890 -0730",
        message: "  Add a\n  and more\n\nBody.\n\nTrailer: x\n\n",
      },
    ])
    const [proposal] = await collect(repository)
    expect(proposal).toMatchObject({
      position: 1,
      total: 1,
      notes: [],
      change_request: {
        schema_version: 1,
        agent: "Jörg Z",
        metadata: { intent: "Add a and more", complexity: 1, telemetry_anchors: ["propose"], approvals: [] },
        checks: [],
        provenance: {
          author_name: "Jörg Z",
          author_email: "j@example.org",
          author_date: "1234567890 -0730",
          message: "  Add a\n  and more\n\nBody.\n\nTrailer: x\n\n",
        },
      },
    })
    expect(proposal?.change_request.base_revision).toBeUndefined()
    expect(proposal?.revision).toBe(repository.git(["rev-parse", "main"]).trim())
  })

  test("no message, no author", async () => {
    importCommits(repository, [
      { files: { a: file("1\n") }, message: "", author: " <> 0 +0000" },
      { files: { a: file("2\n") }, message: " \n\n\t\n" },
    ])
    const proposals = await collect(repository)
    expect(proposals.map(({ change_request }) => change_request.metadata.intent)).toEqual([
      "(no message)",
      "(no message)",
    ])
    expect(proposals[0]?.change_request.agent).toBe("unknown")
    checkAll(proposals)
  })

  test("another encoding is read by its name and noted", async () => {
    importCommits(repository, [
      {
        files: { a: file("1\n") },
        encoding: "ISO-8859-1",
        message: "caf\xe9",
        author: "J\xf6rg <j@x> 1 +0000",
      },
      { files: { a: file("2\n") }, message: "caf\xe9", author: "J\xf6rg <j@x> 1 +0000" },
      { files: { a: file("3\n") }, encoding: "no-such", message: "caf\xc3\xa9" },
      { files: { a: file("4\n") }, encoding: "ISO-2022-JP", message: "\x1b$B8l\x1b(B" },
    ])
    const proposals = await collect(repository)
    expect(proposals.map(({ change_request }) => change_request.metadata.intent)).toEqual([
      "café",
      "caf\ufffd",
      "café",
      "語",
    ])
    expect(proposals.map(({ notes }) => notes)).toEqual([
      ["text_reencoded"],
      ["text_reencoded"],
      [],
      ["text_reencoded"],
    ])
    expect(proposals[0]?.change_request.agent).toBe("Jörg")
    checkAll(proposals)
  })

  test("an author line out of form is put in form and noted; the agent's name is one visible line", async () => {
    importCommits(repository, [{ files: { a: file("1\n") } }])
    const tree = repository.git(["rev-parse", "main^{tree}"]).trim()
    const authors = [
      "Eve\x1b[31m <e@x> 1 +0000",
      "No date <e@x>",
      "Nested <<e@x>> 1 +0000",
      "nothing at all",
      `${"n".repeat(2_000)} <e@x> 1 +0000`,
      "Negative <e@x> -5 +0000",
    ]
    const revisions = authors.map((author) =>
      repository
        .git(
          ["hash-object", "-t", "commit", "-w", "--stdin", "--literally"],
          `tree ${tree}\nauthor ${author}\ncommitter B <b@x> 1 +0000\n\na NUL \0 here\n`,
        )
        .trim(),
    )
    for (const [index, revision] of revisions.entries()) {
      const proposals = await collect(repository, { range: { kind: "ref", ref: revision, landing: null } })
      checkAll(proposals)
      const rewritten = proposals[0]!.notes.includes("identity_rewritten")
      expect(rewritten).toBe(index > 0)
      expect(proposals[0]!.notes).toContain("text_reencoded")
      expect(proposals[0]!.change_request.agent).not.toMatch(/[\x00-\x1f]/)
    }
  })

  test("a path that is not UTF-8 is noted; the other commits are not affected", async () => {
    importCommits(repository, [
      { files: { a: file("1\n") } },
      { files: { "caf\xe9": file("1\n"), "\xef\xbf\xbd": file("really U+FFFD\n") } },
      { files: { a: file("2\n") } },
    ])
    const proposals = await collect(repository)
    expect(proposals.map(({ notes }) => notes)).toEqual([[], ["path_not_utf8"], []])
    checkAll(proposals)
  })
})

describe("which commits", () => {
  const linear = (count: number) =>
    importCommits(
      repository,
      Array.from({ length: count }, (_, index) => ({ files: { a: file(`${index}\n`) } })),
    )
  const intents = (proposals: readonly Proposal[]) =>
    proposals.map(({ change_request }) => change_request.metadata.intent)

  test("a long history comes in order, chained, with its parents as bases", async () => {
    linear(200)
    const proposals = await collect(repository)
    expect(intents(proposals)).toEqual(Array.from({ length: 200 }, (_, index) => `commit ${index + 1}`))
    for (const [index, proposal] of proposals.entries())
      expect(proposal.change_request.base_revision).toBe(proposals[index - 1]?.revision)
    expect(proposals.map(({ position }) => position)).toEqual(proposals.map((_, index) => index + 1))
    checkAll(proposals)
  })

  test("A..B leaves out what A reaches", async () => {
    linear(5)
    const proposals = await collect(repository, { range: { kind: "range", from: "main~3", to: "main~1" } })
    expect(intents(proposals)).toEqual(["commit 3", "commit 4"])
    expect(proposals[0]!.change_request.base_revision).toBe(repository.git(["rev-parse", "main~3"]).trim())
    expect(proposals[0]!.change_request.depends_on).toBeUndefined()
    checkAll(proposals)
    expect(applyAll(repository, proposals, "main~3").at(-1)).toBe(proposals[1]!.tree)
  })

  test("nothing between A and B is nothing", async () => {
    linear(2)
    expect(await collect(repository, { range: { kind: "range", from: "main", to: "main" } })).toEqual([])
    expect(
      await collect(repository, { range: { kind: "range", from: "main", to: "main" }, squash: true }),
    ).toEqual([])
  })

  test("a ref starts where it left the landing branch", async () => {
    linear(3)
    importCommits(
      repository,
      [
        { files: { a: file("0\n") } },
        { files: { work: file("1\n") }, message: "work 1" },
        { files: { work: file("2\n") }, message: "work 2" },
      ],
      "refs/heads/work",
    )
    const range = { kind: "ref", ref: "work", landing: "main" } as const
    expect(intents(await collect(repository, { range }))).toEqual(["work 1", "work 2"])
    expect(intents(await collect(repository, { range: { ...range, landing: "unborn" } }))).toEqual([
      "commit 1",
      "work 1",
      "work 2",
    ])
  })

  test("a merge is its difference to its first parent; an empty one is left out and the chain goes on", async () => {
    importCommits(repository, [
      { files: { a: file("1\n") }, message: "base" },
      { files: { side: file("s\n") }, message: "side", from: 1 },
      { files: { a: file("2\n") }, message: "main work", from: 1 },
      { files: { side: file("s\n") }, message: "merge", merge: 2 },
      { files: {}, message: "empty merge", merge: 2 },
      { files: { a: file("3\n") }, message: "after" },
    ])
    const proposals = await collect(repository)
    expect(intents(proposals)).toEqual(["base", "main work", "merge", "after"])
    expect(operations(proposals[2])).toEqual(["add side"])
    expect(proposals.map(({ position, total }) => [position, total])).toEqual([
      [1, 5],
      [2, 5],
      [3, 5],
      [5, 5],
    ])
    checkAll(proposals)
    expect(applyAll(repository, proposals)).toEqual(proposals.map(({ tree }) => tree))
  })

  test("squash is one change request with everybody's subjects", async () => {
    linear(4)
    const range = { kind: "range", from: "main~3", to: "main" } as const
    const [proposal, ...others] = await collect(repository, { range, squash: true })
    expect(others).toEqual([])
    expect(proposal!.change_request).toMatchObject({
      base_revision: repository.git(["rev-parse", "main~3"]).trim(),
      metadata: { intent: "commit 4" },
      provenance: { message: "commit 4\n\n* commit 2\n* commit 3\n* commit 4\n" },
    })
    checkAll([proposal!])
    expect(applyAll(repository, [proposal!], "main~3")).toEqual([proposal!.tree])
    const [whole] = await collect(repository, { squash: true })
    expect(whole!.change_request.base_revision).toBeUndefined()
    expect(applyAll(repository, [whole!])).toEqual([whole!.tree])
  })

  test("squash of work that was undone is nothing", async () => {
    importCommits(repository, [
      { files: { a: file("1\n") } },
      { files: { a: file("2\n") } },
      { files: { a: file("1\n") } },
    ])
    const range = { kind: "range", from: "main~2", to: "main" } as const
    expect(await collect(repository, { range, squash: true })).toEqual([])
  })

  test("ranges as people write them", () => {
    expect(parseRange("a..b")).toEqual({ kind: "range", from: "a", to: "b" })
    expect(parseRange("v1.2..feature/x")).toEqual({ kind: "range", from: "v1.2", to: "feature/x" })
    expect(parseRange("a..")).toEqual({ kind: "range", from: "a", to: "HEAD" })
    expect(parseRange("..b")).toEqual({ kind: "range", from: "HEAD", to: "b" })
    for (const text of ["", "a", "..", "a...b", "...", "a..."]) expect(parseRange(text)).toBeNull()
  })
})

describe("what cannot be proposed", () => {
  const failure = async (over: Partial<ProposeInput>) => {
    const result = await Effect.runPromise(
      Effect.either(
        propose(
          {
            gitDir: repository.gitDir,
            env: { PATH: process.env["PATH"] },
            range: { kind: "ref", ref: "main", landing: null },
            ...over,
          },
          () => Effect.void,
        ),
      ),
    )
    if (Either.isRight(result)) throw new Error("proposed")
    return result.left
  }
  const changes = (text: string) => [{ files: { a: file("1\n") } }, { files: { a: file(text) } }]

  test("an unknown revision, an option in its place, something that is no commit", async () => {
    importCommits(repository, changes("2\n"))
    for (const ref of ["nowhere", "--output=x", "main:a", "main^{tree}", "", "a\0b"])
      expect(await failure({ range: { kind: "ref", ref, landing: null } })).toMatchObject({
        _tag: "ProposeFailed",
        reason: "unknown_revision",
        revision: ref,
      })
    expect(await failure({ range: { kind: "range", from: "nowhere", to: "main" } })).toMatchObject({
      revision: "nowhere",
    })
  })

  test("a diff over the limit", async () => {
    importCommits(repository, changes("x\n".repeat(10_000)))
    const error = await failure({ maxDiffBytes: 5_000 })
    expect(error).toMatchObject({
      reason: "too_large",
      revision: repository.git(["rev-parse", "main"]).trim(),
    })
  })

  test("a history cut off by a shallow clone", async () => {
    importCommits(repository, changes("2\n"))
    const [base] = repository.git(["rev-list", "--reverse", "main"]).split("\n")
    writeFileSync(join(repository.gitDir, "shallow"), `${repository.git(["rev-parse", "main"])}`)
    rmSync(join(repository.gitDir, "objects", base!.slice(0, 2), base!.slice(2)))
    const error = await failure({})
    expect(error).toMatchObject({ reason: "incomplete_history", revision: base })
    expect(error.message).toContain("--unshallow")
  })

  test("a repository that is not there", async () => {
    expect((await failure({ gitDir: join(repository.gitDir, "objects") }))._tag).toBe("GitFailed")
  })

  test("one who stops after the first commit gets just that one", async () => {
    importCommits(
      repository,
      Array.from({ length: 100 }, (_, index) => ({ files: { a: file(`${index}\n`) } })),
    )
    let seen = 0
    const stopped = await Effect.runPromise(
      Effect.flip(
        propose(
          {
            gitDir: repository.gitDir,
            env: { PATH: process.env["PATH"] },
            range: { kind: "ref", ref: "main", landing: null },
          },
          () => {
            seen++
            return Effect.fail("enough" as const)
          },
        ),
      ),
    )
    expect(stopped).toBe("enough")
    expect(seen).toBe(1)
  })
})
